//! So many at once: with a line of any length, and with a bounded one.

mod bulkhead;
mod gate;
mod semaphore;
mod stash;

pub use bulkhead::{Bulkhead, BulkheadConfig, BulkheadError, BulkheadMetrics};
pub use semaphore::{
    AcquisitionTimeoutError, LimiterEvent, OwnedPermit, Permit, SemaphoreLimiter, SemaphoreLimiterConfig,
    SemaphoreMetrics,
};
