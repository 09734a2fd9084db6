use std::sync::Arc;
use std::time::Duration;

use longshore_clock::Stopwatch;
use tokio::runtime::Handle;

use super::EventLoopMonitorConfig;
use super::probe::Probe;
use crate::Histogram;

/// From one reading to the next. What blocks the runtime is told of up to this much too short.
const STEP: Duration = Duration::from_millis(8);
/// The same while the runtime is calm, at most: to wake a thread costs more than anything it does then.
const CALM_STEP: Duration = Duration::from_millis(120);
/// Calm so long, and it is read less often.
const CALM: Duration = Duration::from_secs(10);
/// A runtime is calm while none of its threads works for more than this share of the time.
const CALM_SHARE: u32 = 8;
/// What a thread usually works between two sleeps is at most so much, whatever was measured.
const USUAL_MAX: Duration = Duration::from_millis(1);

/// How late a runtime is.
///
/// In a long step nobody measures. What the threads report of their work afterwards bounds what was missed: together
/// they cannot have been blocked for longer than the one that worked least was at work in one stretch.
pub(super) struct Readings {
    runtime: Handle,
    started: Stopwatch,
    lags: Arc<Histogram>,
    /// Calm so long, and steps are so long.
    calm: Duration,
    calm_step: Duration,
    /// What nobody has measured is told of as at most this.
    missed_max: Duration,
    is_calm: bool,
    probe: Probe,
    gap: Option<Gap>,
    /// The largest lag since it was last told.
    worst: Duration,
    last: Moment,
    /// Since when it is watched whether the runtime is calm, and when it last was not.
    watched: Moment,
    stirred: Duration,
    /// What a thread usually works between two sleeps.
    usual: Duration,
}

/// A long step at whose end the runtime was at work, so that its threads have not yet told of all of it.
struct Gap {
    before: Moment,
    after: Moment,
    /// How late the probe at its end was, once that is known.
    lag: Option<Duration>,
}

/// What each thread had done by a time since the start.
#[derive(Clone)]
pub(super) struct Moment {
    at: Duration,
    threads: Vec<Work>,
}

#[derive(Clone, Copy)]
pub(super) struct Work {
    pub(super) busy: Duration,
    pub(super) parks: u64,
}

impl Moment {
    fn now(runtime: &Handle, started: Stopwatch) -> Self {
        let metrics = runtime.metrics();
        let work = |worker| Work {
            busy: metrics.worker_total_busy_duration(worker),
            parks: metrics.worker_park_count(worker),
        };
        Self { at: started.elapsed(), threads: (0..metrics.num_workers()).map(work).collect() }
    }

    /// The time since another moment, and what each thread has done in it.
    pub(super) fn since(&self, before: &Self) -> (Duration, impl Iterator<Item = Work>) {
        let threads = self.threads.iter().zip(&before.threads).map(|(now, before)| Work {
            busy: now.busy.saturating_sub(before.busy),
            parks: now.parks.saturating_sub(before.parks),
        });
        (self.at.saturating_sub(before.at), threads)
    }
}

impl Readings {
    pub(super) fn new(
        runtime: Handle,
        started: Stopwatch,
        lags: Arc<Histogram>,
        config: &EventLoopMonitorConfig,
    ) -> Self {
        let now = Moment::now(&runtime, started);
        let probe = Probe::new(runtime.clone(), started);
        Self {
            runtime,
            started,
            lags,
            calm: CALM,
            calm_step: config.sample_interval.clamp(STEP, CALM_STEP),
            missed_max: config.warning_threshold.mul_f64(0.9),
            is_calm: false,
            probe,
            gap: None,
            worst: Duration::ZERO,
            stirred: now.at,
            watched: now.clone(),
            last: now,
            usual: Duration::ZERO,
        }
    }

    /// Takes the reading that was due at a time since the start, or has the runtime take it. Returns how long it is to
    /// the next one.
    pub(super) fn take(&mut self, due: Duration) -> Duration {
        self.collect();
        let now = self.moment();
        let is_asleep = self.is_asleep();
        self.close_gap(&now, is_asleep);
        if self.is_calm && !is_asleep {
            self.gap = Some(Gap { before: self.last.clone(), after: now.clone(), lag: None });
        } else if self.is_calm {
            let (step, _) = now.since(&self.last);
            self.note_missed(self.stretch(&now, &self.last).min(step).min(self.missed_max));
        }
        if !self.probe.is_set() && is_asleep {
            // The machine was late, not the runtime: to look more often would tell no more.
            self.keep(now.at.saturating_sub(due));
        } else if !self.probe.is_set() {
            self.probe.set(due);
        }
        self.learn(&now);
        let is_still = !self.probe.is_set() && self.gap.is_none();
        self.is_calm = is_still && now.at.saturating_sub(self.stirred) > self.calm;
        self.last = now;
        if self.is_calm { self.calm_step } else { STEP }
    }

