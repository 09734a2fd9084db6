//! Watches a tokio runtime: how late its timers are, and how much waits.

mod config;
mod sample;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use longshore_clock::{Clock, Stopwatch};
use longshore_core::Invalid;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

pub use self::config::EventLoopMonitorConfig;
pub use self::sample::{LoopHealthMetrics, LoopMonitorMetrics};

use self::sample::Work;

/// From one reading to the next.
const BEAT: Duration = Duration::from_millis(10);
/// Samples that are kept.
const HISTORY: usize = 100;

/// Watches a runtime from a thread of its own, so that it tells of a stall also while it lasts.
///
/// A task on the runtime wakes every ten milliseconds. How much later than that it does is the lag; the largest one since
/// the sample before is the sample. When every thread of the runtime is blocked, no task wakes, and the lag is how long
/// nothing was heard of it.
pub struct EventLoopMonitor {
    shared: Arc<Shared>,
    running: Mutex<Option<Running>>,
}

struct Shared {
    config: EventLoopMonitorConfig,
    runtime: Handle,
    started: Stopwatch,
    clock: Clock,
    /// When the task woke last, in nanoseconds since the start.
    beat_at: AtomicU64,
    /// The largest lag since the last sample, in nanoseconds.
    lag: AtomicU64,
    stopping: AtomicBool,
    history: Mutex<VecDeque<LoopMonitorMetrics>>,
    health: Mutex<LoopHealthMetrics>,
}

struct Running {
    beat: AbortHandle,
    watch: JoinHandle<()>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl EventLoopMonitor {
    /// For a runtime. Refuses thresholds out of order.
    pub fn new(config: EventLoopMonitorConfig, runtime: Handle) -> Result<Self, Invalid> {
        config.check()?;
        let shared = Shared {
            config,
            runtime,
            started: Stopwatch::start(),
            clock: Clock::system(),
            beat_at: AtomicU64::new(0),
            lag: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
            history: Mutex::default(),
            health: Mutex::default(),
        };
        Ok(Self { shared: Arc::new(shared), running: Mutex::default() })
    }

    /// Starts to watch; nothing if it does already. Fails if the system gives no thread.
    pub fn start(&self) -> std::io::Result<()> {
        let mut running = lock(&self.running);
        if running.is_some() {
            return Ok(());
        }
        let shared = self.shared.clone();
        shared.stopping.store(false, Ordering::SeqCst);
        shared.beat_at.store(shared.nanos(), Ordering::SeqCst);
        shared.lag.store(0, Ordering::SeqCst);
        let own = shared.clone();
        let watch = std::thread::Builder::new().name("loop-monitor".to_owned()).spawn(move || own.watch())?;
        let beat = self.shared.runtime.spawn(async move { shared.beat().await }).abort_handle();
        *running = Some(Running { beat, watch });
        Ok(())
    }

    /// Stops, and waits for its thread: less than a moment.
    pub fn stop(&self) {
        // Held until it has stopped, so that a start in between waits.
        let mut running = lock(&self.running);
        let Some(Running { beat, watch }) = running.take() else { return };
        beat.abort();
        self.shared.stopping.store(true, Ordering::SeqCst);
        watch.thread().unpark();
        let _ = watch.join();
    }

    /// The same for callers that must not wait on a thread.
    pub async fn stop_async(self: Arc<Self>) {
        let _ = tokio::task::spawn_blocking(move || self.stop()).await;
    }

    /// Whether it watches.
    pub fn is_running(&self) -> bool {
        lock(&self.running).is_some()
    }

    /// The latest sample.
    pub fn get_snapshot(&self) -> Option<LoopMonitorMetrics> {
        lock(&self.shared.history).back().cloned()
    }

    /// The latest samples, at most `limit` of the hundred that are kept, the oldest first.
    pub fn get_history(&self, limit: usize) -> Vec<LoopMonitorMetrics> {
        let history = lock(&self.shared.history);
        history.iter().skip(history.len().saturating_sub(limit)).cloned().collect()
    }

    /// The lags of the latest samples, in milliseconds.
    pub fn get_latency_samples(&self, count: usize) -> Vec<f64> {
        self.get_history(count).iter().map(|sample| sample.loop_latency_ms).collect()
    }

    /// Their mean; none if there is no sample.
    pub fn get_avg_latency(&self, count: usize) -> Option<f64> {
        let lags = self.get_latency_samples(count);
        (!lags.is_empty()).then(|| lags.iter().sum::<f64>() / lags.len() as f64)
    }

    /// The lag that `percent` (0 to 100) of them did not pass; none if there is no sample.
    pub fn get_percentile_latency(&self, percent: f64, count: usize) -> Option<f64> {
        let mut lags = self.get_latency_samples(count);
        lags.sort_by(f64::total_cmp);
        let place = (lags.len() as f64 * percent.clamp(0.0, 100.0) / 100.0) as usize;
        lags.get(place.min(lags.len().saturating_sub(1))).copied()
    }

    /// All that it has seen, in short.
    pub fn get_health(&self) -> LoopHealthMetrics {
        let health = lock(&self.shared.health).clone();
        LoopHealthMetrics { p95_lag_ms: self.get_percentile_latency(95.0, HISTORY), ..health }
    }
}

impl Drop for EventLoopMonitor {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn nanos(&self) -> u64 {
        self.started.elapsed().as_nanos() as u64
    }

    /// On the runtime that is watched.
    async fn beat(&self) {
        loop {
            let slept = Stopwatch::start();
            self.clock.sleep(BEAT).await;
            let lag = slept.elapsed().saturating_sub(BEAT).as_nanos() as u64;
            self.lag.fetch_max(lag, Ordering::Relaxed);
            self.beat_at.store(self.nanos(), Ordering::Relaxed);
        }
    }

    /// On a thread of its own.
    fn watch(&self) {
        let mut work = Work::of(&self.runtime);
        let mut told = sample::Alarm::default();
        let mut next = self.started.elapsed() + self.config.sample_interval;
        while !self.stopping.load(Ordering::SeqCst) {
            let left = next.saturating_sub(self.started.elapsed());
            if !left.is_zero() {
                std::thread::park_timeout(left);
                continue;
            }
            next = self.started.elapsed() + self.config.sample_interval;
            // A stall that lasts is told of before it is over.
            let silent =
                self.nanos().saturating_sub(self.beat_at.load(Ordering::Relaxed) + BEAT.as_nanos() as u64);
            let lag = Duration::from_nanos(self.lag.swap(0, Ordering::Relaxed).max(silent));
            let sample = sample::take(&self.config, &self.runtime, &mut work, self.clock.now(), lag);
            sample.log(&self.config, &mut told);
            self.keep(sample);
        }
    }

    fn keep(&self, sample: LoopMonitorMetrics) {
        lock(&self.health).note(&sample);
        let mut history = lock(&self.history);
        if history.len() == HISTORY {
            history.pop_front();
        }
        history.push_back(sample);
    }
}
