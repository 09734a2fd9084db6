use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use crate::Timestamp;

/// What time it is, and how to wait for a time. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    System { last: Arc<AtomicI64> },
    Manual(ManualClock),
}

impl Clock {
    /// The machine's wall clock, held back from going backwards.
    pub fn system() -> Self {
        Self(Kind::System { last: Arc::new(AtomicI64::new(0)) })
    }

    /// The present moment. Never earlier than an answer given before.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Kind::System { last } => {
                let read = wall_millis();
                Timestamp::from_millis(last.fetch_max(read, Ordering::Relaxed).max(read))
            }
            Kind::Manual(manual) => manual.now(),
        }
    }

    /// Waits until `due`. On a manual clock: until someone advances it that far.
    pub async fn sleep_until(&self, due: Timestamp) {
        match &self.0 {
            // The wall clock may be set while we wait, so long waits are taken in steps and looked at again.
            Kind::System { .. } => loop {
                let left = due.since(self.now());
                if left.is_zero() {
                    return;
                }
                sleep(left.min(Duration::from_secs(60))).await;
            },
            Kind::Manual(manual) => manual.wait_for(due).await,
        }
    }

    /// Starts a stopwatch. It measures real elapsed time on every clock.
    pub fn stopwatch(&self) -> Stopwatch {
        Stopwatch::start()
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the door")]
fn wall_millis() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

#[expect(clippy::disallowed_methods, reason = "this is the door")]
async fn sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
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
    fn the_system_clock_never_goes_back() {
        let clock = Clock::system();
        let mut last = clock.now();
        for _ in 0..10_000 {
            let now = clock.now();
            assert!(now >= last);
            last = now;
        }
    }
}
