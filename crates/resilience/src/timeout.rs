use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use longshore_clock::{Clock, Door};
use longshore_core::Invalid;
use serde::Serialize;

use crate::events::{Audience, heard};
use crate::striped::StripedCount;
use crate::{Advice, Fault};

/// A call took too long and was dropped. The other side has failed: it may be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("timed out after {}s", .0.as_secs_f64())]
pub struct TimeoutError(
    /// How long it was waited for.
    pub Duration,
);

impl Fault for TimeoutError {
    fn advice(&self) -> Advice {
        Advice::Retry
    }
}

/// What became of the calls with a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TimeoutMetrics {
    /// Calls that ended in time.
    pub in_time: u64,
    /// Calls that were dropped because they took too long.
    pub timed_out: u64,
}

/// Something that happened to a call with a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimeoutEvent {
    /// It took too long and was dropped.
    TimedOut {
        /// How long it was waited for.
        limit: Duration,
    },
}

/// The longest time that one attempt may take. Cheap to clone; clones share what they have seen.
#[derive(Clone)]
pub struct Timeout(Arc<Shared>);

struct Shared {
    limit: Duration,
    clock: Clock,
    in_time: StripedCount,
    timed_out: AtomicU64,
    audience: Audience<TimeoutEvent>,
}

impl std::fmt::Debug for Timeout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Timeout").field(&self.0.limit).finish()
    }
}

impl Timeout {
    /// Refuses a time of zero.
    pub fn new(limit: Duration, door: &Door) -> Result<Self, Invalid> {
        if limit.is_zero() {
            return Err(Invalid::new("timeout", "a duration above zero", "0"));
        }
        longshore_core::check_duration("timeout", limit)?;
        Ok(Self(Arc::new(Shared {
            limit,
            clock: door.clock.clone(),
            in_time: StripedCount::default(),
            timed_out: AtomicU64::new(0),
            audience: Audience::default(),
        })))
    }

    /// The longest time.
    pub fn limit(&self) -> Duration {
        self.0.limit
    }

    /// What a call gives, if it does in time. It is dropped otherwise.
    pub async fn run<T>(&self, call: impl Future<Output = T>) -> Result<T, TimeoutError> {
        let Shared { limit, clock, in_time, timed_out, audience } = &*self.0;
        let over = clock.after(*limit);
        let ended = tokio::select! {
            biased;
            value = call => Ok(value),
            () = over.wait() => Err(TimeoutError(*limit)),
        };
        if ended.is_ok() {
            in_time.add();
        } else {
            timed_out.fetch_add(1, Ordering::Relaxed);
            audience.tell(|| TimeoutEvent::TimedOut { limit: *limit });
        }
        ended
    }

    heard!(TimeoutEvent, 0.audience);

    /// What it has seen so far.
    pub fn get_metrics(&self) -> TimeoutMetrics {
        let Shared { in_time, timed_out, .. } = &*self.0;
        TimeoutMetrics { in_time: in_time.sum(), timed_out: timed_out.load(Ordering::Relaxed) }
    }
}
