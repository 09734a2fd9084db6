use std::sync::Arc;
use std::time::Duration;

use longshore_clock::Stopwatch;
use tokio::runtime::Handle;

use super::EventLoopMonitorConfig;
use super::moment::Moment;
use super::probe::Probe;
use super::standstill::Standstill;
use crate::Histogram;

/// From one reading to the next.
pub(super) const STEP: Duration = Duration::from_millis(8);
/// The same while the runtime is calm, at most: to wake a thread costs more than anything it does then.
const CALM_STEP: Duration = Duration::from_millis(100);
/// Calm so long, and it is read less often.
const CALM: Duration = Duration::from_secs(10);
/// A runtime is calm while none of its threads works for more than this share of the time.
const CALM_SHARE: u32 = 8;
/// What a thread usually works between two sleeps is at most so much, whatever was measured.
const USUAL_MAX: Duration = Duration::from_millis(1);

/// How late a runtime is.
///
/// A thread notes how long it has worked whenever it has looked for timers and sockets: before each sleep, and after every
/// 61 tasks. While no thread notes anything the runtime stands still, unless one looks in its sleep; whether one does, a
/// timer tells. How long it stood still is what the threads note afterwards, within the readings before and after.
pub(super) struct Readings {
    runtime: Handle,
    started: Stopwatch,
    lags: Arc<Histogram>,
    /// Calm so long, and steps are so long.
    calm: Duration,
    calm_step: Duration,
    /// What nobody has seen last is told of as at most this.
    unseen_max: Duration,
    is_calm: bool,
    probe: Probe,
    standstill: Standstill,
    /// The largest lag since it was last told.
    worst: Duration,
    last: Moment,
    before_last: Duration,
    /// Since when it is watched whether the runtime is calm, and when it last was not.
    watched: Moment,
    stirred: Duration,
    /// What a thread usually works between two sleeps.
    usual: Duration,
    /// When each thread had last noted something or slept.
    noted: Vec<Duration>,
}

/// What all threads together have done by a time since the start, what they have not noted yet with it.
#[derive(Clone, Copy)]
pub(super) struct Worked {
    pub(super) at: Duration,
    pub(super) busy: Duration,
    pub(super) parks: u64,
}

impl Readings {
    pub(super) fn new(
        runtime: Handle,
        started: Stopwatch,
        lags: Arc<Histogram>,
        config: &EventLoopMonitorConfig,
    ) -> Self {
        let now = Moment::now(&runtime, started);
        let probe = Probe::new(&runtime, started);
        let calm_step = CALM_STEP.min(config.sample_interval).min(config.warning_threshold).max(STEP);
        Self {
            standstill: Standstill::new(runtime.clone()),
            runtime,
            started,
            lags,
            calm: CALM,
            calm_step,
            unseen_max: config.warning_threshold.mul_f64(0.9),
            is_calm: false,
            probe,
            worst: Duration::ZERO,
            stirred: now.at,
            before_last: now.at,
            watched: now.clone(),
            noted: vec![now.at; now.threads.len()],
            last: now,
            usual: Duration::ZERO,
        }
    }

    /// Takes the reading that was due at a time since the start. Returns how long it is to the next one.
    pub(super) fn take(&mut self, due: Duration) -> Duration {
        let looked = self.standstill.has_looked();
        let now = self.moment();
        // As late as any thread would have been.
        self.keep(now.at.saturating_sub(due));
        if let Some(wait) = self.probe.take() {
            self.note(wait);
        }
        // What is due goes before what may come now.
        self.tell(&now);
        self.standstill.look(&now, &self.last, self.before_last, looked, self.is_calm);
        self.tell(&now);
        if now.is_asleep() && self.last.is_asleep() {
            // All of it was between two readings.
            let (step, _) = now.since(&self.last);
            let lag = now.beside(&self.last).map(|(now, before)| now.since(before).stretch(self.usual)).min();
            self.note_long(lag.unwrap_or_default().min(step).min(self.unseen_max));
        }
        // A thread that goes to sleep has found nothing to do.
        if now.since(&self.last).1.all(|work| !work.is_asleep && work.parks == 0) {
            self.probe.call();
        }
        self.learn(&now);
        for (noted, (now_work, before)) in self.noted.iter_mut().zip(now.beside(&self.last)) {
            // Of one that has just woken nothing is known to be work.
            if now_work.is_asleep || before.is_asleep || now_work.has_noted(before) {
                *noted = now.at;
            }
        }
        let is_told = now.is_asleep() && !self.standstill.is_due() && self.probe.is_idle();
        self.is_calm = is_told && now.at.saturating_sub(self.stirred) > self.calm;
        self.before_last = self.last.at;
        self.last = now;
        if self.is_calm { self.calm_step } else { STEP }
    }

