use std::time::Duration;

use longshore_clock::{Clock, Door};
use longshore_core::Invalid;

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

/// The longest time that one attempt may take.
#[derive(Clone, Debug)]
pub struct Timeout {
    limit: Duration,
    clock: Clock,
}

impl Timeout {
    /// Refuses a time of zero.
    pub fn new(limit: Duration, door: &Door) -> Result<Self, Invalid> {
        if limit.is_zero() {
            return Err(Invalid::new("timeout", "a duration above zero", "0"));
        }
        longshore_core::check_duration("timeout", limit)?;
        Ok(Self { limit, clock: door.clock.clone() })
    }

    /// What a call gives, if it does in time. It is dropped otherwise.
    pub async fn run<T>(&self, call: impl Future<Output = T>) -> Result<T, TimeoutError> {
        let over = self.clock.after(self.limit);
        tokio::select! {
            biased;
            value = call => Ok(value),
            () = over.wait() => Err(TimeoutError(self.limit)),
        }
    }
}
