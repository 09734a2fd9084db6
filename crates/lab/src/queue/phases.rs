//! The phases of one round, each on a queue of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use longshore_clock::{Stopwatch, Timestamp};
use longshore_core::{JobSpec, Json, KindName, QueueName, State};
use longshore_runtime::{
    Attempt, Client, Engine, Keeper, KeeperConfig, Outcome, Queue, Stop, Worker, WorkerConfig,
};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;

use super::{Floor, Plan, Round};
use crate::cpu;
use crate::statistics::Spread;

/// Callers in the phase of single inserts.
const CALLERS: usize = 64;
/// How far ahead scheduled jobs lie.
const AHEAD: Duration = Duration::from_millis(200);
/// No phase may take longer.
const PATIENCE: Duration = Duration::from_secs(300);

struct Bench<'a> {
    engine: &'a Engine,
    client: Client,
    plan: &'a Plan,
    args: Json,
    kind: KindName,
}

pub(super) async fn all(engine: &Engine, plan: &Plan, floor: Option<Floor>) -> anyhow::Result<Round> {
    let bench = Bench {
        engine,
        client: engine.client(),
        plan,
        args: Json::parse(&plan.args())?,
        kind: KindName::new("test.noop")?,
    };
    let stop = Stop::new();
    let beside = bench.beside(&stop);
    let enqueue_batch_per_s = bench.enqueue_batches().await?;
    let (process_per_s, cpu_us_per_job, valid) = bench.process().await?;
    let enqueue_single_per_s = bench.enqueue_singles(CALLERS).await?;
    let enqueue_one_caller_per_s = bench.enqueue_singles(1).await?;
    let start_latency_ms = bench.start_latency().await?;
    let lateness_ms = bench.lateness().await?;
    stop.drain();
    for task in beside {
        task.await?;
    }
    Ok(Round {
        enqueue_batch_per_s,
        enqueue_single_per_s,
        enqueue_one_caller_per_s,
        process_per_s,
        floor_enqueue_per_s: floor.map(|floor| floor.enqueue_per_s),
        floor_process_per_s: floor.map(|floor| floor.process_per_s),
        start_latency_ms,
        lateness_ms,
        cpu_us_per_job,
        valid,
    })
}