    pub(super) fn moment(&self) -> Moment {
        Moment::now(&self.runtime, self.started)
    }

    /// The largest lag since this was last asked for, what lasts with it.
    pub(super) fn lag(&mut self) -> Duration {
        self.collect();
        let lasting = self.probe.lasting(STEP).unwrap_or_default();
        std::mem::take(&mut self.worst).max(lasting)
    }

    /// Whether the runtime is gone.
    pub(super) fn is_gone(&self) -> bool {
        self.probe.is_gone()
    }

    /// Whether all threads of the runtime wait for something to do.
    fn is_asleep(&self) -> bool {
        let metrics = self.runtime.metrics();
        // Odd from the beginning of a sleep to its end.
        (0..metrics.num_workers()).all(|worker| metrics.worker_park_unpark_count(worker) % 2 == 1)
    }

    fn keep(&mut self, lag: Duration) {
        self.worst = self.worst.max(lag);
        self.lags.record(lag);
    }

    fn note(&mut self, lag: Duration) {
        self.keep(lag);
        if lag >= STEP {
            self.stirred = self.started.elapsed();
        }
    }

    /// Less than a step is less than what is known.
    fn note_missed(&mut self, lag: Duration) {
        if lag >= STEP {
            self.note(lag);
        }
    }

    /// Looks whether the probe has run.
    fn collect(&mut self) {
        let Some(lag) = self.probe.take(STEP) else { return };
        self.note(lag);
        if let Some(gap) = &mut self.gap {
            gap.lag = gap.lag.or(Some(lag));
        }
    }

    /// Tells what a long step has held, once all threads have told.
    fn close_gap(&mut self, now: &Moment, is_asleep: bool) {
        let Some(Gap { before, after, lag: Some(lag) }) = &self.gap else { return };
        let (step, since) = (after.at.saturating_sub(before.at), now.at.saturating_sub(after.at));
        let most = if *lag < STEP {
            // What was before was over by then.
            let has_told = || now.since(after).1.all(|work| !work.busy.is_zero());
            (is_asleep || since > CALM_STEP || has_told()).then(|| step.min(self.missed_max))
        } else if since.saturating_sub(*lag) < STEP * 2 {
            // What the probe had to wait for was all there was, and began in the step.
            is_asleep.then(|| step + *lag)
        } else {
            // It was one of much short work.
            Some(step.min(self.missed_max))
        };
        let Some(most) = most else { return };
        let missed = self.stretch(now, before).min(most);
        self.gap = None;
        self.note_missed(missed);
    }

    /// The longest stretch of work that all threads may have had at the same time, beside what they usually do.
    fn stretch(&self, now: &Moment, before: &Moment) -> Duration {
        let (_, threads) = now.since(before);
        let longest = threads.map(|work| {
            let others = work.parks.saturating_sub(1).min(u32::MAX.into()) as u32;
            work.busy.saturating_sub(self.usual.saturating_mul(others))
        });
        longest.min().unwrap_or_default()
    }

    /// Whether it is calm, and what is usual.
    fn learn(&mut self, now: &Moment) {
        let (passed, threads) = now.since(&self.watched);
        if passed < self.calm_step {
            return;
        }
        let (mut most, mut busy, mut parks) = (Duration::ZERO, Duration::ZERO, 0_u64);
        for work in threads {
            most = most.max(work.busy);
            busy += work.busy;
            parks += work.parks;
        }
        if most > passed / CALM_SHARE {
            self.stirred = now.at;
        }
        if parks > 0 {
            let mean = busy.div_f64(parks as f64).min(USUAL_MAX);
            self.usual = (self.usual * 7 + mean) / 8;
        }
        self.watched = now.clone();
    }
}

#[cfg(test)]
mod tests {
    use tokio::runtime::{Builder, Runtime};

    use super::*;

    const BLOCK: Duration = Duration::from_millis(60);

    fn block(time: Duration) {
        let watch = Stopwatch::start();
        while watch.elapsed() < time {
            std::hint::spin_loop();
        }
    }

    /// A runtime of one thread that was calm so far.
    struct Calm {
        runtime: Runtime,
        started: Stopwatch,
        readings: Readings,
    }

