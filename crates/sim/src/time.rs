//! The time of a history: it goes on when the stage has nothing else to do, and it can be set.

use std::sync::Mutex;
use std::task::{Poll, Waker};
use std::time::Duration;

use longshore_clock::{Clock, Stopwatch, Timestamp};

use crate::lock;

/// Where every history begins.
pub(crate) const START: i64 = 1_767_225_600_000;

/// The clock that actors look at, and wait by.
pub(crate) enum Time {
    /// Moved by the stage.
    Played(Mutex<Played>),
    /// The machine's.
    Real(Clock, Stopwatch),
}

#[derive(Default)]
pub(crate) struct Played {
    /// Milliseconds since the beginning; nobody can set them.
    passed: i64,
    /// By how much the wall clock was set.
    set_by: i64,
    waits: Vec<(i64, Waker)>,
}

impl Time {
    pub(crate) fn played() -> Self {
        Self::Played(Mutex::default())
    }

    /// What the wall clock shows.
    pub(crate) fn now(&self) -> Timestamp {
        match self {
            Self::Played(played) => {
                let played = lock(played);
                Timestamp::from_millis(START + played.passed + played.set_by)
            }
            Self::Real(clock, _) => clock.now(),
        }
    }

    /// Milliseconds since the beginning.
    pub(crate) fn passed(&self) -> i64 {
        match self {
            Self::Played(played) => lock(played).passed,
            Self::Real(_, since) => since.elapsed().as_millis() as i64,
        }
    }

    /// Waits so many milliseconds; setting the wall clock changes nothing about it.
    pub(crate) async fn sleep(&self, millis: u64) {
        match self {
            Self::Real(clock, _) => clock.sleep(Duration::from_millis(millis)).await,
            Self::Played(played) => {
                let due = lock(played).passed + millis as i64;
                std::future::poll_fn(|context| {
                    let mut played = lock(played);
                    if played.passed >= due {
                        return Poll::Ready(());
                    }
                    played.waits.push((due, context.waker().clone()));
                    Poll::Pending
                })
                .await;
            }
        }
    }

    /// Lets time pass, and wakes whoever waited for it.
    pub(crate) fn pass(&self, millis: i64) {
        let Self::Played(played) = self else { return };
        let mut played = lock(played);
        played.passed += millis;
        let passed = played.passed;
        played.waits.extract_if(.., |(due, _)| *due <= passed).for_each(|(_, waker)| waker.wake());
    }

    /// Milliseconds to the next moment that somebody waits for.
    pub(crate) fn next(&self) -> Option<i64> {
        let Self::Played(played) = self else { return None };
        let played = lock(played);
        played.waits.iter().map(|(due, _)| due - played.passed).min()
    }

    /// Sets the wall clock.
    pub(crate) fn set_by(&self, millis: i64) {
        if let Self::Played(played) = self {
            lock(played).set_by += millis;
        }
    }
}
