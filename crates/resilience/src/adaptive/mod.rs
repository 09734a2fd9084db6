//! So many at once as the other side can bear: a limit that is found out, not set.

mod limit;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use longshore_clock::{Clock, Door};
use longshore_core::Invalid;

pub use self::limit::{AimdLimit, FixedLimit, Gradient2Limit, Limit, LimitSample, VegasLimit};
use crate::events::heard;
use crate::{
    AcquisitionTimeoutError, LimiterEvent, OwnedPermit, SemaphoreLimiter, SemaphoreLimiterConfig,
    SemaphoreMetrics, Verdict,
};

/// A window lasts at least so long,
const WINDOW: Duration = Duration::from_secs(1);
/// and holds at least so many calls.
const WINDOW_CALLS: u32 = 10;
/// Shorter calls say nothing about the other side.
const RTT_MIN: Duration = Duration::from_micros(100);

/// A [`SemaphoreLimiter`] whose limit follows how long calls take. Cheap to clone.
#[derive(Clone)]
pub struct AdaptiveLimiter {
    limiter: SemaphoreLimiter,
    shared: Arc<Shared>,
}

struct Shared {
    clock: Clock,
    rule: Mutex<Rule>,
}

struct Rule {
    limit: Box<dyn Limit>,
    began: Duration,
    calls: u32,
    /// How long they took.
    total: Duration,
    /// The mean of the last window.
    rtt: Duration,
    in_flight: usize,
    dropped: bool,
}

impl AdaptiveLimiter {
    /// Begins with the limit of the rule. Refuses one of zero.
    pub fn new(limit: impl Limit + 'static, acquire_timeout: Duration, door: &Door) -> Result<Self, Invalid> {
        let config = SemaphoreLimiterConfig { max_concurrent: limit.limit(), acquire_timeout };
        let rule = Rule {
            limit: Box::new(limit),
            began: door.clock.uptime(),
            calls: 0,
            total: Duration::ZERO,
            rtt: RTT_MIN,
            in_flight: 0,
            dropped: false,
        };
        let shared = Arc::new(Shared { clock: door.clock.clone(), rule: Mutex::new(rule) });
        Ok(Self { limiter: SemaphoreLimiter::new(&config, door)?, shared })
    }

    /// A permit, after those who came before.
    pub async fn acquire(&self) -> Result<AdaptivePermit, AcquisitionTimeoutError> {
        let permit = self.limiter.acquire_owned().await?;
        Ok(self.begin(permit))
    }

    /// A permit, if one is free and nobody waits.
    pub fn try_acquire(&self) -> Option<AdaptivePermit> {
        self.limiter.try_acquire_owned().map(|permit| self.begin(permit))
    }

    fn begin(&self, permit: OwnedPermit) -> AdaptivePermit {
        let since = self.shared.clock.uptime();
        AdaptivePermit { permit: Some(permit), limiter: self.clone(), since }
    }

    heard!(LimiterEvent, limiter.audience());

    /// What it has seen so far; the limit is the one of now.
    pub fn get_metrics(&self) -> SemaphoreMetrics {
        self.limiter.get_metrics()
    }

    fn note(&self, rtt: Duration, dropped: bool) {
        if rtt < RTT_MIN && !dropped {
            return;
        }
        let now = self.shared.clock.uptime();
        let active = self.limiter.active();
        let change = self.note_locked(rtt, dropped, active, now);
        // Outside of the lock: who hears of it may end a call.
        if let Some(event) = change {
            self.limiter.audience().tell(|| event);
        }
    }

    fn note_locked(
        &self,
        rtt: Duration,
        dropped: bool,
        active: usize,
        now: Duration,
    ) -> Option<LimiterEvent> {
        let mut rule = self.shared.rule.lock().unwrap_or_else(PoisonError::into_inner);
        rule.calls += 1;
        // A refusal may come at once, and would be taken for a call without load. What was dropped had taken as long as
        // others do, at least.
        let rtt = if dropped { rtt.max(rule.rtt) } else { rtt };
        rule.total += rtt;
        rule.in_flight = rule.in_flight.max(active);
        rule.dropped |= dropped;
        if rule.calls < WINDOW_CALLS || now.saturating_sub(rule.began) < WINDOW {
            return None;
        }
        rule.rtt = rule.total / rule.calls;
        let sample = LimitSample { rtt: rule.rtt, in_flight: rule.in_flight, dropped: rule.dropped };
        // Before the rule is asked, which may panic.
        (rule.began, rule.calls, rule.total) = (now, 0, Duration::ZERO);
        (rule.in_flight, rule.dropped) = (0, false);
        rule.limit.update(sample);
        // A rule that says zero is taken for one. Under the lock, so that the newest limit stays.
        self.limiter.resize(rule.limit.limit().max(1)).unwrap_or(None)
    }
}

/// The right to be at work. Dropped without an end it says nothing, as when its caller is cancelled.
#[must_use = "the permit goes back when it is dropped"]
pub struct AdaptivePermit {
    permit: Option<OwnedPermit>,
    limiter: AdaptiveLimiter,
    since: Duration,
}

impl AdaptivePermit {
    /// The call ended: a failure is taken for a sign of load.
    pub fn end(mut self, verdict: Verdict) {
        let rtt = self.limiter.shared.clock.uptime().saturating_sub(self.since);
        if verdict != Verdict::Ignored {
            self.limiter.note(rtt, verdict == Verdict::Failure);
        }
        self.permit = None;
    }
}