    impl Calm {
        fn new() -> Self {
            let runtime = Builder::new_multi_thread()
                .worker_threads(1)
                .enable_time()
                .build()
                .unwrap_or_else(|_| unreachable!());
            let started = Stopwatch::start();
            let handle = runtime.handle().clone();
            let readings = Readings::new(handle, started, Arc::default(), &EventLoopMonitorConfig::default());
            let mut calm = Self { runtime, started, readings: Readings { calm: Duration::ZERO, ..readings } };
            calm.until(true);
            calm.told();
            calm
        }

        fn take(&mut self) -> Duration {
            self.readings.take(self.started.elapsed())
        }

        fn until(&self, is_asleep: bool) {
            while self.readings.is_asleep() != is_asleep {
                std::thread::yield_now();
            }
        }

        /// Readings as they are taken, until everything is told: the largest lag.
        fn told(&mut self) -> Duration {
            self.take();
            while self.readings.probe.is_set() || self.readings.gap.is_some() {
                block(STEP / 8);
                self.take();
            }
            self.readings.lag()
        }

        /// Blocks the runtime. Returns once it has begun.
        fn block(&self, time: Duration) {
            drop(self.runtime.spawn(async move { block(time) }));
            self.until(false);
        }
    }

    /// The middle one of several: the test shares its processors with others.
    fn usually(round: impl Fn() -> Duration) -> Duration {
        let mut all: Vec<_> = (0..7).map(|_| round()).collect();
        all.sort();
        all[3]
    }

    fn is_close(told: Duration) {
        assert!(told.abs_diff(BLOCK) < Duration::from_millis(10), "{told:?} for {BLOCK:?}");
    }

    #[test]
    fn a_block_inside_a_long_step_is_told_of_at_its_length() {
        is_close(usually(|| {
            let mut calm = Calm::new();
            calm.block(BLOCK);
            calm.until(true);
            calm.told()
        }));
    }

    #[test]
    fn a_block_across_the_end_of_a_long_step_is_told_of_at_its_length() {
        for left in [40, 20, 3] {
            is_close(usually(|| {
                let mut calm = Calm::new();
                calm.block(BLOCK);
                block(BLOCK.saturating_sub(Duration::from_millis(left)));
                calm.told()
            }));
        }
    }

    #[test]
    fn what_has_piled_up_behind_a_block_does_not_hide_it() {
        is_close(usually(|| {
            let mut calm = Calm::new();
            calm.block(BLOCK);
            for _ in 0..500 {
                drop(calm.runtime.spawn(async { block(Duration::from_micros(5)) }));
            }
            block(BLOCK / 2);
            calm.told()
        }));
    }

    #[test]
    fn a_burst_across_the_end_of_a_long_step_is_no_block() {
        let told = usually(|| {
            let mut calm = Calm::new();
            drop(calm.runtime.spawn(async {
                for _ in 0..1_000 {
                    tokio::spawn(async { block(Duration::from_micros(200)) });
                }
            }));
            block(Duration::from_millis(110));
            calm.told()
        });
        assert!(told < Duration::from_millis(100), "{told:?}");
    }

    #[test]
    fn much_short_work_is_no_block() {
        let told = usually(|| {
            let mut calm = Calm::new();
            let mut told = Duration::ZERO;
            // In the first steps it learns what is usual.
            for _ in 0..40 {
                for _ in 0..100 {
                    let task = calm.runtime.spawn(async { block(Duration::from_micros(100)) });
                    while !task.is_finished() {
                        std::thread::yield_now();
                    }
                    calm.until(true);
                }
                calm.take();
                told = calm.readings.lag();
            }
            told
        });
        assert!(told < STEP, "{told:?}");
    }

    #[test]
    fn nothing_is_awaited_of_a_runtime_that_is_gone() {
        // Nobody drives it, so that it never runs anything.
        let runtime = Builder::new_current_thread().enable_time().build().unwrap_or_else(|_| unreachable!());
        let started = Stopwatch::start();
        let config = EventLoopMonitorConfig::default();
        let mut readings = Readings::new(runtime.handle().clone(), started, Arc::default(), &config);
        block(STEP * 2);
        readings.take(started.elapsed());
        assert!(readings.lag() > STEP && !readings.is_gone());
        drop(runtime);
        assert!(readings.is_gone() && readings.lag().is_zero());
        readings.take(started.elapsed());
        assert!(readings.lag() < STEP);
    }
}
