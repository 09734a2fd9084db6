//! So often: a smooth rate with bursts (GCRA), and an exact number in any window (sliding log).

mod gcra;
mod log;

pub use gcra::{RateEvent, RateLimitedError, RateLimiter, RateLimiterConfig, RateMetrics};
pub use log::{SlidingLog, SlidingLogConfig};
