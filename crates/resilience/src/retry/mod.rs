//! Once more: which errors are worth it, how long to wait, and how much of it a system can bear.

mod budget;
mod config;
mod fault;
mod outcome;
mod policy;
mod reconnect;

pub use budget::{RetryBudget, RetryBudgetConfig};
pub use config::{Jitter, RetryConfig};
pub(crate) use fault::usual_verdict;
pub use fault::{Advice, Fault, parse_retry_after};
pub use outcome::{
    RetryAttempt, RetryBudgetExceededError, RetryEnd, RetryError, RetryEvent, RetryExecution,
    RetryExhaustedError, RetryLimit, RetryMetrics, RetryTotals,
};
pub(crate) use policy::Judged;
pub use policy::RetryPolicy;
pub use reconnect::Retry;
