use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use longshore_clock::Door;
use longshore_core::{EventName, QueueName, WorkerId, parse_duration};
use longshore_pool::SharedCpuPool;
use longshore_runtime::{Queue, RateScope, Stop, Subscription, WorkerConfig};
use longshore_server::{Api, serve_probes};
use longshore_services::sweep_every;

use crate::command::serve::start_logs;
use crate::command::whole;
use crate::config::Flag;
use crate::context::Context;
use crate::system::{SWEEP_EVERY, listen, watch};
use crate::worker::Services;
use crate::{descriptors, out, retention, signals};

#[derive(Args, Debug)]
pub(crate) struct Start {
    /// The queues to serve; none named is those of the configuration, which are all unless it says otherwise
    #[arg(value_name = "QUEUE")]
    queues: Vec<QueueName>,
    /// How many jobs of one queue to run at the same time
    #[arg(long, value_name = "N")]
    concurrency: Option<String>,
    /// The longest time between two looks at the store that nobody asked for
    #[arg(long, value_name = "DURATION")]
    scan_interval: Option<String>,
    /// Starts of jobs of each named queue per --rate-interval, over all workers; 0 lets none start
    #[arg(long, value_name = "N", value_parser = whole::<u32>, requires = "queues")]
    rate_limit: Option<u32>,
    /// The interval of the rate
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "1s", requires = "rate_limit")]
    rate_interval: Duration,
    /// Starts at once out of a full bucket; as many as the rate if not given
    #[arg(long, value_name = "N", value_parser = whole::<u32>, requires = "rate_limit")]
    rate_burst: Option<u32>,
    /// Whether the rate counts for all workers together, or for this one alone
    #[arg(long, value_enum, default_value_t = Scope::Queue, requires = "rate_limit")]
    rate_scope: Scope,
    /// Answer on this address with health and metrics; port 0 picks a free one
    #[arg(long, value_name = "ADDRESS")]
    metrics_listen: Option<String>,
    /// Do not look after due jobs and lost leases; somebody else has to
    #[arg(long)]
    no_keeper: bool,
    /// Register handlers for trying things out: test.echo, test.sleep and others
    #[arg(long)]
    test_kinds: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Scope {
    /// For all workers on all nodes: the limit is set on the queue
    Queue,
    /// For this worker alone
    Worker,
}

impl Start {
    /// The rate that the flags ask for, on one queue.
    fn paced(&self, queue: Queue) -> Queue {
        let Some(rate) = self.rate_limit else { return queue };
        let scope = match self.rate_scope {
            Scope::Queue => RateScope::Queue,
            Scope::Worker => RateScope::Worker,
        };
        let queue = queue.rate_limit(rate, self.rate_interval).rate_scope(scope);
        self.rate_burst.into_iter().fold(queue, Queue::rate_burst)
    }

    pub(super) fn flags(&self) -> Vec<Flag> {
        let slots =
            self.concurrency.iter().map(|text| Flag::new("worker_concurrency", "--concurrency", text));
        let scan = self.scan_interval.iter().map(|text| Flag::new("scan_interval", "--scan-interval", text));
        let probes =
            self.metrics_listen.iter().map(|text| Flag::new("metrics_listen", "--metrics-listen", text));
        slots.chain(scan).chain(probes).collect()
    }

    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let traces = start_logs(context)?;
        out::keep_clean()?;
        descriptors::allow_many();
        let settings = &context.settings;
        // Before anything else, so that a worker that cannot be watched touches no store.
        let probed = match settings.metrics_listen {
            Some(address) => {
                let listener = listen(address).await?;
                let address = listener.local_addr()?;
                Some((listener, address))
            }
            None => None,
        };
        settings.check_kinds(&Services::kinds(self.test_kinds))?;
        let services = Services::open(settings, &Door::system())?;
        let opened = context.open()?;
        let engine = &opened.engine;
        engine.parts().register("cpu", SharedCpuPool)?;
        if let Some(traces) = &traces {
            engine.parts().register("otlp", traces.deliveries())?;
        }
        crate::queues::apply(&*opened.store, engine, settings).await?;
        let monitor = watch()?;
        let stop = Stop::new();
        signals::steer(&stop)?;
        if let Some((_, address)) = &probed {
            out::line(format_args!("metrics on http://{address}"));
        }
        let queues = if self.queues.is_empty() { &settings.worker_queues } else { &self.queues };
        let config = WorkerConfig { keeps: !self.no_keeper, ..settings.worker() };
        let worker =
            services.worker(settings, config, engine, queues, services.handlers(self.test_kinds), |queue| {
                self.paced(queue)
            });
        let announced = tokio::spawn(announce(engine.hub().subscribe(), queues.clone()));
        let kept = retention::apply(
            opened.store.clone(),
            engine.door().clock.clone(),
            settings.retention,
            stop.clone(),
        );
        let swept = sweep_every(services.files.clone(), engine.control(), SWEEP_EVERY, stop.clone());
        let kept = tokio::spawn(async move { tokio::join!(kept, swept) });
        let probes = probed.map(|(listener, address)| {
            let api = Api::new(engine.clone(), None, Some(services.pdf.clone()), &[], settings.api(address));
            tokio::spawn(serve_probes(listener, api.watched_by(monitor), stop.clone()))
        });
        let ended = worker.run_until(stop.clone()).await.context("the worker");
        announced.abort();
        stop.drain();
        let _ = kept.await;
        if let Some(probes) = probes {
            let _ = probes.await;
        }
        let closed = opened.store.close().await.context("closing the store");
        ended.and(closed)
    }
}

/// Tells on standard output that the worker is there, as soon as others can see it.
async fn announce(mut events: Subscription, queues: Vec<QueueName>) {
    let own = format!("-{}-", std::process::id());
    while let Some(told) = events.next().await {
        let worker = told.event.worker.filter(|_| told.event.event == EventName::WorkerUp);
        if let Some(id) =
            worker.and_then(|id| WorkerId::new(&*id).ok()).filter(|id| id.as_str().contains(&own))
        {
            let names: Vec<&str> = queues.iter().map(QueueName::as_str).collect();
            let queues = if names.is_empty() { "all queues".to_owned() } else { names.join(", ") };
            out::line(format_args!("worker {id} serves {queues}"));
            return;
        }
    }
}
