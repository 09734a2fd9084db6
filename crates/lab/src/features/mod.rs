//! What the features of the queue cost: unique keys, limits with a backlog, flows, listings beside a long history,
//! pauses, schedules, cron, and what more processors bring.

mod cores;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use longshore_clock::{Stopwatch, Timestamp};
use longshore_core::{
    DurationText, JobFilter, JobId, JobSpec, Json, KindName, Limit, Page, Parent, QueueChange, QueueName,
    ScheduleName, State, Unique,
};
use longshore_cron::{CronCalculator, CronRequest, Zone};
use longshore_runtime::{
    Attempt, Client, Engine, Keeper, KeeperConfig, Outcome, Overlap, Queue, Rule, Schedule, Stop, Worker,
    WorkerConfig,
};
use serde::Serialize;
use tokio::sync::{Notify, mpsc};

pub use self::cores::Cores;
use crate::statistics::Spread;

/// How much of everything.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Jobs that are enqueued with and without a unique key.
    pub jobs: usize,
    /// Jobs that a limit holds up.
    pub blocked: usize,
    /// Jobs that have ended before listings are timed.
    pub history: usize,
    /// Jobs of one flow.
    pub flow: usize,
    /// Samples of every latency.
    pub samples: usize,
}

impl Default for Plan {
    fn default() -> Self {
        Self { jobs: 100_000, blocked: 100_000, history: 200_000, flow: 10_000, samples: 50 }
    }
}

/// What was measured. Times in milliseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Jobs per second in batches of 500, each without a unique key.
    pub enqueue_batch_per_s: f64,
    /// The same, each with a key of its own.
    pub enqueue_unique_per_s: f64,
    /// The second as a part of the first.
    pub unique_ratio: f64,
    /// From the acknowledged insert of a job that may start to its handler's first line, behind a backlog of jobs
    /// whose key has no room.
    pub start_behind_blocked_key_ms: Option<Spread>,
    /// The same in another queue, beside a queue whose rate lets nothing start.
    pub start_beside_blocked_queue_ms: Option<Spread>,
    /// One flow, every job but the first with one parent: inserted in one step.
    pub flow_insert_ms: f64,
    /// How many jobs have ended when the next two are timed.
    pub history: usize,
    /// All queues with their counts.
    pub counts_ms: Option<Spread>,
    /// Pages of 50: of each state in turn.
    pub listing_ms: Option<Spread>,
    /// From the call to its acknowledgement.
    pub pause_ms: Option<Spread>,
    /// From the acknowledged resume to the first line of a job that waited.
    pub resume_ms: Option<Spread>,
    /// From the nominal time of a schedule to the first line of its job.
    pub schedule_lateness_ms: Option<Spread>,
    /// 1000 occurrences of an expression in a zone with daylight saving.
    pub cron_thousand_ms: Option<Spread>,
    /// Handlers that compute, on one processor and on all.
    pub cores: Cores,
}

type Task = (Stop, tokio::task::JoinHandle<Result<(), longshore_core::StoreError>>);

struct Bench<'a> {
    engine: &'a Engine,
    client: Client,
    plan: &'a Plan,
    kind: KindName,
}

/// Measures an engine on a store that is empty.
pub async fn run(engine: &Engine, plan: &Plan) -> anyhow::Result<Report> {
    let bench = Bench { engine, client: engine.client(), plan, kind: KindName::new("test.noop")? };
    let stop = Stop::new();
    let keeper = tokio::spawn(Keeper::new(engine.clone(), KeeperConfig::default()).run(stop.clone()));
    crate::keep_all(engine, &QueueName::new("plain")?).await?;
    let plain = bench.enqueue("plain", |_| None).await?;
    let unique = bench.enqueue("unique", |number| Some(Unique::new(format!("key/{number}")))).await?;
    let blocked_key = bench.behind_blocked_key().await?;
    let blocked_queue = bench.beside_blocked_queue().await?;
    let flow_insert_ms = bench.flow().await?;
    bench.work_off("plain").await?;
    let (counts, listing) = bench.looks().await?;
    let (pause, resume) = bench.pauses().await?;
    let schedule = bench.schedules().await?;
    let cores = cores::measure(&bench).await?;
    stop.drain();
    keeper.await?;
    Ok(Report {
        enqueue_batch_per_s: plain,
        enqueue_unique_per_s: unique,
        unique_ratio: unique / plain,
        start_behind_blocked_key_ms: blocked_key,
        start_beside_blocked_queue_ms: blocked_queue,
        flow_insert_ms,
        history: plan.history,
        counts_ms: counts,
        listing_ms: listing,
        pause_ms: pause,
        resume_ms: resume,
        schedule_lateness_ms: schedule,
        cores,
        cron_thousand_ms: cron(engine.door().clock.now(), plan.samples),
    })
}

fn millis(watch: &Stopwatch) -> f64 {
    watch.elapsed().as_secs_f64() * 1_000.0
}

/// A worker that tells when a handler starts, and what it was told.
struct Starts {
    stop: Stop,
    worker: tokio::task::JoinHandle<Result<(), longshore_core::StoreError>>,
    told: mpsc::UnboundedReceiver<(JobId, Stopwatch, Timestamp)>,
}

