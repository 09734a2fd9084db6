use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use longshore_clock::Door;
use longshore_core::Invalid;
use serde::Serialize;

use crate::events::heard;

use super::semaphore::{
    AcquisitionTimeoutError, LimiterEvent, OwnedPermit, Permit, Refused, SemaphoreLimiter,
    SemaphoreLimiterConfig, SemaphoreMetrics,
};

/// How many may be at work at once, and how many others may wait how long.
#[derive(Clone, Debug)]
pub struct BulkheadConfig {
    /// Permits, at least 1.
    pub max_concurrent: usize,
    /// Callers that may wait; further ones are refused at once.
    pub max_queue: usize,
    /// Longest wait for a permit.
    pub acquire_timeout: Duration,
}

impl Default for BulkheadConfig {
    fn default() -> Self {
        Self { max_concurrent: 25, max_queue: 100, acquire_timeout: Duration::from_secs(1) }
    }
}

/// Why a bulkhead let nobody in. A refusal of ours: nothing was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BulkheadError {
    /// The line is full.
    #[error("{limit} callers wait already (max_queue)")]
    Full {
        /// How many may wait.
        limit: usize,
    },
    /// No permit came in time.
    #[error(transparent)]
    Timeout(#[from] AcquisitionTimeoutError),
}

/// What a bulkhead has seen.
#[derive(Clone, Debug, Serialize)]
pub struct BulkheadMetrics {
    /// The permits.
    #[serde(flatten)]
    pub permits: SemaphoreMetrics,
    /// Callers that may wait.
    pub max_queue: usize,
    /// Callers that found the line full.
    pub full_count: u64,
}

/// A [`SemaphoreLimiter`] with a bounded line, so that one slow thing cannot gather all callers. Cheap to clone.
#[derive(Clone)]
pub struct Bulkhead {
    limiter: SemaphoreLimiter,
    line: Arc<Line>,
}

struct Line {
    max: usize,
    full: AtomicU64,
}

impl Bulkhead {
    /// Refuses a limit of zero.
    pub fn new(config: &BulkheadConfig, door: &Door) -> Result<Self, Invalid> {
        let permits = SemaphoreLimiterConfig {
            max_concurrent: config.max_concurrent,
            acquire_timeout: config.acquire_timeout,
        };
        let line = Line { max: config.max_queue, full: AtomicU64::new(0) };
        Ok(Self { limiter: SemaphoreLimiter::new(&permits, door)?, line: Arc::new(line) })
    }

    /// A permit, after those who came before.
    pub async fn acquire(&self) -> Result<Permit<'_>, BulkheadError> {
        self.limiter.acquire_in(self.line.max).await.map_err(|refused| self.refused(refused))
    }

    /// A permit as from [`Self::acquire`] that borrows nothing, so that another task may have it.
    pub async fn acquire_owned(&self) -> Result<OwnedPermit, BulkheadError> {
        self.limiter.acquire_owned_in(self.line.max).await.map_err(|refused| self.refused(refused))
    }

    fn refused(&self, refused: Refused) -> BulkheadError {
        match refused {
            Refused::Full => {
                self.line.full.fetch_add(1, Ordering::Relaxed);
                BulkheadError::Full { limit: self.line.max }
            }
            Refused::Timeout(error) => error.into(),
        }
    }

    /// A permit, if one is free and nobody waits.
    pub fn try_acquire(&self) -> Option<Permit<'_>> {
        self.limiter.try_acquire()
    }

    /// Changes the number of permits; see [`SemaphoreLimiter::set_max_concurrent`].
    pub fn set_max_concurrent(&self, limit: usize) -> Result<(), Invalid> {
        self.limiter.set_max_concurrent(limit)
    }

    heard!(LimiterEvent, limiter.audience());

    /// What it has seen so far.
    pub fn get_metrics(&self) -> BulkheadMetrics {
        BulkheadMetrics {
            permits: self.limiter.get_metrics(),
            max_queue: self.line.max,
            full_count: self.line.full.load(Ordering::Relaxed),
        }
    }
}
