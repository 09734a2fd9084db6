use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use longshore_clock::{Clock, Door};
use longshore_core::Invalid;
use longshore_telemetry::{Histogram, Snapshot};
use serde::Serialize;
use tokio::sync::Semaphore;

/// How many may be at work at once, and how long others wait.
#[derive(Clone, Debug)]
pub struct SemaphoreLimiterConfig {
    /// Permits, at least 1.
    pub max_concurrent: usize,
    /// Longest wait for one; zero is to try once.
    pub acquire_timeout: Duration,
}

impl Default for SemaphoreLimiterConfig {
    fn default() -> Self {
        Self { max_concurrent: 100, acquire_timeout: Duration::from_secs(30) }
    }
}

/// No permit came in time. A refusal of ours: nothing was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to acquire a permit within {}s", .0.as_secs_f64())]
pub struct AcquisitionTimeoutError(
    /// How long was waited.
    pub Duration,
);

/// What a limiter has seen.
#[derive(Clone, Debug, Serialize)]
pub struct SemaphoreMetrics {
    /// Permits that are out now.
    pub current_active: usize,
    /// The most that were out at once.
    pub peak_active: usize,
    /// Permits given in all.
    pub total_acquisitions: u64,
    /// The limit.
    pub max_concurrent: usize,
    /// Waits that were given up.
    pub timeout_count: u64,
    /// Callers that wait now.
    pub waiting: usize,
    /// How long those waited that had to, and got a permit.
    #[serde(skip)]
    pub wait: Snapshot,
}

/// Lets so many in at once, in the order in which they came. Cheap to clone; clones share the permits.
#[derive(Clone)]
pub struct SemaphoreLimiter(Arc<Shared>);

struct Shared {
    permits: Arc<Semaphore>,
    /// Permits that are taken out of use as they come back, because the limit was lowered while they were out.
    debt: AtomicUsize,
    limit: Mutex<usize>,
    timeout: Duration,
    clock: Clock,
    active: AtomicUsize,
    peak: AtomicUsize,
    acquired: AtomicU64,
    timeouts: AtomicU64,
    waiting: AtomicUsize,
    wait: Histogram,
}

impl SemaphoreLimiter {
    /// Refuses a limit of zero.
    pub fn new(config: &SemaphoreLimiterConfig, door: &Door) -> Result<Self, Invalid> {
        let limit = check(config.max_concurrent)?;
        Ok(Self(Arc::new(Shared {
            permits: Arc::new(Semaphore::new(limit)),
            debt: AtomicUsize::new(0),
            limit: Mutex::new(limit),
            timeout: config.acquire_timeout,
            clock: door.clock.clone(),
            active: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            acquired: AtomicU64::new(0),
            timeouts: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
            wait: Histogram::default(),
        })))
    }

    /// A permit, after those who came before. Whoever stops waiting leaves the line.
    pub async fn acquire(&self) -> Result<Permit, AcquisitionTimeoutError> {
        match self.try_acquire() {
            Some(permit) => Ok(permit),
            None => self.wait().await,
        }
    }

    /// A permit, if one is free and nobody waits.
    pub fn try_acquire(&self) -> Option<Permit> {
        // Permits that come back go to those who wait, so that none is free while somebody does.
        self.0.permits.try_acquire().ok().map(|permit| {
            permit.forget();
            self.permit()
        })
    }

    async fn wait(&self) -> Result<Permit, AcquisitionTimeoutError> {
        let shared = &*self.0;
        let _waits = Counted::new(&shared.waiting);
        let began = shared.clock.uptime();
        let over = shared.clock.after(shared.timeout);
        tokio::select! {
            biased;
            permit = shared.permits.acquire() => {
                // It is never closed.
                permit.map(tokio::sync::SemaphorePermit::forget).ok();
                shared.wait.record(shared.clock.uptime().saturating_sub(began));
                Ok(self.permit())
            }
            () = over.wait() => {
                shared.timeouts.fetch_add(1, Ordering::Relaxed);
                Err(AcquisitionTimeoutError(shared.timeout))
            }
        }
    }

    fn permit(&self) -> Permit {
        let shared = &*self.0;
        shared.acquired.fetch_add(1, Ordering::Relaxed);
        let active = shared.active.fetch_add(1, Ordering::Relaxed) + 1;
        // Most often there was a higher peak before, and a look is cheaper than a write.
        if active > shared.peak.load(Ordering::Relaxed) {
            shared.peak.fetch_max(active, Ordering::Relaxed);
        }
        Permit(self.0.clone())
    }

    /// Changes the limit. Those who wait get what it grows by at once; what it shrinks by is taken as permits come back.
    /// Meanwhile no more are out than were at the change.
    pub fn set_max_concurrent(&self, limit: usize) -> Result<(), Invalid> {
        let limit = check(limit)?;
        let shared = &*self.0;
        let mut now = shared.limit.lock().unwrap_or_else(PoisonError::into_inner);
        if limit < *now {
            let less = *now - limit;
            let idle = shared.permits.forget_permits(less);
            shared.debt.fetch_add(less - idle, Ordering::AcqRel);
        } else {
            let mut more = limit - *now;
            while more > 0 && shared.pay() {
                more -= 1;
            }
            shared.permits.add_permits(more);
        }
        *now = limit;
        Ok(())
    }

    /// Permits that are out now.
    pub fn active(&self) -> usize {
        self.0.active.load(Ordering::Relaxed)
    }

    /// What it has seen so far.
    pub fn get_metrics(&self) -> SemaphoreMetrics {
        let shared = &*self.0;
        SemaphoreMetrics {
            current_active: shared.active.load(Ordering::Relaxed),
            peak_active: shared.peak.load(Ordering::Relaxed),
            total_acquisitions: shared.acquired.load(Ordering::Relaxed),
            max_concurrent: *shared.limit.lock().unwrap_or_else(PoisonError::into_inner),
            timeout_count: shared.timeouts.load(Ordering::Relaxed),
            waiting: shared.waiting.load(Ordering::Relaxed),
            wait: shared.wait.snapshot(),
        }
    }
}

impl Shared {
    /// Takes one permit out of the debt, if there is any.
    fn pay(&self) -> bool {
        // One that owes nothing is the usual case.
        self.debt.load(Ordering::Acquire) > 0
            && self.debt.fetch_update(Ordering::AcqRel, Ordering::Acquire, |debt| debt.checked_sub(1)).is_ok()
    }
}

fn check(limit: usize) -> Result<usize, Invalid> {
    let most = Semaphore::MAX_PERMITS;
    if (1..=most).contains(&limit) {
        return Ok(limit);
    }
    Err(Invalid::new("max_concurrent", format!("a whole number from 1 to {most}"), limit))
}

/// The right to be at work. It goes back when it is dropped, whatever happened.
#[must_use = "the permit goes back when it is dropped"]
pub struct Permit(Arc<Shared>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::Relaxed);
        if !self.0.pay() {
            self.0.permits.add_permits(1);
        }
    }
}

impl std::fmt::Debug for Permit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Permit")
    }
}

/// Counts as one for as long as it is there.
pub(crate) struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    pub(crate) fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