impl Starts {
    async fn next(&mut self) -> anyhow::Result<(JobId, Stopwatch, Timestamp)> {
        let next = tokio::time::timeout(Duration::from_secs(60), self.told.recv());
        next.await.context("no job started in time")?.context("the worker stopped")
    }

    async fn end(self) -> anyhow::Result<()> {
        self.stop.cut();
        Ok(self.worker.await??)
    }
}

impl Bench<'_> {
    fn job(&self, queue: &QueueName, args: &str) -> anyhow::Result<JobSpec> {
        Ok(JobSpec::new(self.client.new_id(), queue.clone(), self.kind.clone(), Json::parse(args)?))
    }

    fn worker(&self, queue: &str) -> Starts {
        let (tell, told) = mpsc::unbounded_channel();
        let (stop, clock) = (Stop::new(), self.engine.door().clock.clone());
        let handler = move |attempt: Attempt| {
            let id = JobId::parse(&attempt.job_id);
            if let Ok(id) = id {
                let _ = tell.send((id, Stopwatch::start(), clock.now()));
            }
            async { Ok::<_, Outcome>(()) }
        };
        let worker = Worker::new(self.engine.clone())
            .config(WorkerConfig { keeps: false, ..WorkerConfig::default() })
            .queue(Queue::new(queue).concurrency(50))
            .handle("test.noop", handler);
        Starts { worker: tokio::spawn(worker.run_until(stop.clone())), stop, told }
    }

    async fn enqueue(&self, queue: &str, unique: impl Fn(usize) -> Option<Unique>) -> anyhow::Result<f64> {
        let queue = QueueName::new(queue)?;
        let watch = Stopwatch::start();
        for batch in (0..self.plan.jobs).collect::<Vec<_>>().chunks(500) {
            let jobs = batch.iter().map(|number| {
                let mut spec = self.job(&queue, "{}")?;
                if let Some(unique) = unique(*number) {
                    Arc::make_mut(&mut spec.options).unique = Some(unique);
                }
                Ok(Arc::new(spec))
            });
            self.client.insert(jobs.collect::<anyhow::Result<_>>()?).await?;
        }
        Ok(self.plan.jobs as f64 / watch.elapsed().as_secs_f64())
    }

    async fn fill(&self, queue: &QueueName, args: &str, count: usize) -> anyhow::Result<()> {
        for batch in (0..count).collect::<Vec<_>>().chunks(1_000) {
            let jobs = batch.iter().map(|_| self.job(queue, args).map(Arc::new));
            self.client.insert(jobs.collect::<anyhow::Result<_>>()?).await?;
        }
        Ok(())
    }

    async fn starts(
        &self,
        starts: &mut Starts,
        queue: &QueueName,
        args: impl Fn(usize) -> String,
    ) -> anyhow::Result<Option<Spread>> {
        let mut times = Vec::new();
        for sample in 0..self.plan.samples {
            let job = Arc::new(self.job(queue, &args(sample))?);
            let id = job.id.clone();
            self.client.insert(vec![job]).await?;
            let acknowledged = Stopwatch::start();
            loop {
                let (started, at, _) = starts.next().await?;
                if started == id {
                    let late = at.started().saturating_duration_since(acknowledged.started());
                    times.push(late.as_secs_f64() * 1_000.0);
                    break;
                }
            }
        }
        Ok(Spread::of(times))
    }

    async fn behind_blocked_key(&self) -> anyhow::Result<Option<Spread>> {
        let queue = QueueName::new("keys")?;
        let other = Limit { key: Some("args.host".to_owned()), concurrency: Some(1), ..Limit::default() };
        let limits = |limit: Limit| QueueChange { limits: Some(vec![limit]), ..QueueChange::default() };
        self.engine.control().set_queue(&queue, limits(other)).await?;
        let (holder, holds) = self.holder("keys");
        self.client.insert(vec![Arc::new(self.job(&queue, "{\"host\": \"busy\"}")?)]).await?;
        holds.notified().await;
        self.fill(&queue, "{\"host\": \"busy\"}", self.plan.blocked).await?;
        let mut starts = self.worker("keys");
        let spread =
            self.starts(&mut starts, &queue, |sample| format!("{{\"host\": \"free-{sample}\"}}")).await?;
        starts.end().await?;
        holder.0.cut();
        holder.1.await??;
        Ok(spread)
    }

    /// A worker with one slot, whose handler says that it has begun and never ends.
    fn holder(&self, queue: &str) -> (Task, Arc<Notify>) {
        let (begun, stop) = (Arc::new(Notify::new()), Stop::new());
        let begin = begun.clone();
        let handler = move || {
            begin.notify_one();
            std::future::pending::<Result<(), Outcome>>()
        };
        let worker = Worker::new(self.engine.clone())
            .config(WorkerConfig { keeps: false, ..WorkerConfig::default() })
            .queue(Queue::new(queue).concurrency(1))
            .handle("test.noop", handler);
        ((stop.clone(), tokio::spawn(worker.run_until(stop))), begun)
    }

    async fn beside_blocked_queue(&self) -> anyhow::Result<Option<Spread>> {
        let (queue, free) = (QueueName::new("stopped")?, QueueName::new("free")?);
        let none = longshore_core::Rate { rate: 0, interval: Duration::from_secs(1), burst: None };
        let change = QueueChange { rate: Some(Some(none)), ..QueueChange::default() };
        self.engine.control().set_queue(&queue, change).await?;
        self.fill(&queue, "{}", self.plan.blocked).await?;
        let mut starts = self.worker("free");
        let spread = self.starts(&mut starts, &free, |_| "{}".to_owned()).await?;
        starts.end().await?;
        Ok(spread)
    }

    async fn flow(&self) -> anyhow::Result<f64> {
        let queue = QueueName::new("flow")?;
        let mut jobs: Vec<Arc<JobSpec>> = Vec::with_capacity(self.plan.flow);
        for number in 0..self.plan.flow {
            let mut spec = self.job(&queue, "{}")?;
            if number > 0 {
                // A tree in which each job has two children.
                let parent = jobs[(number - 1) / 2].id.clone();
                Arc::make_mut(&mut spec.options).depends_on = vec![Parent::new(parent)];
            }
            jobs.push(Arc::new(spec));
        }
        let watch = Stopwatch::start();
        self.client.insert(jobs).await?;
        Ok(millis(&watch))
    }

    /// Makes a history: enqueues what is missing and works the queue off.
    async fn work_off(&self, name: &str) -> anyhow::Result<()> {
        let queue = QueueName::new(name)?;
        self.fill(&queue, "{}", self.plan.history.saturating_sub(self.plan.jobs)).await?;
        let mut starts = self.worker(name);
        for _ in 0..self.plan.history.max(self.plan.jobs) {
            starts.next().await?;
        }
        starts.stop.drain();
        Ok(starts.worker.await??)
    }

    async fn looks(&self) -> anyhow::Result<(Option<Spread>, Option<Spread>)> {
        let control = self.engine.control();
        let (mut counts, mut listings) = (Vec::new(), Vec::new());
        for _ in 0..self.plan.samples {
            let watch = Stopwatch::start();
            control.queues().await?;
            counts.push(millis(&watch));
            for state in State::ALL {
                let queue = Some(QueueName::new("plain")?);
                let filter = JobFilter { queue, states: vec![state], ..JobFilter::default() };
                let watch = Stopwatch::start();
                control.list(filter, Page { after: None, limit: 50 }).await?;
                listings.push(millis(&watch));
            }
        }
        Ok((Spread::of(counts), Spread::of(listings)))
    }

    async fn pauses(&self) -> anyhow::Result<(Option<Spread>, Option<Spread>)> {
        let queue = QueueName::new("pause")?;
        let control = self.engine.control();
        let mut starts = self.worker("pause");
        let (mut pauses, mut resumes) = (Vec::new(), Vec::new());
        for _ in 0..self.plan.samples {
            let watch = Stopwatch::start();
            control.pause(&queue).await?;
            pauses.push(millis(&watch));
            self.client.insert(vec![Arc::new(self.job(&queue, "{}")?)]).await?;
            control.resume(&queue).await?;
            let resumed = Stopwatch::start();
            let (_, at, _) = starts.next().await?;
            resumes.push(at.started().saturating_duration_since(resumed.started()).as_secs_f64() * 1_000.0);
        }
        starts.end().await?;
        Ok((Spread::of(pauses), Spread::of(resumes)))
    }

    async fn schedules(&self) -> anyhow::Result<Option<Spread>> {
        let rule = Rule::Every { every: DurationText(Duration::from_millis(20)), start_now: false };
        let mut schedule = Schedule::new(ScheduleName::new("often")?, rule, self.kind.clone());
        schedule.queue = QueueName::new("often")?;
        schedule.overlap = Overlap::Parallel;
        schedule.max_fires = Some(self.plan.samples as u64);
        let mut starts = self.worker("often");
        self.engine.schedules().put(schedule).await?;
        let mut times = Vec::new();
        for _ in 0..self.plan.samples {
            let (id, _, at) = starts.next().await?;
            let job = self.engine.control().job(&id).await?;
            let nominal = job.spec.options.nominal_at.context("a job that no schedule made")?;
            times.push(at.since(nominal).as_secs_f64() * 1_000.0);
        }
        starts.end().await?;
        Ok(Spread::of(times))
    }
}

fn cron(now: Timestamp, samples: usize) -> Option<Spread> {
    let calculator = CronCalculator::new();
    let zone = Zone::parse("America/New_York").ok()?;
    let request = CronRequest {
        timezone: zone.name().to_owned(),
        end_date: Some((now + Duration::from_secs(300 * 86_400)).to_string()),
        ..CronRequest::new("*/5 * * * *")
    };
    let times = (0..samples).map(|_| {
        let watch = Stopwatch::start();
        let found = calculator.calculate_next_occurrences(&request, now);
        (found.count, millis(&watch))
    });
    Spread::of(times.filter(|(count, _)| *count == 1_000).map(|(_, time)| time).collect())
}
