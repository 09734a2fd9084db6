use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use longshore_clock::{Clock, Door};
use longshore_core::Invalid;
use longshore_telemetry::{Histogram, Snapshot};
use serde::Serialize;

use super::gate::{Gate, Joined, LIMIT_MAX};
use crate::events::{Audience, heard};
use crate::striped::StripedCount;

/// Callers that may wait in line where nothing else bounds them.
const WAITING_MAX: usize = 1 << 20;

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
#[error("Failed to acquire semaphore within {}s", .0.as_secs_f64())]
pub struct AcquisitionTimeoutError(
    /// How long was waited.
    pub Duration,
);

/// Why nobody was let in.
#[derive(Clone, Copy)]
pub(super) enum Refused {
    /// As many wait as may.
    Full,
    /// No permit came in time.
    Timeout(AcquisitionTimeoutError),
}

impl Refused {
    /// For a line that is as good as without a bound.
    fn timeout(self) -> AcquisitionTimeoutError {
        match self {
            Self::Full => AcquisitionTimeoutError(Duration::ZERO),
            Self::Timeout(error) => error,
        }
    }
}

/// Something that happened to a limiter, or to a bulkhead or an adaptive limiter, which are made of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimiterEvent {
    /// A permit was given.
    Acquired {
        /// After so long.
        waited: Duration,
    },
    /// No permit came in time.
    TimedOut {
        /// How long was waited.
        waited: Duration,
    },
    /// The line was full.
    Full {
        /// How many may wait.
        limit: usize,
    },
    /// The limit changed.
    Resized {
        /// The limit before.
        from: usize,
        /// The limit now.
        to: usize,
    },
}

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
    gate: Gate,
    timeout: Duration,
    clock: Clock,
    acquired: StripedCount,
    timeouts: AtomicU64,
    wait: Histogram,
    audience: Audience<LimiterEvent>,
}

impl SemaphoreLimiter {
    /// Refuses a limit of zero.
    pub fn new(config: &SemaphoreLimiterConfig, door: &Door) -> Result<Self, Invalid> {
        let limit = check(config.max_concurrent)?;
        longshore_core::check_duration("acquire_timeout", config.acquire_timeout)?;
        Ok(Self(Arc::new(Shared {
            gate: Gate::new(limit),
            timeout: config.acquire_timeout,
            clock: door.clock.clone(),
            acquired: StripedCount::default(),
            timeouts: AtomicU64::new(0),
            wait: Histogram::default(),
            audience: Audience::default(),
        })))
    }

    /// A permit, after those who came before. Whoever stops waiting leaves the line. It holds a million (2²⁰), and refuses
    /// further callers at once; a [`Bulkhead`](crate::Bulkhead) has a bound of its own.
    pub async fn acquire(&self) -> Result<Permit<'_>, AcquisitionTimeoutError> {
        self.acquire_in(WAITING_MAX).await.map_err(Refused::timeout)
    }

    /// A permit as from [`Self::acquire`] that borrows nothing, so that another task may have it.
    pub async fn acquire_owned(&self) -> Result<OwnedPermit, AcquisitionTimeoutError> {
        self.acquire_owned_in(WAITING_MAX).await.map_err(Refused::timeout)
    }

    /// The same in a line of so many.
    pub(super) async fn acquire_in(&self, max_queue: usize) -> Result<Permit<'_>, Refused> {
        self.0.take(max_queue).await?;
        Ok(Permit(&self.0))
    }

    pub(super) async fn acquire_owned_in(&self, max_queue: usize) -> Result<OwnedPermit, Refused> {
        self.0.take(max_queue).await?;
        Ok(OwnedPermit(self.0.clone()))
    }

    /// A permit, if one is free and nobody waits.
    pub fn try_acquire(&self) -> Option<Permit<'_>> {
        self.0.try_take().then(|| Permit(&self.0))
    }

    /// A permit as from [`Self::try_acquire`] that borrows nothing, so that another task may have it.
    pub fn try_acquire_owned(&self) -> Option<OwnedPermit> {
        self.0.try_take().then(|| OwnedPermit(self.0.clone()))
    }

    /// Changes the limit. Those who wait get what it grows by at once; what it shrinks by is taken as permits come back.
    /// Meanwhile no more are out than were at the change.
    pub fn set_max_concurrent(&self, limit: usize) -> Result<(), Invalid> {
        if let Some(event) = self.resize(limit)? {
            self.0.audience.tell(|| event);
        }
        Ok(())
    }

    /// Changes the limit; what there is to tell of it is told by the caller.
    pub(crate) fn resize(&self, limit: usize) -> Result<Option<LimiterEvent>, Invalid> {
        let to = check(limit)?;
        let from = self.0.gate.resize(to);
        Ok((from != to).then_some(LimiterEvent::Resized { from, to }))
    }

    pub(crate) fn audience(&self) -> &Audience<LimiterEvent> {
        &self.0.audience
    }

    heard!(LimiterEvent, 0.audience);

    /// Permits that are out now.
    pub fn active(&self) -> usize {
        self.0.gate.out()
    }

    /// What it has seen so far.
    pub fn get_metrics(&self) -> SemaphoreMetrics {
        let shared = &*self.0;
        SemaphoreMetrics {
            current_active: shared.gate.out(),
            peak_active: shared.gate.peak(),
            total_acquisitions: shared.acquired.sum(),
            max_concurrent: shared.gate.limit(),
            timeout_count: shared.timeouts.load(Ordering::Relaxed),
            waiting: shared.gate.waiting(),
            wait: shared.wait.snapshot(),
        }
    }
}

