use std::sync::Arc;
use std::time::Duration;

use longshore_clock::Stopwatch;
use tokio::runtime::Handle;

use super::EventLoopMonitorConfig;
use super::probe::Probe;
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
/// Its threads note how long they have worked whenever they look for timers and sockets: before each sleep, and after
/// every 61 tasks. While no thread notes anything and none sleeps, the runtime stands still. How long it did is what
/// the thread notes afterwards that noted least.
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
    /// The largest lag since it was last told.
    worst: Duration,
    last: Moment,
    /// Since when it stands still.
    still: Option<Duration>,
    /// What is not told yet.
    open: Open,
    /// Since when it is watched whether the runtime is calm, and when it last was not.
    watched: Moment,
    stirred: Duration,
    /// What a thread usually works between two sleeps.
    usual: Duration,
}

/// From a reading on, until every thread has noted its work.
struct Open {
    since: Moment,
    /// When the first of them had.
    noted: Option<Duration>,
    /// Whether the runtime was seen to stand still.
    stood: bool,
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
        self.is_asleep || self.busy != before.busy || self.parks != before.parks
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
        let work = |worker| Work {
            busy: metrics.worker_total_busy_duration(worker),
            parks: metrics.worker_park_count(worker),
            // Odd from the beginning of a sleep to its end.
            is_asleep: metrics.worker_park_unpark_count(worker) % 2 == 1,
        };
        Self { at: started.elapsed(), threads: (0..metrics.num_workers()).map(work).collect() }
    }

    /// The time since another moment, and what each thread has done in it.
    pub(super) fn since<'a>(&'a self, before: &'a Self) -> (Duration, impl Iterator<Item = Work> + 'a) {
        let threads = self.threads.iter().zip(&before.threads).map(|(now, before)| now.since(before));
        (self.at.saturating_sub(before.at), threads)
    }

    /// What each thread has done since another moment that has noted it.
    fn noted<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = Work> + 'a {
        let threads = self.threads.iter().zip(&before.threads);
        threads.filter(|(now, before)| now.has_noted(before)).map(|(now, before)| now.since(before))
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
            still: None,
            open: Open::new(now.clone()),
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
        self.look(&now);
        self.tell(&now);
        // A thread that goes to sleep has found nothing to do.
        if now.since(&self.last).1.all(|work| !work.is_asleep && work.parks == 0) {
            self.probe.call();
        }
        self.learn(&now);
        let is_told = self.still.is_none() && self.open.noted.is_none() && self.probe.is_idle();
        self.is_calm = is_told && now.at.saturating_sub(self.stirred) > self.calm;
        self.last = now;
        if self.is_calm { self.calm_step } else { STEP }
    }

    pub(super) fn moment(&self) -> Moment {
        Moment::now(&self.runtime, self.started)
    }

    /// The largest lag since this was last asked for, what lasts with it.
    pub(super) fn lag(&mut self) -> Duration {
        let still = self.still.filter(|_| !self.is_gone());
        let still = still.map(|since| self.started.elapsed().saturating_sub(since));
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

    /// Whether the runtime stands still.
    fn look(&mut self, now: &Moment) {
        if now.noted(&self.last).next().is_some() {
            self.still = None;
        } else if self.still.is_none() {
            // Who slept has been woken by something since.
            let was_awake = self.last.threads.iter().all(|work| !work.is_asleep);
            self.still = Some(if was_awake { self.last.at } else { now.at });
            self.open.stood = true;
        }
    }

    /// Tells how long it stood still, once its threads have noted that.
    fn tell(&mut self, now: &Moment) {
        let open = &mut self.open;
        let mut noted = now.noted(&open.since).peekable();
        if noted.peek().is_none() {
            return;
        }
        let first = *open.noted.get_or_insert(now.at);
        let have_all = now.noted(&open.since).count() == now.threads.len();
        // Who has not by then is held up by something else.
        if !have_all && now.at.saturating_sub(first) < STEP * 2 {
            return;
        }
        let longest = noted.map(|work| {
            let others = work.parks.saturating_sub(1).min(u32::MAX.into()) as u32;
            work.busy.saturating_sub(self.usual.saturating_mul(others))
        });
        let lag = longest.min().unwrap_or_default();
        let most = first.saturating_sub(open.since.at) + STEP;
        let lag = match open.stood {
            true => lag.min(most),
            // All of it was between two readings.
            false if now.threads.iter().all(|work| work.is_asleep) => lag.min(most).min(self.unseen_max),
            // It is at work, and its threads look for timers meanwhile.
            false => Duration::ZERO,
        };
        self.open = Open::new(now.clone());
        if lag >= STEP {
            self.note(lag);
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

impl Open {
    fn new(since: Moment) -> Self {
        Self { since, noted: None, stood: false }
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
