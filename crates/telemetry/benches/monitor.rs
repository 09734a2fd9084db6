//! What the watch on a runtime tells of blocks, while it reads rarely and while it reads often, and what it costs.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "it tells, and what goes wrong here ends it")]

use std::sync::{Arc, Barrier};
use std::time::Duration;

use longshore_clock::Stopwatch;
use longshore_telemetry::monitor::{EventLoopMonitor, EventLoopMonitorConfig};
use tokio::runtime::{Builder, Runtime};

const BLOCK: Duration = Duration::from_millis(50);
/// Calm runtimes of each kind that are blocked once each, and so long apart: not in step with the watch, so that every
/// moment of its long step is met.
const CALM_ROUNDS: u32 = 100;
const APART: Duration = Duration::from_millis(53);
/// How often one runtime of each kind is blocked.
const ROUNDS: u32 = 15;
/// Longer than it takes until a runtime counts as calm.
const CALM: Duration = Duration::from_secs(12);
const IDLE: Duration = Duration::from_secs(20);

/// A runtime at rest, and its watch.
struct Watched {
    runtime: Arc<Runtime>,
    monitor: EventLoopMonitor,
}

impl Watched {
    fn new(threads: usize) -> Self {
        let mut builder = match threads {
            0 => Builder::new_current_thread(),
            _ => Builder::new_multi_thread(),
        };
        let runtime = Arc::new(builder.worker_threads(threads.max(1)).enable_time().build().unwrap());
        if threads == 0 {
            let driven = runtime.clone();
            std::thread::spawn(move || driven.block_on(std::future::pending::<()>()));
        }
        let config = EventLoopMonitorConfig { log_metrics: false, ..EventLoopMonitorConfig::default() };
        let monitor = EventLoopMonitor::new(config, runtime.handle().clone()).unwrap();
        monitor.start().unwrap();
        Self { runtime, monitor }
    }

    /// Holds every thread for so long at once. Returns for how long all of them were held, in milliseconds.
    fn block(&self, time: Duration) -> f64 {
        let threads = self.runtime.metrics().num_workers();
        let (together, (held, all)) = (Arc::new(Barrier::new(threads)), std::sync::mpsc::channel());
        let watch = Stopwatch::start();
        for _ in 0..threads {
            let (together, held) = (together.clone(), held.clone());
            self.runtime.spawn(async move {
                together.wait();
                let begun = watch.elapsed();
                while watch.elapsed() < begun + time {
                    std::hint::spin_loop();
                }
                held.send((begun, watch.elapsed())).unwrap();
            });
        }
        drop(held);
        let held: Vec<_> = all.iter().collect();
        let begun = held.iter().map(|(begun, _)| *begun).max().unwrap();
        let ended = held.iter().map(|(_, ended)| *ended).min().unwrap();
        ended.saturating_sub(begun).as_secs_f64() * 1e3
    }

    /// By how much what is told of a block is off, in milliseconds.
    fn error(&self) -> f64 {
        let held = self.block(BLOCK);
        self.sampled(2);
        let told = self.monitor.get_latency_samples(2).into_iter().fold(0.0, f64::max);
        (told - held).abs()
    }

    fn sampled(&self, times: u64) {
        let samples = self.monitor.get_health().samples + times;
        while self.monitor.get_health().samples < samples {
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }
}

fn pass(time: Duration) {
    let watch = Stopwatch::start();
    while watch.elapsed() < time {
        std::thread::park_timeout(time.saturating_sub(watch.elapsed()));
    }
}

/// Processor time of the watching thread so far; none elsewhere than on Linux.
fn cost() -> Option<Duration> {
    let tasks = std::fs::read_dir("/proc/self/task").ok()?;
    let of = |task: std::path::PathBuf| {
        let name = std::fs::read_to_string(task.join("comm")).ok()?;
        let times = std::fs::read_to_string(task.join("schedstat")).ok()?;
        let time = times.split_whitespace().next()?.parse().ok()?;
        (name.trim() == "loop-monitor").then_some(Duration::from_nanos(time))
    };
    Some(tasks.flatten().filter_map(|task| of(task.path())).sum())
}

fn tell(name: &str, how: &str, mut errors: Vec<f64>) {
    errors.sort_by(f64::total_cmp);
    let (middle, worst, count) = (errors[errors.len() / 2], errors[errors.len() - 1], errors.len());
    println!(
        "{name}, {how}: {BLOCK:?} told within {middle:.1} ms (median), {worst:.1} ms (worst of {count})"
    );
}

fn main() {
    // Once for what it costs, alone.
    let alone = Watched::new(1);
    pass(CALM);
    if let Some(before) = cost() {
        pass(IDLE);
        let share = cost().unwrap_or_default().saturating_sub(before).as_secs_f64() / IDLE.as_secs_f64();
        println!("a calm runtime: {:.3} % of a core", share * 100.0);
    }
    drop(alone);
    for (name, threads) in [("current thread", 0), ("one thread", 1), ("two threads", 2)] {
        let calm: Vec<_> = (0..CALM_ROUNDS)
            .map(|round| {
                std::thread::spawn(move || {
                    let calm = Watched::new(threads);
                    pass(CALM + APART * round);
                    // What goes before in the same step is noted, and must not hide the block.
                    calm.runtime.spawn(async {});
                    pass(Duration::from_millis(2));
                    calm.error()
                })
            })
            .collect();
        tell(name, "calm", calm.into_iter().map(|round| round.join().unwrap()).collect());
        let lively = Watched::new(threads);
        let again = || {
            // The samples after this one hold nothing else.
            lively.sampled(1);
            lively.error()
        };
        tell(name, "again and again", (0..ROUNDS).map(|_| again()).collect());
    }
}
