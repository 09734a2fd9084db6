//! What a breaker tells.

use std::time::Duration;

use serde::Serialize;

use super::state::Change;
use super::{CircuitBreakerError, CircuitState, Verdict};

/// Why a state changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// Too many failures.
    FailureThresholdExceeded,
    /// Too large a share of failures.
    ErrorRateExceeded,
    /// Too large a share of slow calls.
    SlowCallRateExceeded,
    /// It was open for long enough.
    TimeoutElapsed,
    /// The probes say that it works.
    HalfOpenSuccess,
    /// The probes say that it does not.
    HalfOpenFailure,
    /// Somebody has closed it by hand.
    ManualReset,
}

impl Trigger {
    /// As on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FailureThresholdExceeded => "failure_threshold_exceeded",
            Self::ErrorRateExceeded => "error_rate_exceeded",
            Self::SlowCallRateExceeded => "slow_call_rate_exceeded",
            Self::TimeoutElapsed => "timeout_elapsed",
            Self::HalfOpenSuccess => "half_open_success",
            Self::HalfOpenFailure => "half_open_failure",
            Self::ManualReset => "manual_reset",
        }
    }
}

/// Something that happened to a breaker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CircuitEvent {
    /// Its state changed.
    Changed {
        /// The state before.
        from: CircuitState,
        /// The state now.
        to: CircuitState,
        /// Why.
        trigger: Trigger,
        /// Rises with every change: of two that come the other way round it tells which one is later.
        generation: u64,
    },
    /// A call was not let through.
    Rejected {
        /// What its caller was told.
        error: CircuitBreakerError,
    },
    /// A call ended.
    Ended {
        /// What it says.
        verdict: Verdict,
        /// How long it took.
        latency: Duration,
    },
}

/// One line for each change of state.
pub(super) fn log(name: &str, change: &Change) {
    macro_rules! line {
        ($level:expr) => {
            tracing::event!(
                $level,
                event = "circuit_breaker_state_change",
                name,
                from_state = change.from.as_str(),
                to_state = change.to.as_str(),
                trigger = change.trigger.as_str(),
                failure_count = change.counts.failures,
                success_count = change.counts.total - change.counts.failures,
                request_count = change.counts.total,
                "circuit {name} went from {} to {}",
                change.from,
                change.to
            )
        };
    }
    if change.trigger == Trigger::HalfOpenFailure {
        line!(tracing::Level::WARN);
    } else {
        line!(tracing::Level::INFO);
    }
}