impl Bench<'_> {
    /// What stands beside: a keeper, two idle workers, and a listener to all events.
    fn beside(&self, stop: &Stop) -> Vec<JoinHandle<()>> {
        let mut tasks = Vec::new();
        let keeper = Keeper::new(self.engine.clone(), KeeperConfig::default());
        tasks.push(tokio::spawn(keeper.run(stop.clone())));
        for queue in ["idle-1", "idle-2"] {
            let worker = Worker::new(self.engine.clone())
                .config(beside_the_keeper())
                .queue(Queue::new(queue))
                .handle("test.noop", noop);
            let stop = stop.clone();
            tasks.push(tokio::spawn(async move { drop(worker.run_until(stop).await) }));
        }
        let (mut events, stop) = (self.engine.hub().subscribe(), stop.clone());
        tasks.push(tokio::spawn(async move {
            tokio::select! {
                () = async { while events.next().await.is_some() {} } => {}
                () = stop.draining() => {}
            }
        }));
        tasks
    }

    fn job(&self, queue: &QueueName, run_at: Option<Timestamp>) -> Arc<JobSpec> {
        let spec = JobSpec::new(self.client.new_id(), queue.clone(), self.kind.clone(), self.args.clone());
        Arc::new(JobSpec { run_at, ..spec })
    }

    async fn enqueue_batches(&self) -> anyhow::Result<f64> {
        let queue = QueueName::new("process")?;
        crate::keep_all(self.engine, &queue).await?;
        let watch = Stopwatch::start();
        let mut left = self.plan.jobs;
        while left > 0 {
            let count = left.min(self.plan.batch);
            self.client.insert((0..count).map(|_| self.job(&queue, None)).collect()).await?;
            left -= count;
        }
        Ok(self.plan.jobs as f64 / watch.elapsed().as_secs_f64())
    }

    /// Works off everything that was enqueued.
    async fn process(&self) -> anyhow::Result<(f64, Option<f64>, bool)> {
        let queue = QueueName::new("process")?;
        let meters = self.engine.meters().queue(&queue);
        let (before, watch) = (cpu::used(), Stopwatch::start());
        let (stop, worker) = self.worker("process", noop);
        let done = async {
            while meters.completed.load(Ordering::Relaxed) < self.plan.jobs as u64 {
                tick(self.engine).await;
            }
        };
        tokio::time::timeout(PATIENCE, done).await.context("the jobs were not worked off in time")?;
        let (elapsed, after) = (watch.elapsed(), cpu::used());
        stop.drain();
        worker.await??;
        let info = self.engine.control().queue(&queue).await?.context("the queue is known")?;
        let ended = info.counts.get(State::Completed);
        ensure!(
            ended == self.plan.jobs as u64,
            "the store counts {ended} completed jobs of {}",
            self.plan.jobs
        );
        let valid = info.counts.total() == ended && meters.refused.load(Ordering::Relaxed) == 0;
        let cpu = before
            .zip(after)
            .map(|(before, after)| after.saturating_sub(before).as_secs_f64() * 1e6 / self.plan.jobs as f64);
        Ok((self.plan.jobs as f64 / elapsed.as_secs_f64(), cpu, valid))
    }

    fn worker<P: 'static>(
        &self,
        queue: &str,
        handler: impl longshore_runtime::Handler<P>,
    ) -> (Stop, JoinHandle<Result<(), longshore_core::StoreError>>) {
        let stop = Stop::new();
        let worker = Worker::new(self.engine.clone())
            .config(beside_the_keeper())
            .queue(Queue::new(queue).concurrency(self.plan.slots))
            .handle("test.noop", handler);
        (stop.clone(), tokio::spawn(worker.run_until(stop)))
    }

    /// So many callers insert one job each, again and again.
    async fn enqueue_singles(&self, callers: usize) -> anyhow::Result<f64> {
        let queue = QueueName::new("singles")?;
        let (over, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let watch = Stopwatch::start();
        let mut tasks = Vec::new();
        for _ in 0..callers {
            let (client, over, count) = (self.client.clone(), over.clone(), count.clone());
            let (queue, kind, args) = (queue.clone(), self.kind.clone(), self.args.clone());
            tasks.push(tokio::spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    let job = JobSpec::new(client.new_id(), queue.clone(), kind.clone(), args.clone());
                    client.insert(vec![Arc::new(job)]).await?;
                    count.fetch_add(1, Ordering::Relaxed);
                }
                Ok::<_, longshore_core::StoreError>(())
            }));
        }
        let clock = &self.engine.door().clock;
        clock.sleep(self.plan.single).await;
        over.store(true, Ordering::Relaxed);
        for task in tasks {
            task.await??;
        }
        Ok(count.load(Ordering::Relaxed) as f64 / watch.elapsed().as_secs_f64())
    }

    /// One job at a time on an idle worker: from the acknowledged insert to the handler's first line.
    async fn start_latency(&self) -> anyhow::Result<Option<Spread>> {
        let queue = QueueName::new("latency")?;
        let (starts, mut started) = mpsc::unbounded_channel();
        let (stop, worker) = self.worker("latency", move || {
            let _ = starts.send(Stopwatch::start());
            async { Ok::<_, Outcome>(()) }
        });
        let mut times = Vec::new();
        for sample in 0..self.plan.samples + 10 {
            self.client.insert(vec![self.job(&queue, None)]).await?;
            let acknowledged = Stopwatch::start();
            let start =
                tokio::time::timeout(PATIENCE, started.recv()).await?.context("the worker stopped")?;
            let late = start.started().saturating_duration_since(acknowledged.started());
            // The first ones warm things up.
            if sample >= 10 {
                times.push(late.as_secs_f64() * 1_000.0);
            }
            tick(self.engine).await;
        }
        stop.drain();
        worker.await??;
        Ok(Spread::of(times))
    }

    /// Jobs scheduled at different times: from the due time to the handler's first line.
    async fn lateness(&self) -> anyhow::Result<Option<Spread>> {
        let queue = QueueName::new("lateness")?;
        let due = Arc::new(Mutex::new(std::collections::HashMap::new()));
        let (starts, mut started) = mpsc::unbounded_channel();
        let clock = self.engine.door().clock.clone();
        let (stop, worker) = self.worker("lateness", move |attempt: Attempt| {
            let _ = starts.send((attempt.job_id, clock.now()));
            async { Ok::<_, Outcome>(()) }
        });
        for sample in 0..self.plan.samples {
            let at = self.engine.door().clock.now() + AHEAD + Duration::from_millis(sample as u64 % 97);
            let job = self.job(&queue, Some(at));
            due.lock().await.insert(job.id.to_string(), at);
            self.client.insert(vec![job]).await?;
        }
        let mut times = Vec::new();
        for _ in 0..self.plan.samples {
            let (id, at) =
                tokio::time::timeout(PATIENCE, started.recv()).await?.context("the worker stopped")?;
            let due = due.lock().await.get(&id).copied().context("a job that nobody scheduled")?;
            ensure!(at >= due, "job {id} started before its time");
            times.push(at.since(due).as_secs_f64() * 1_000.0);
        }
        stop.drain();
        worker.await??;
        Ok(Spread::of(times))
    }
}

/// One keeper is enough for all workers of this process.
fn beside_the_keeper() -> WorkerConfig {
    WorkerConfig { keeps: false, ..WorkerConfig::default() }
}

async fn noop() -> Result<(), Outcome> {
    Ok(())
}

async fn tick(engine: &Engine) {
    engine.door().clock.sleep(Duration::from_millis(1)).await;
}
