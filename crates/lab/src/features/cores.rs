//! What more processors bring to handlers that compute.

use std::hint::black_box;
use std::num::NonZero;

use anyhow::Context;
use longshore_clock::Stopwatch;
use longshore_core::QueueName;
use longshore_runtime::{Outcome, Queue, Stop, Worker, WorkerConfig, blocking};
use serde::Serialize;
use tokio::sync::mpsc;

use super::Bench;

/// Jobs of each run.
const JOBS: usize = 400;
/// Rounds of arithmetic in one job: a few milliseconds.
const ROUNDS: u64 = 3_000_000;

/// Rates of handlers that do nothing but compute, on one thread and on as many as there are processors.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Cores {
    /// Processors that this process may use.
    pub processors: usize,
    /// Jobs per second with one slot.
    pub one_slot_per_s: f64,
    /// Jobs per second with a slot for each processor.
    pub all_slots_per_s: f64,
    /// The second over the first, for each processor: 1 is perfect.
    pub gain_per_processor: f64,
    /// The same of plain threads that do nothing else: what the machine itself gives.
    pub gain_of_plain_threads: f64,
}

pub(super) async fn measure(bench: &Bench<'_>) -> anyhow::Result<Cores> {
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    let (mut one, mut all, mut plain_one, mut plain_all) = (0.0, 0.0, 0.0, 0.0);
    // Alternating, so that a slow moment of the machine meets both.
    for _ in 0..3 {
        one += rate(bench, 1).await? / 3.0;
        plain_one += plain(1);
        all += rate(bench, processors).await? / 3.0;
        plain_all += plain(processors);
    }
    Ok(Cores {
        processors,
        one_slot_per_s: one,
        all_slots_per_s: all,
        gain_per_processor: all / one / processors as f64,
        gain_of_plain_threads: plain_all / plain_one / processors as f64,
    })
}

fn compute() {
    let mut state = 1_u64;
    for round in 0..ROUNDS {
        state = black_box(state.rotate_left(7) ^ round.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    }
}

/// The same number of times on so many threads, per second.
fn plain(threads: usize) -> f64 {
    let watch = Stopwatch::start();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| (0..JOBS / threads).for_each(|_| compute()));
        }
    });
    (JOBS / threads * threads) as f64 / watch.elapsed().as_secs_f64()
}

async fn rate(bench: &Bench<'_>, slots: usize) -> anyhow::Result<f64> {
    let queue = QueueName::new("compute")?;
    bench.fill(&queue, "{}", JOBS).await?;
    let (tell, mut told) = mpsc::unbounded_channel();
    let handler = blocking(move || {
        compute();
        let _ = tell.send(());
        Ok::<_, Outcome>(())
    });
    let worker = Worker::new(bench.engine.clone())
        .config(WorkerConfig { keeps: false, ..WorkerConfig::default() })
        .queue(Queue::new("compute").concurrency(slots))
        .handle("test.noop", handler);
    let (stop, watch) = (Stop::new(), Stopwatch::start());
    let task = tokio::spawn(worker.run_until(stop.clone()));
    for _ in 0..JOBS {
        told.recv().await.context("the worker stopped")?;
    }
    let rate = JOBS as f64 / watch.elapsed().as_secs_f64();
    stop.drain();
    task.await??;
    Ok(rate)
}