    fn moment(&self) -> Moment {
        Moment::now(&self.runtime, self.started)
    }

    /// By the last reading.
    pub(super) fn worked(&self) -> Worked {
        let Moment { at, threads } = &self.last;
        let mut all = Worked { at: *at, busy: Duration::ZERO, parks: 0 };
        for (work, noted) in threads.iter().zip(&self.noted) {
            let is_at_work = !work.is_asleep;
            all.busy += work.busy + if is_at_work { at.saturating_sub(*noted) } else { Duration::ZERO };
            all.parks += work.parks;
        }
        all
    }

    /// The largest lag since this was last asked for, what lasts with it.
    pub(super) fn lag(&mut self) -> Duration {
        let since = self.standstill.since().filter(|_| !self.is_gone());
        let still = since.map(|since| self.started.elapsed().saturating_sub(since));
        std::mem::take(&mut self.worst).max(still.unwrap_or_default()).max(self.probe.lasting())
    }

    /// Whether the runtime is gone.
    pub(super) fn is_gone(&self) -> bool {
        self.probe.is_gone()
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
    fn note_long(&mut self, lag: Duration) {
        if lag >= STEP {
            self.note(lag);
        }
    }

    fn tell(&mut self, now: &Moment) {
        if let Some(lag) = self.standstill.take(now, self.usual) {
            self.note_long(lag);
        }
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
    use tokio::task::JoinHandle;

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
            while self.readings.moment().threads[0].is_asleep != is_asleep {
                std::thread::yield_now();
            }
        }

        /// Readings as they are taken, until everything is told: the largest lag.
        fn told(&mut self) -> Duration {
            loop {
                let step = self.take();
                if self.readings.is_calm && self.readings.last.threads[0].is_asleep {
                    return self.readings.lag();
                }
                block(step);
            }
        }

        /// Blocks the runtime. Returns once it has begun.
        fn block(&self) -> JoinHandle<Duration> {
            let task = self.runtime.spawn(async {
                let watch = Stopwatch::start();
                block(BLOCK);
                watch.elapsed()
            });
            self.until(false);
            task
        }

        /// How far what is told of a block is from how long it was.
        fn error(&mut self, block: JoinHandle<Duration>) -> Duration {
            let told = self.told();
            let time = self.runtime.block_on(block).unwrap_or_else(|_| unreachable!());
            told.abs_diff(time)
        }
    }

    /// The middle one of several: the test shares its processors with others.
    fn usually(round: impl Fn() -> Duration) -> Duration {
        let mut all: Vec<_> = (0..7).map(|_| round()).collect();
        all.sort();
        all[3]
    }

    /// Usually.
    fn is_close(error: impl Fn() -> Duration) {
        let error = usually(error);
        assert!(error < Duration::from_millis(10), "off by {error:?}");
    }

    #[test]
    fn a_block_inside_a_long_step_is_told_of_at_its_length() {
        is_close(|| {
            let mut calm = Calm::new();
            let block = calm.block();
            calm.until(true);
            calm.error(block)
        });
    }

    #[test]
    fn a_block_across_the_end_of_a_long_step_is_told_of_at_its_length() {
        for (left, is_after_other_work) in [(40, false), (20, false), (3, false), (20, true), (3, true)] {
            is_close(|| {
                let mut calm = Calm::new();
                if is_after_other_work {
                    let short = calm.runtime.spawn(async {});
                    while !short.is_finished() {
                        std::thread::yield_now();
                    }
                    calm.until(true);
                }
                let held = calm.block();
                block(BLOCK.saturating_sub(Duration::from_millis(left)));
                calm.error(held)
            });
        }
    }

    #[test]
    fn what_has_piled_up_behind_a_block_does_not_hide_it() {
        is_close(|| {
            let mut calm = Calm::new();
            let held = calm.block();
            for _ in 0..500 {
                drop(calm.runtime.spawn(async { block(Duration::from_micros(5)) }));
            }
            block(BLOCK / 2);
            calm.error(held)
        });
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
        assert!(told < Duration::from_millis(150), "{told:?} of 200 ms");
    }

    #[test]
    fn much_short_work_is_no_block() {
        let told = usually(|| {
            let mut calm = Calm::new();
            let mut told = Vec::new();
            // In the first steps it learns what is usual, from each of them.
            calm.readings.calm_step = STEP;
            for _ in 0..40 {
                for _ in 0..100 {
                    let task = calm.runtime.spawn(async { block(Duration::from_micros(100)) });
                    while !task.is_finished() {
                        std::thread::yield_now();
                    }
                    calm.until(true);
                }
                calm.take();
                told.push(calm.readings.lag());
            }
            // Whoever shares the processors may hold up some of them.
            told.drain(..20);
            told.sort();
            told[told.len() / 2]
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
