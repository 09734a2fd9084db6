use std::sync::{Arc, OnceLock};
use std::time::Duration;

use longshore_clock::Stopwatch;
use tokio::runtime::Handle;

use crate::Histogram;

/// From one reading to the next. What blocks the runtime is told of up to this much too short.
const LOOK: Duration = Duration::from_millis(8);
/// The same while the runtime is calm: to wake a thread costs more than anything it does then.
const DOZE: Duration = Duration::from_millis(200);
/// Calm so long, and it is looked at less often.
const CALM: Duration = Duration::from_secs(10);
/// A runtime is calm while no thread works for more than this share of the time.
const CALM_SHARE: u32 = 8;

/// How late a runtime is.
///
/// In a long pause between two looks nobody measures. What the threads report of their work afterwards bounds what
/// was missed: together they cannot have been blocked for longer than the one that worked least was at work.
pub(super) struct Pulse {
    runtime: Handle,
    started: Stopwatch,
    calm: Duration,
    is_dozing: bool,
    beat: Option<Beat>,
    /// The largest lag since it was last told, and all of them.
    worst: Duration,
    lags: Arc<Histogram>,
    /// When it was last looked at, and how long each thread had worked by then.
    looked: Duration,
    busy: Vec<Duration>,
    /// When it was last not calm.
    stirred: Duration,
}

/// A task that says when it ran.
struct Beat {
    due: Duration,
    ran: Arc<OnceLock<Duration>>,
    /// The pause before it, and how long each thread had worked by then.
    pause: Duration,
    busy: Vec<Duration>,
}

impl Pulse {
    pub(super) fn new(runtime: Handle, started: Stopwatch, lags: Arc<Histogram>) -> Self {
        let now = started.elapsed();
        let busy = busy(&runtime);
        Self {
            runtime,
            started,
            calm: CALM,
            is_dozing: false,
            beat: None,
            worst: Duration::ZERO,
            lags,
            looked: now,
            busy,
            stirred: now,
        }
    }

    /// Takes the reading that was due at a time since the start, or has the runtime take it. Returns how long it is to
    /// the next one.
    pub(super) fn feel(&mut self, due: Duration) -> Duration {
        self.collect();
        let now = self.started.elapsed();
        let busy = busy(&self.runtime);
        let pause = now.saturating_sub(self.looked);
        let worked = |thread: (&Duration, &Duration)| thread.0.saturating_sub(*thread.1);
        let most = busy.iter().zip(&self.busy).map(worked).max().unwrap_or_default();
        let missed = least(&busy, &self.busy);
        if self.is_dozing && missed >= LOOK {
            self.note(missed);
        }
        if most > pause / CALM_SHARE || self.worst >= LOOK {
            self.stirred = now;
        }
        if self.beat.is_none() {
            if self.is_asleep() {
                self.note(now.saturating_sub(due));
            } else {
                self.send(due, pause, busy.clone());
            }
        }
        (self.looked, self.busy) = (now, busy);
        self.is_dozing = self.beat.is_none() && now.saturating_sub(self.stirred) > self.calm;
        if self.is_dozing { DOZE } else { LOOK }
    }

    /// The largest lag since this was last asked for, what lasts with it.
    pub(super) fn lag(&mut self) -> Duration {
        self.collect();
        let lasting = self.beat.as_ref().map(|beat| self.started.elapsed().saturating_sub(beat.due));
        std::mem::take(&mut self.worst).max(lasting.unwrap_or_default())
    }

    /// Tasks of its own that are alive.
    pub(super) fn tasks(&self) -> usize {
        usize::from(self.beat.is_some())
    }

    /// Whether all threads of the runtime wait for something to do.
    fn is_asleep(&self) -> bool {
        let metrics = self.runtime.metrics();
        // Odd from the beginning of a sleep to its end.
        (0..metrics.num_workers()).all(|worker| metrics.worker_park_unpark_count(worker) % 2 == 1)
    }

    fn note(&mut self, lag: Duration) {
        self.worst = self.worst.max(lag);
        self.lags.record(lag);
    }

    fn send(&mut self, due: Duration, pause: Duration, busy: Vec<Duration>) {
        let ran = Arc::new(OnceLock::new());
        self.beat = Some(Beat { due, ran: ran.clone(), pause, busy });
        let started = self.started;
        self.runtime.spawn(async move { ran.set(started.elapsed()) });
    }

