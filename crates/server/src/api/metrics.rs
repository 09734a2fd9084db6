use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use longshore_core::State;
use longshore_cron::CronCalculator;
use longshore_runtime::QueueMeters;
use longshore_telemetry::performance::PERFORMANCE;
use longshore_telemetry::{Exposition, Histogram, Metered, Samples};

use super::process;
use crate::app::Api;

type Counter = fn(&QueueMeters) -> &AtomicU64;
type Times = fn(&QueueMeters) -> &Histogram;

const COUNTERS: [(&str, &str, Counter); 5] = [
    ("longshore_job_inserted_total", "Jobs inserted through this process.", |meters| &meters.inserted),
    (
        "longshore_job_started_total",
        "Attempts taken up in this process, those that a guard sent back among them.",
        |meters| &meters.started,
    ),
    ("longshore_job_retried_total", "Attempts that failed and are followed by another.", |meters| {
        &meters.retried
    }),
    ("longshore_job_returned_total", "Attempts given back: snoozed or handed back.", |meters| {
        &meters.returned
    }),
    ("longshore_job_refused_total", "Ends that came too late for their lease.", |meters| &meters.refused),
];

const FINISHED: [(&str, Counter); 3] = [
    ("completed", |meters| &meters.completed),
    ("failed", |meters| &meters.failed),
    ("cancelled", |meters| &meters.cancelled),
];

const HISTOGRAMS: [(&str, &str, Times); 3] = [
    ("longshore_job_wait_seconds", "From insert or due time to the first start.", |meters| &meters.wait),
    ("longshore_job_run_seconds", "From start to end of an attempt.", |meters| &meters.run),
    ("longshore_job_duration_seconds", "From insert to the end of a job.", |meters| &meters.duration),
];

/// A scrape. What the store cannot tell now is left out, and `longshore_store_up` says so.
pub(crate) async fn text(api: &Api) -> String {
    let mut out = Exposition::default();
    let meters = api.system.meters().all();
    for (name, help, read) in COUNTERS {
        for (queue, meters) in &meters {
            out.counter(name, help, &[("queue", queue.as_str())], read(meters).load(Ordering::Relaxed));
        }
    }
    for (queue, meters) in &meters {
        for (outcome, read) in FINISHED {
            let labels = [("queue", queue.as_str()), ("outcome", outcome)];
            out.counter(
                "longshore_job_finished_total",
                "Jobs that ended in this process.",
                &labels,
                read(meters).load(Ordering::Relaxed),
            );
        }
    }
    for (name, help, read) in HISTOGRAMS {
        for (queue, meters) in &meters {
            out.histogram(name, help, &[("queue", queue.as_str())], &read(meters).snapshot());
        }
    }
    kinds(api, &mut out);
    store(api, &mut out).await;
    api.http.expose(&mut out);
    out.counter(
        "longshore_event_lost_total",
        "Events that listeners of this process missed, because they were too slow or there were too many.",
        &[],
        api.system.hub().lost(),
    );
    out.counter(
        "longshore_event_listener_panics_total",
        "Calls of listeners that panicked.",
        &[],
        api.system.hub().listener_panics(),
    );
    out.gauge(
        "longshore_handler_threads_overdue",
        "Calls of blocking handlers whose attempts are over.",
        &[],
        longshore_runtime::overdue_threads() as f64,
    );
    out.gauge(
        "longshore_event_listeners",
        "Open subscriptions to events.",
        &[],
        api.system.hub().listeners() as f64,
    );
    out.gauge(
        "longshore_event_streams",
        "Open event streams over HTTP.",
        &[],
        api.streams.load(Ordering::Relaxed) as f64,
    );
    out.gauge(
        "longshore_http_connections",
        "Open HTTP connections.",
        &[],
        api.connections.load(Ordering::Relaxed) as f64,
    );
    api.system.parts().expose(&mut out);
    PERFORMANCE.expose(&mut out);
    process::expose(&mut out);
    if let Some(monitor) = &api.monitor {
        let help = "How late each reading of the watch on the runtime was.";
        out.histogram("longshore_loop_reading_lag_seconds", help, &[], &monitor.get_lags());
    }
    if let Some(sample) = api.monitor.as_ref().and_then(|monitor| monitor.get_snapshot()) {
        out.gauge(
            "longshore_loop_lag_seconds",
            "How late the runtime took up what was due, at most, in the last second.",
            &[],
            sample.loop_latency_ms / 1_000.0,
        );
        let latest = api.monitor.iter().flat_map(|monitor| monitor.get_latency_samples(LAG_SAMPLES));
        out.gauge(
            "longshore_loop_lag_max_seconds",
            "The same in the last minute, so that no stall falls between two scrapes.",
            &[],
            latest.fold(0.0, f64::max) / 1_000.0,
        );
        out.gauge("longshore_loop_tasks", "Tasks alive on the runtime.", &[], sample.task_count as f64);
        out.gauge(
            "longshore_loop_busy_ratio",
            "The share of the last second in which the threads of the runtime were at work.",
            &[],
            sample.busy_ratio,
        );
    }
    out.finish()
}

