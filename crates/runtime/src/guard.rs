//! What stands before the handlers of a kind in one process: a breaker, a rate, a bound on how many run at once, and a
//! budget for retries. A job that is not let through goes back for a while; the attempt does not count.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use longshore_clock::Door;
use longshore_core::{Invalid, KindName, Reason};
use longshore_resilience::{
    Admission, CircuitBreaker, CircuitBreakerConfig, OwnedPermit, RateLimiter, RateLimiterConfig,
    RetryBudget, RetryBudgetConfig, SemaphoreLimiter, SemaphoreLimiterConfig, Verdict,
};
use longshore_telemetry::{Metered, Registry, Samples};

/// For so long a job waits in its slot for its turn, when that is near. Who goes back is away for at least as long, so that
/// the store is not kept busy with jobs that come and go.
const HOLD: Duration = Duration::from_secs(1);
/// Waits are longer by up to this share of themselves, so that those who go together do not come together.
const SPREAD: f64 = 0.1;

/// What the jobs of a kind have to pass before their handler is called, in each process that runs them. Limits that all
/// workers share belong to the queue.
#[derive(Clone, Debug, Default)]
pub struct KindGuard {
    /// Failed attempts open it, panics and timeouts too; jobs that fail for good, snooze or are cancelled say nothing.
    /// Its name is that of the kind.
    pub breaker: Option<CircuitBreakerConfig>,
    /// Retries of all jobs of the kind.
    pub retry_budget: Option<RetryBudgetConfig>,
    /// Starts.
    pub rate: Option<RateLimiterConfig>,
    /// Attempts at once, at least 1.
    pub max_concurrent: Option<usize>,
}

impl KindGuard {
    /// Refuses what the parts refuse.
    pub(crate) fn check(&self, kind: &KindName) -> Result<(), Invalid> {
        let (door, _) = Door::manual(longshore_clock::Timestamp::ZERO, 0);
        Guard::new(kind, self, &door).map(drop)
    }
}

/// The guard of one kind.
pub(crate) struct Guard {
    breaker: Option<CircuitBreaker>,
    budget: Option<RetryBudget>,
    rate: Option<RateLimiter>,
    permits: Option<SemaphoreLimiter>,
    door: Door,
}

/// A job that was let through.
pub(crate) struct Pass {
    admission: Option<Admission>,
    _permit: Option<OwnedPermit>,
}

/// A job that was not.
pub(crate) struct Turned {
    pub(crate) wait: Duration,
    pub(crate) reason: Reason,
}

impl Guard {
    fn new(kind: &KindName, config: &KindGuard, door: &Door) -> Result<Self, Invalid> {
        let breaker = config.breaker.clone().map(|breaker| {
            CircuitBreaker::new(CircuitBreakerConfig { name: kind.as_str().to_owned(), ..breaker }, door)
        });
        let permits = config.max_concurrent.map(|max_concurrent| {
            let acquire_timeout = HOLD;
            SemaphoreLimiter::new(&SemaphoreLimiterConfig { max_concurrent, acquire_timeout }, door)
        });
        let rate = config
            .rate
            .as_ref()
            .map(|rate| RateLimiter::new(&RateLimiterConfig { max_wait: HOLD, ..rate.clone() }, door));
        Ok(Self {
            breaker: breaker.transpose()?,
            budget: config.retry_budget.map(|budget| RetryBudget::new(budget, door)).transpose()?,
            rate: rate.transpose()?,
            permits: permits.transpose()?,
            door: door.clone(),
        })
    }

    /// Lets an attempt through, or says how long its job has to wait. What costs something is asked last.
    pub(crate) async fn enter(&self, attempt: u32) -> Result<Pass, Turned> {
        let admission = match self.breaker.as_ref().map(CircuitBreaker::admit).transpose() {
            Ok(admission) => admission,
            Err(refusal) => {
                return Err(self.turn(refusal.retry_after, Reason::CircuitOpen));
            }
        };
        let permit = match &self.permits {
            Some(permits) => {
                Some(permits.acquire_owned().await.map_err(|_| self.turn(HOLD, Reason::Throttled))?)
            }
            None => None,
        };
        if let Some(rate) = &self.rate {
            rate.acquire().await.map_err(|refusal| self.turn(refusal.retry_after, Reason::Throttled))?;
        }
        if let Some(budget) = &self.budget {
            if attempt <= 1 {
                budget.call();
            } else if let Err(wait) = budget.take() {
                return Err(self.turn(wait, Reason::Throttled));
            }
        }
        Ok(Pass { admission, _permit: permit })
    }

    fn turn(&self, wait: Duration, reason: Reason) -> Turned {
        Turned { wait: wait.max(HOLD).mul_f64(1.0 + SPREAD * self.door.chance.unit()), reason }
    }
}

impl Pass {
    /// The attempt has ended.
    pub(crate) fn end(mut self, verdict: Verdict) {
        if let Some(admission) = self.admission.take() {
            admission.end(verdict);
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        // A handler that panics takes it along; all else that is dropped says nothing.
        if let Some(admission) = self.admission.take().filter(|_| std::thread::panicking()) {
            admission.failure();
        }
    }
}

impl Metered for Guard {
    fn meter(&self, samples: &mut Samples<'_>) {
        if let Some(breaker) = &self.breaker {
            breaker.meter(samples);
        }
        if let Some(permits) = &self.permits {
            permits.meter(samples);
        }
        if let Some(rate) = &self.rate {
            rate.meter(samples);
        }
        if let Some(budget) = &self.budget {
            let help = "How much of a budget for retries is used up, from 0 to 1.";
            samples.gauge("longshore_retry_budget_consumed", help, budget.consumed());
        }
    }
}

/// The guards of a process by kind: all its workers share them.
#[derive(Default)]
pub(crate) struct Guards(Mutex<BTreeMap<KindName, Arc<Guard>>>);

impl Guards {
    /// The guard of a kind, made if there is none. It is shown as `kind/NAME`.
    pub(crate) fn of(
        &self,
        kind: &KindName,
        config: &KindGuard,
        door: &Door,
        registry: &Registry,
    ) -> Result<Arc<Guard>, Invalid> {
        let mut guards = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(guard) = guards.get(kind) {
            return Ok(guard.clone());
        }
        let guard = Arc::new(Guard::new(kind, config, door)?);
        registry.register(&format!("kind/{kind}"), guard.clone())?;
        guards.insert(kind.clone(), guard.clone());
        Ok(guard)
    }
}
