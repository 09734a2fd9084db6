//! Watches a tokio runtime: how late it takes up what is due, and how much waits.

mod config;
mod moment;
mod probe;
mod readings;
mod sample;
mod standstill;
mod timer;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use longshore_clock::{Clock, Stopwatch};
use longshore_core::Invalid;
use tokio::runtime::Handle;

pub use self::config::EventLoopMonitorConfig;
pub use self::sample::{LoopHealthMetrics, LoopMonitorMetrics};

use self::readings::Readings;
use crate::{Histogram, Snapshot};

/// Samples that are kept.
const HISTORY: usize = 100;

/// Watches a runtime from a thread of its own, so that it tells of a stall also while it lasts. It reads the figures of
/// the runtime, takes nobody's turn, and leaves one asleep that sleeps.
///
/// Every eight milliseconds a reading is due. Its lag is the largest of three times; the largest lag since the sample
/// before is the sample.
/// - How late the reading is taken: as late as any thread was that should have woken up.
/// - How long the runtime stood still: no thread looked for timers and sockets, which each does before a sleep and
///   after every 61 tasks, and one at most in its sleep; between tasks that yield one may look and note nothing. A timer
///   that wakes nobody tells whether one does; without timers a sleeping one counts as one that does, and tokio says
///   once that there are none. Afterwards the length comes from what the threads note of their work, within the readings
///   before and after, or else from how late the timer was.
/// - If no thread sleeps at all: how long a task waits that goes to the end of the line. A task that is woken alone
///   may come sooner, because a thread of a multi-thread runtime takes it next.
///
/// After ten seconds in which no thread worked for more than an eighth of the time, a reading is due every 100 ms only
/// (or as often as the warning threshold, if that is shorter). What began and ended in between is told of as at most
/// nine tenths of the warning threshold, and work without a sleep in between counts as one stretch there; so a warning
/// is always about something that was seen to last.
///
/// A runtime of one thread that nobody drives stands still. When a runtime is gone the last sample says so, and the
/// watch ends.
pub struct EventLoopMonitor {
    shared: Arc<Shared>,
    running: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    config: EventLoopMonitorConfig,
    runtime: Handle,
    started: Stopwatch,
    clock: Clock,
    stopping: AtomicBool,
    lags: Arc<Histogram>,
    history: Mutex<VecDeque<LoopMonitorMetrics>>,
    health: Mutex<LoopHealthMetrics>,
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
            stopping: AtomicBool::new(false),
            lags: Arc::default(),
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
        let watch = std::thread::Builder::new().name("loop-monitor".to_owned());
        *running = Some(watch.spawn(move || shared.watch())?);
        Ok(())
    }

    /// Stops, and waits for its thread: less than a moment.
    pub fn stop(&self) {
        // Held until it has stopped, so that a start in between waits.
        let mut running = lock(&self.running);
        let Some(watch) = running.take() else { return };
        self.shared.stopping.store(true, Ordering::SeqCst);
        watch.thread().unpark();
        let _ = watch.join();
    }

    /// Stops, without holding up the thread of the caller.
    pub async fn stop_async(self: Arc<Self>) {
        let _ = tokio::task::spawn_blocking(move || self.stop()).await;
    }

    /// Whether it watches: from its start until it is stopped or the runtime is gone.
    pub fn is_running(&self) -> bool {
        lock(&self.running).as_ref().is_some_and(|watch| !watch.is_finished())
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

    /// The lags of all readings.
    pub fn get_lags(&self) -> Snapshot {
        self.shared.lags.snapshot()
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
    /// On a thread of its own.
    fn watch(&self) {
        let mut told = sample::Alarm::default();
        let mut readings = Readings::new(self.runtime.clone(), self.started, self.lags.clone(), &self.config);
        let mut before = readings.worked();
        let mut due = self.started.elapsed();
        let mut sample = due.saturating_add(self.config.sample_interval);
        while !self.stopping.load(Ordering::SeqCst) {
            let left = due.saturating_sub(self.started.elapsed());
            if !left.is_zero() {
                std::thread::park_timeout(left);
                continue;
            }
            let step = readings.take(due);
            let now = self.started.elapsed();
            due = now + step;
            let is_gone = readings.is_gone();
            if now >= sample || is_gone {
                sample = now.saturating_add(self.config.sample_interval);
                let taken =
                    sample::take(&self.config, &self.runtime, &mut before, self.clock.now(), &mut readings);
                if !is_gone {
                    taken.log(&self.config, &mut told);
                }
                self.keep(taken);
            }
            if is_gone {
                break;
            }
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
