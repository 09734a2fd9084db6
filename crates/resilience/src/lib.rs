//! What stands between a caller and something slow or broken. Knows nothing of jobs.

mod retry;

pub use retry::Retry;