/// What handlers did, by kind.
fn kinds(api: &Api, out: &mut Exposition) {
    let kinds = api.system.meters().kinds();
    let read = |meter: &AtomicU64| meter.load(Ordering::Relaxed);
    for (kind, meters) in &kinds {
        let help = "From start to end of an attempt.";
        out.histogram("longshore_kind_run_seconds", help, &[("kind", kind)], &meters.run.snapshot());
    }
    for (kind, meters) in &kinds {
        let outcomes =
            [("completed", &meters.completed), ("failed", &meters.failed), ("cancelled", &meters.cancelled)];
        for (outcome, meter) in outcomes {
            let labels = [("kind", kind.as_str()), ("outcome", outcome)];
            let help = "Attempts after which their job had ended.";
            out.counter("longshore_kind_finished_total", help, &labels, read(meter));
        }
    }
    for (kind, meters) in &kinds {
        for (reason, count) in meters.retried() {
            let labels = [("kind", kind.as_str()), ("reason", reason.as_str())];
            let help = "Attempts that failed and are followed by another, by why.";
            out.counter("longshore_kind_retried_total", help, &labels, count);
        }
    }
}

/// What only the store knows.
async fn store(api: &Api, out: &mut Exposition) {
    let control = api.system.control();
    let looked = tokio::try_join!(control.queues(), control.live_workers());
    out.gauge("longshore_store_up", "Whether the store answers.", &[], f64::from(u8::from(looked.is_ok())));
    let Ok((queues, workers)) = looked else { return };
    for queue in queues.iter().take(QUEUES_MAX) {
        for state in State::ALL {
            let labels = [("queue", queue.name.as_str()), ("state", state.as_str())];
            let help = "Jobs of a queue by state.";
            out.gauge("longshore_queue_depth", help, &labels, queue.counts.get(state) as f64);
        }
    }
    let help = "Workers that told of themselves lately (worker_ttl).";
    out.gauge("longshore_workers", help, &[], workers.len() as f64);
    for worker in workers.iter().take(WORKERS_MAX) {
        let help = "Jobs that a worker runs, as it last told.";
        out.gauge(
            "longshore_worker_busy",
            help,
            &[("worker", worker.id.as_str())],
            f64::from(worker.running),
        );
    }
}

/// Queues that a scrape shows at most.
const QUEUES_MAX: usize = 200;
/// Samples of the runtime, one a second, whose longest lag a scrape shows.
const LAG_SAMPLES: usize = 60;
/// Workers that a scrape shows at most.
const WORKERS_MAX: usize = 200;

/// The cache of parsed cron expressions.
pub(crate) struct Expressions(pub(crate) Arc<CronCalculator>);

impl Metered for Expressions {
    fn meter(&self, samples: &mut Samples<'_>) {
        let stats = self.0.stats();
        let help = "What a cache did, by sort.";
        let values = [("hit", stats.cache_hits), ("miss", stats.cache_misses)];
        samples.counters("longshore_cache_ops_total", help, "op", values);
        samples.gauge("longshore_cache_entries", "Entries in memory.", stats.cached_expressions as f64);
    }
}