    fn collect(&mut self) {
        let Some(Beat { due, ran, pause, busy: before }) = &self.beat else { return };
        if let Some(ran) = ran.get() {
            let lag = ran.saturating_sub(*due);
            // What held it up began in the pause before it; a thread tells of its work when it is over.
            let whole = least(&busy(&self.runtime), before).min(lag + *pause);
            self.note(if lag >= LOOK { lag.max(whole) } else { lag });
        } else if Arc::strong_count(ran) > 1 {
            return;
        }
        // It ran, or the runtime has dropped it unrun.
        self.beat = None;
    }
}

/// How long each thread of a runtime has been at work so far, by its own account.
fn busy(runtime: &Handle) -> Vec<Duration> {
    let metrics = runtime.metrics();
    (0..metrics.num_workers()).map(|worker| metrics.worker_total_busy_duration(worker)).collect()
}

/// The least that any of them has worked since.
fn least(now: &[Duration], before: &[Duration]) -> Duration {
    let worked = now.iter().zip(before).map(|(now, before)| now.saturating_sub(*before));
    worked.min().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use tokio::runtime::{Builder, Runtime};

    use super::*;

    fn block(time: Duration) {
        let watch = Stopwatch::start();
        while watch.elapsed() < time {
            std::hint::spin_loop();
        }
    }

    /// A runtime of one thread, and a pulse that takes it for calm at once.
    fn calm() -> (Runtime, Pulse, Stopwatch) {
        let runtime =
            Builder::new_multi_thread().worker_threads(1).build().unwrap_or_else(|_| unreachable!());
        let started = Stopwatch::start();
        let pulse =
            Pulse { calm: Duration::ZERO, ..Pulse::new(runtime.handle().clone(), started, Arc::default()) };
        until(&pulse, true);
        (runtime, pulse, started)
    }

    fn until(pulse: &Pulse, is_asleep: bool) {
        while pulse.is_asleep() != is_asleep {
            std::thread::yield_now();
        }
    }

    const BLOCK: Duration = Duration::from_millis(80);

    /// Of several, the one in the middle: the test shares its processors with others.
    fn errors(round: impl Fn() -> Duration) -> Duration {
        let mut errors: Vec<_> = (0..7).map(|_| round().abs_diff(BLOCK)).collect();
        errors.sort();
        errors[3]
    }

    #[test]
    fn a_block_inside_a_long_pause_is_told_of_at_its_length() {
        let error = errors(|| {
            let (runtime, mut pulse, started) = calm();
            assert_eq!(pulse.feel(started.elapsed()), DOZE);
            drop(runtime.spawn(async { block(BLOCK) }));
            until(&pulse, false);
            until(&pulse, true);
            assert_eq!(pulse.feel(started.elapsed()), LOOK, "it is not calm any more");
            pulse.lag()
        });
        assert!(error < Duration::from_millis(10), "{error:?}");
    }

    #[test]
    fn a_block_that_began_in_a_long_pause_is_told_of_at_its_length() {
        let error = errors(|| {
            let (runtime, mut pulse, started) = calm();
            assert_eq!(pulse.feel(started.elapsed()), DOZE);
            drop(runtime.spawn(async { block(BLOCK) }));
            until(&pulse, false);
            block(BLOCK / 2);
            assert_eq!(pulse.feel(started.elapsed()), LOOK);
            assert!(pulse.lag() < BLOCK / 2, "so far nothing but the wait of the task is known");
            until(&pulse, true);
            pulse.feel(started.elapsed());
            pulse.lag()
        });
        assert!(error < Duration::from_millis(10), "{error:?}");
    }

    #[test]
    fn short_work_leaves_a_runtime_calm() {
        let (runtime, mut pulse, started) = calm();
        pulse.feel(started.elapsed());
        for _ in 0..20 {
            drop(runtime.spawn(async {}));
            block(LOOK / 8);
            until(&pulse, true);
        }
        assert_eq!(pulse.feel(started.elapsed()), DOZE);
        assert!(pulse.lag() < LOOK);
    }

    #[test]
    fn a_task_that_a_runtime_dropped_is_not_waited_for() {
        let (runtime, mut pulse, started) = calm();
        drop(runtime.spawn(async { block(BLOCK / 4) }));
        until(&pulse, false);
        pulse.feel(started.elapsed());
        drop(runtime);
        pulse.collect();
        assert_eq!(pulse.tasks(), 0);
    }
}
