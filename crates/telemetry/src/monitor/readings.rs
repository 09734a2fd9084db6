use std::sync::Arc;
use std::time::Duration;

use longshore_clock::Stopwatch;
use tokio::runtime::Handle;

use super::EventLoopMonitorConfig;
use super::probe::Probe;
use super::timer::Timer;
use crate::Histogram;

/// From one reading to the next.
const STEP: Duration = Duration::from_millis(8);
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
    timer: Timer,
    /// The largest lag since it was last told.
    worst: Duration,
    last: Moment,
    before_last: Duration,
    quiet: Option<Quiet>,
    ended: Option<Ended>,
    /// Since when it is watched whether the runtime is calm, and when it last was not.
    watched: Moment,
    stirred: Duration,
    /// What a thread usually works between two sleeps.
    usual: Duration,
}

/// Readings in a row at which no thread had noted anything and some were awake.
struct Quiet {
    /// It began after the one and before the other.
    after: Duration,
    from: Duration,
    /// What had been noted by then, by threads that were awake at the first of the readings.
    base: Moment,
    stands: Stands,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stands {
    /// A thread that sleeps may look for timers; one was set to find out.
    Perhaps,
    Yes,
    /// One does.
    No,
}

/// The runtime stood still.
struct Ended {
    quiet: Quiet,
    /// It ended after the one and before the other.
    after: Duration,
    until: Duration,
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
    is_asleep: bool,
}

impl Work {
    /// Whether it has noted what it did since another moment.
    fn has_noted(&self, before: &Self) -> bool {
        self.busy != before.busy || self.parks != before.parks
    }

    fn since(&self, before: &Self) -> Self {
        Self {
            busy: self.busy.saturating_sub(before.busy),
            parks: self.parks.saturating_sub(before.parks),
            is_asleep: self.is_asleep,
        }
    }
}

impl Moment {
    fn now(runtime: &Handle, started: Stopwatch) -> Self {
        let metrics = runtime.metrics();
        // In the opposite order to that in which they are noted: who sleeps has noted its work.
        let work = |worker| {
            // Odd from the beginning of a sleep to its end.
            let is_asleep = metrics.worker_park_unpark_count(worker) % 2 == 1;
            let parks = metrics.worker_park_count(worker);
            Work { busy: metrics.worker_total_busy_duration(worker), parks, is_asleep }
        };
        Self { at: started.elapsed(), threads: (0..metrics.num_workers()).map(work).collect() }
    }

    /// The time since another moment, and what each thread has done in it.
    pub(super) fn since<'a>(&'a self, before: &'a Self) -> (Duration, impl Iterator<Item = Work> + 'a) {
        let threads = self.threads.iter().zip(&before.threads).map(|(now, before)| now.since(before));
        (self.at.saturating_sub(before.at), threads)
    }

    fn is_asleep(&self) -> bool {
        self.threads.iter().all(|work| work.is_asleep)
    }

    /// Each thread with what it was at another moment.
    fn beside<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = (&'a Work, &'a Work)> {
        self.threads.iter().zip(&before.threads)
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
        let probe = Probe::new(&runtime, started);
        let calm_step = CALM_STEP.min(config.sample_interval).min(config.warning_threshold).max(STEP);
        Self {
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
            timer: Timer::default(),
            before_last: now.at,
            quiet: None,
            ended: None,
            watched: now.clone(),
            last: now,
            usual: Duration::ZERO,
        }
    }

