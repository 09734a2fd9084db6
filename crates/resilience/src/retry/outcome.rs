//! What becomes of calls that may be made again.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

/// Which limit ended a call that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryLimit {
    /// The number of attempts.
    Attempts,
    /// The deadline.
    Deadline,
}

/// Every attempt failed.
#[derive(Debug, thiserror::Error)]
#[error("All {attempt_count} attempts exhausted. Last error: {last}")]
pub struct RetryExhaustedError<E: fmt::Display> {
    /// Attempts that were made.
    pub attempt_count: u32,
    /// Why there was no further one.
    pub reason: RetryLimit,
    /// What went wrong last.
    #[source]
    pub last: E,
}

/// The attempts failed, and nothing is left for another one.
#[derive(Debug, thiserror::Error)]
#[error("no retries are left for {key:?} after {attempt_count} attempts. Last error: {last}")]
pub struct RetryBudgetExceededError<E: fmt::Display> {
    /// Attempts that were made.
    pub attempt_count: u32,
    /// Whose budget is used up.
    pub key: String,
    /// What went wrong last.
    #[source]
    pub last: E,
}

/// Why a call gave no value.
#[derive(Debug)]
pub enum RetryError<E: fmt::Display> {
    /// Its error is not worth another try; it is passed on as it came.
    Passed(E),
    /// Every attempt failed.
    Exhausted(RetryExhaustedError<E>),
    /// There is no budget for another attempt.
    Budget(RetryBudgetExceededError<E>),
}

impl<E: fmt::Display> RetryError<E> {
    /// What went wrong last.
    pub fn into_last(self) -> E {
        match self {
            Self::Passed(last) => last,
            Self::Exhausted(error) => error.last,
            Self::Budget(error) => error.last,
        }
    }
}

impl<E: fmt::Display> fmt::Display for RetryError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed(last) => last.fmt(f),
            Self::Exhausted(error) => error.fmt(f),
            Self::Budget(error) => error.fmt(f),
        }
    }
}

impl<E: Error + 'static> Error for RetryError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Passed(last) => last.source(),
            Self::Exhausted(RetryExhaustedError { last, .. })
            | Self::Budget(RetryBudgetExceededError { last, .. }) => Some(last),
        }
    }
}

/// How a call ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryEnd {
    /// There was none yet.
    #[default]
    None,
    /// With a value.
    Success,
    /// After the last attempt.
    Exhausted,
    /// At the deadline.
    Deadline,
    /// Without a budget for another attempt.
    Budget,
    /// With an error that is not worth one.
    NotTransient,
    /// With a refusal of ours, such as that of a breaker.
    Rejected,
}

/// What became of the calls with one key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct RetryMetrics {
    /// Calls.
    pub calls: u64,
    /// Retries: attempts after the first of their call.
    pub retries: u64,
    /// Of these, those in the window of the budget that ends now, to a tenth of its length.
    pub attempt_count: u64,
    /// How long was waited between attempts, in milliseconds.
    pub total_delay_ms: u64,
    /// How the last call ended.
    pub final_result: RetryEnd,
    /// How much of the budget is used up, from 0 to 1.
    pub budget_consumed: f64,
}

/// What became of the calls with all keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RetryTotals {
    /// Calls that ended with a value.
    pub success: u64,
    /// Calls that ended after their last attempt.
    pub exhausted: u64,
    /// Calls that ended at their deadline.
    pub deadline: u64,
    /// Calls that ended without a budget for another attempt.
    pub budget: u64,
    /// Calls that ended with an error that is not worth one.
    pub not_transient: u64,
    /// Calls that ended with a refusal of ours.
    pub rejected: u64,
    /// Retries: attempts after the first of their call.
    pub retries: u64,
}

/// Something that happened to a call that may be made again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RetryEvent {
    /// An attempt failed, and another one follows, unless its caller goes away or the deadline passes meanwhile.
    Retried {
        /// Whose budget it takes.
        key: Arc<str>,
        /// The number of the attempt that failed, from 1 on.
        attempt: u32,
        /// How long is waited first.
        wait: Duration,
    },
    /// The call ended.
    Ended {
        /// Whose budget it had.
        key: Arc<str>,
        /// Attempts that were made.
        attempt_count: u32,
        /// How.
        end: RetryEnd,
    },
}

/// One attempt that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryAttempt {
    /// From 1 on.
    pub attempt: u32,
    /// What went wrong.
    pub error: String,
    /// The wait that followed; none if no attempt followed.
    pub delay: Option<Duration>,
}

/// A call with all that happened.
#[derive(Debug)]
pub struct RetryExecution<T, E: fmt::Display> {
    /// The value, or why there is none.
    pub value: Result<T, RetryError<E>>,
    /// Attempts that were made.
    pub attempt_count: u32,
    /// How long was waited between them.
    pub total_delay: Duration,
    /// Those that failed.
    pub attempts: Vec<RetryAttempt>,
}