impl Shared {
    fn try_take(&self) -> bool {
        let is_taken = self.gate.try_take();
        if is_taken {
            self.taken(Duration::ZERO);
        }
        is_taken
    }

    fn taken(&self, waited: Duration) {
        self.acquired.add();
        self.audience.tell(|| LimiterEvent::Acquired { waited });
    }

    fn give_up(&self, waited: Duration) -> Refused {
        self.timeouts.fetch_add(1, Ordering::Relaxed);
        self.audience.tell(|| LimiterEvent::TimedOut { waited });
        Refused::Timeout(AcquisitionTimeoutError(self.timeout))
    }

    async fn take(&self, max_queue: usize) -> Result<(), Refused> {
        if self.try_take() {
            return Ok(());
        }
        let mut waited = Duration::ZERO;
        // Where nobody may wait, the line says so itself.
        if self.timeout.is_zero() && max_queue > 0 {
            return Err(self.give_up(waited));
        }
        let place = match self.gate.join(max_queue) {
            Joined::Taken => None,
            Joined::Waits(place) => Some(place),
            Joined::Full => {
                self.audience.tell(|| LimiterEvent::Full { limit: max_queue });
                return Err(Refused::Full);
            }
        };
        if let Some(place) = place {
            let (began, over) = (self.clock.uptime(), self.clock.after(self.timeout));
            let is_granted = tokio::select! {
                biased;
                () = place.granted() => true,
                () = over.wait() => false,
            };
            waited = self.clock.uptime().saturating_sub(began);
            if !is_granted {
                return Err(self.give_up(waited));
            }
            self.wait.record(waited);
        }
        self.taken(waited);
        Ok(())
    }
}

fn check(limit: usize) -> Result<usize, Invalid> {
    if (1..=LIMIT_MAX).contains(&limit) {
        return Ok(limit);
    }
    Err(Invalid::new("max_concurrent", format!("a whole number from 1 to {LIMIT_MAX}"), limit))
}

/// The right to be at work. It goes back when it is dropped, whatever happened.
#[must_use = "the permit goes back when it is dropped"]
pub struct Permit<'a>(&'a Shared);

/// A [`Permit`] that may be taken elsewhere.
#[must_use = "the permit goes back when it is dropped"]
pub struct OwnedPermit(Arc<Shared>);

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.gate.give_back();
    }
}

impl Drop for OwnedPermit {
    fn drop(&mut self) {
        self.0.gate.give_back();
    }
}

impl std::fmt::Debug for Permit<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Permit")
    }
}

impl std::fmt::Debug for OwnedPermit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OwnedPermit")
    }
}