    /// Takes the reading that was due at a time since the start. Returns how long it is to the next one.
    pub(super) fn take(&mut self, due: Duration) -> Duration {
        let now = self.moment();
        // As late as any thread would have been.
        self.keep(now.at.saturating_sub(due));
        if let Some(wait) = self.probe.take() {
            self.note(wait);
        }
        // What is due goes before what may come now.
        self.tell(&now);
        self.look(&now);
        self.tell(&now);
        if now.is_asleep() && self.last.is_asleep() {
            // All of it was between two readings.
            let (step, _) = now.since(&self.last);
            let lag = now.beside(&self.last).map(|(now, before)| self.stretch(now.since(before))).min();
            self.note_long(lag.unwrap_or_default().min(step).min(self.unseen_max));
        }
        // A thread that goes to sleep has found nothing to do.
        if now.since(&self.last).1.all(|work| !work.is_asleep && work.parks == 0) {
            self.probe.call();
        }
        self.learn(&now);
        let is_told = now.is_asleep() && self.ended.is_none() && self.probe.is_idle();
        self.is_calm = is_told && now.at.saturating_sub(self.stirred) > self.calm;
        self.before_last = self.last.at;
        self.last = now;
        if self.is_calm { self.calm_step } else { STEP }
    }

    pub(super) fn moment(&self) -> Moment {
        Moment::now(&self.runtime, self.started)
    }

    /// The largest lag since this was last asked for, what lasts with it.
    pub(super) fn lag(&mut self) -> Duration {
        let stands = self.quiet.as_ref().filter(|quiet| quiet.stands == Stands::Yes && !self.is_gone());
        let still = stands.map(|quiet| self.started.elapsed().saturating_sub(quiet.from));
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

    /// Whether the runtime stands still.
    fn look(&mut self, now: &Moment) {
        if now.is_asleep() || now.beside(&self.last).any(|(now, before)| now.has_noted(before)) {
            if let Some(quiet) = self.quiet.take_if(|quiet| quiet.stands == Stands::Yes) {
                self.ended = Some(Ended { quiet, after: self.last.at, until: now.at });
            }
            self.quiet = None;
            return;
        }
        let has_woken = now.beside(&self.last).any(|(now, before)| before.is_asleep && !now.is_asleep);
        // Whoever looked in its sleep may be the one that has woken.
        let quiet = self.quiet.take_if(|quiet| quiet.stands != Stands::No || !has_woken);
        let mut quiet = quiet.unwrap_or_else(|| {
            let (after, from) =
                if has_woken { (self.last.at, now.at) } else { (self.before_last, self.last.at) };
            self.timer.set(&self.runtime);
            Quiet { after, from, base: now.clone(), stands: Stands::Perhaps }
        });
        if quiet.stands == Stands::Perhaps {
            let is_alone = now.threads.iter().all(|work| !work.is_asleep);
            let is_first = quiet.base.at == now.at;
            quiet.stands = match () {
                () if is_alone => Stands::Yes,
                () if is_first => Stands::Perhaps,
                () if self.timer.has_come() => Stands::No,
                () => Stands::Yes,
            };
        }
        self.quiet = Some(quiet);
    }

    /// Tells how long it stood still, once those who were awake have noted that.
    fn tell(&mut self, now: &Moment) {
        let Some(Ended { quiet, after, until }) = &self.ended else { return };
        let awake = || now.beside(&quiet.base).filter(|(_, before)| !before.is_asleep);
        let have_all = awake().all(|(now, before)| now.has_noted(before));
        // Who has not by then is held up by something else.
        if !have_all && now.at.saturating_sub(*until) < STEP * 2 {
            return;
        }
        let noted = awake().filter(|(now, before)| now.has_noted(before));
        let lag = noted.map(|(now, before)| self.stretch(now.since(before))).min().unwrap_or_default();
        let (least, most) = (after.saturating_sub(quiet.from), until.saturating_sub(quiet.after));
        let lag = lag.clamp(least, most.max(least));
        self.ended = None;
        self.note_long(lag);
    }

    /// The longest stretch of work in what a thread did, beside what it usually does.
    fn stretch(&self, work: Work) -> Duration {
        let others = work.parks.saturating_sub(1).min(u32::MAX.into()) as u32;
        work.busy.saturating_sub(self.usual.saturating_mul(others))
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
            while self.readings.moment().threads[0].is_asleep != is_asleep {
                std::thread::yield_now();
            }
        }

        /// Readings as they are taken, until everything is told: the largest lag.
        fn told(&mut self) -> Duration {
            self.take();
            while !(self.readings.is_calm && self.readings.last.threads[0].is_asleep) {
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
