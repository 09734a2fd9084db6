use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use crate::Timestamp;

/// A clock that was set back by less than this stands still until it has caught up; one that was set back further is
/// followed, or everything that waits for a time would wait as long.
const HELD_BACK: i64 = 1_000;

/// What time it is, and how to wait for a time or for a length of time. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    System { last: Arc<AtomicI64> },
    Manual(ManualClock),
}

impl Clock {
    /// The machine's wall clock. Small steps backwards are not shown; large ones are.
    pub fn system() -> Self {
        Self(Kind::System { last: Arc::new(AtomicI64::new(0)) })
    }

    /// The present moment. Earlier than an answer given before only if somebody has set the machine's clock back.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Kind::System { last } => Timestamp::from_millis(steady(last, wall_millis())),
            Kind::Manual(manual) => manual.now(),
        }
    }

    /// The moment that lies so far ahead. It comes then, even if the wall clock is set meanwhile.
    pub fn after(&self, wait: Duration) -> Deadline {
        Deadline(match &self.0 {
            Kind::System { .. } => Stopwatch::start().0.checked_add(wait).map_or(At::Never, At::Real),
            Kind::Manual(manual) => At::Manual(manual.clone(), manual.now() + wait),
        })
    }

    /// Waits so long.
    pub async fn sleep(&self, wait: Duration) {
        self.after(wait).wait().await;
    }

    /// Waits until the clock shows `due`. On a manual clock: until someone advances it that far.
    pub async fn sleep_until(&self, due: Timestamp) {
        match &self.0 {
            // The wall clock may be set while we wait, so it is looked at again.
            Kind::System { .. } => loop {
                let left = due.since(self.now());
                if left.is_zero() {
                    return;
                }
                self.sleep(left.min(LOOK_AGAIN)).await;
            },
            Kind::Manual(manual) => manual.wait_for(due).await,
        }
    }

    /// By how much the clock is ahead of the time that has passed since some moment. It changes when somebody sets the
    /// clock, and never on a manual one.
    pub fn offset(&self) -> i64 {
        match &self.0 {
            Kind::System { .. } => wall_millis() - STARTED.elapsed().as_millis() as i64,
            Kind::Manual(_) => 0,
        }
    }

    /// The time since some moment before all questions. It never goes back, whoever sets the wall clock; on a manual clock
    /// it goes on as that is advanced.
    pub fn uptime(&self) -> Duration {
        match &self.0 {
            Kind::System { .. } => STARTED.elapsed(),
            Kind::Manual(manual) => manual.now().since(Timestamp::ZERO),
        }
    }

    /// Starts a stopwatch. It measures real elapsed time on every clock.
    pub fn stopwatch(&self) -> Stopwatch {
        Stopwatch::start()
    }
}

/// A clock that was set is noticed within this time by whoever waits for a time.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// Some moment; see [`Clock::offset`] and [`Clock::uptime`].
static STARTED: LazyLock<Stopwatch> = LazyLock::new(Stopwatch::start);

#[expect(clippy::disallowed_methods, reason = "this is the door")]
fn wall_millis() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

/// What the clock shows for a reading of the wall.
fn steady(last: &AtomicI64, read: i64) -> i64 {
    let shown = last.load(Ordering::Relaxed);
    if read < shown && shown - read < HELD_BACK {
        return shown;
    }
    // A reading that somebody else has overtaken meanwhile is as good as the newer one.
    last.store(read, Ordering::Relaxed);
    read
}

/// A moment that lies a length of time ahead; see [`Clock::after`].
#[derive(Clone, Debug)]
pub struct Deadline(At);

#[derive(Clone, Debug)]
enum At {
    Real(Instant),
    Manual(ManualClock, Timestamp),
    Never,
}

impl Deadline {
    /// One that never comes.
    pub const NEVER: Self = Self(At::Never);

    /// Whether it has come.
    pub fn is_over(&self) -> bool {
        match &self.0 {
            At::Real(at) => Stopwatch::start().0 >= *at,
            At::Manual(clock, at) => clock.now() >= *at,
            At::Never => false,
        }
    }

    /// Waits until it has come.
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    pub async fn wait(&self) {
        match &self.0 {
            At::Real(at) => tokio::time::sleep_until((*at).into()).await,
            At::Manual(clock, at) => clock.wait_for(*at).await,
            At::Never => std::future::pending().await,
        }
    }

    /// The earlier of two deadlines of one clock.
    #[must_use]
    pub fn sooner(self, other: Self) -> Self {
        let is_sooner = match (&self.0, &other.0) {
            (At::Real(a), At::Real(b)) => a <= b,
            (At::Manual(_, a), At::Manual(_, b)) => a <= b,
            (_, other) => matches!(other, At::Never),
        };
        if is_sooner { self } else { other }
    }
}

/// Real elapsed time since a start, for measurements.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the start.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    /// The start itself, to compare two stopwatches or to compute a deadline.
    pub fn started(&self) -> Instant {
        self.0
    }
}

/// A clock for tests: it stands still until it is advanced.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<watch::Sender<Timestamp>>);

impl ManualClock {
    pub(crate) fn new(start: Timestamp) -> Self {
        Self(Arc::new(watch::Sender::new(start)))
    }

    pub(crate) fn clock(&self) -> Clock {
        Clock(Kind::Manual(self.clone()))
    }

    fn now(&self) -> Timestamp {
        *self.0.borrow()
    }

    /// Moves the clock forward and wakes whoever waited for a time up to the new one.
    pub fn advance(&self, by: Duration) {
        self.0.send_modify(|now| *now = *now + by);
    }

    async fn wait_for(&self, due: Timestamp) {
        let mut now = self.0.subscribe();
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = now.wait_for(|now| *now >= due).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_manual_clock_wakes_sleepers_when_it_is_advanced() {
        let manual = ManualClock::new(Timestamp::from_millis(5));
        let clock = manual.clock();
        let sleeper = tokio::spawn(async move {
            clock.sleep_until(Timestamp::from_millis(1_005)).await;
            clock.now()
        });
        manual.advance(Duration::from_millis(999));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        manual.advance(Duration::from_millis(1));
        assert_eq!(sleeper.await.unwrap(), Timestamp::from_millis(1_005));
    }

    #[test]
    fn a_clock_that_was_set_back_a_little_stands_still_and_one_set_back_far_is_followed() {
        let last = AtomicI64::new(0);
        for (read, shown) in
            [(5_000, 5_000), (4_001, 5_000), (4_500, 5_000), (5_001, 5_001), (4_001, 4_001), (9_000, 9_000)]
        {
            assert_eq!(steady(&last, read), shown, "read {read}");
        }
    }

    #[tokio::test]
    async fn the_sooner_of_two_deadlines_comes_first() {
        let manual = ManualClock::new(Timestamp::ZERO);
        for clock in [Clock::system(), manual.clock()] {
            let (soon, late) = (clock.after(Duration::ZERO), clock.after(Duration::from_secs(3_600)));
            assert!(soon.is_over() && !late.is_over() && !Deadline::NEVER.is_over());
            for deadline in [
                soon.clone().sooner(late.clone()),
                late.clone().sooner(soon.clone()),
                soon.sooner(Deadline::NEVER),
            ] {
                deadline.wait().await;
            }
            assert!(!Deadline::NEVER.sooner(late).is_over());
        }
        let late = manual.clock().after(Duration::from_secs(5));
        manual.advance(Duration::from_secs(5));
        late.wait().await;
    }
}
