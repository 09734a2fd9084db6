//! What stands before the handlers of a kind in one process: a breaker, a rate, a bound on how many run at once, and a
//! budget for retries. A job that is not let through goes back for a while; the attempt does not count.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use longshore_clock::{Clock, Door};
use longshore_core::{Invalid, KindName, Reason};
use longshore_resilience::{
    Admission, CircuitBreaker, CircuitBreakerConfig, OwnedPermit, RateLimiter, RateLimiterConfig,
    RetryBudget, RetryBudgetConfig, SemaphoreLimiter, SemaphoreLimiterConfig, Verdict,
};
use longshore_telemetry::{Metered, Registry, Samples};

use crate::attempt::Running;
use crate::resets::Resets;
use crate::signal::Interrupt;

/// For so long a job waits in its slot for its turn, when that is near. Who goes back is away for at least as long, so that
/// the store is not kept busy with jobs that come and go.
const HOLD: Duration = Duration::from_secs(1);
/// The longest time for which a job goes back because all permits are held.
const AWAY_MAX: Duration = Duration::from_secs(30);
/// While a breaker lets few through to find out, others wait for this part of the time it was open for.
const PROBE_PART: u32 = 4;
/// Who holds a guard that no worker has: the list by kind and the registry.
const HERE: usize = 2;
/// Waits are longer by up to this share of themselves, so that those who go together do not come together.
const SPREAD: f64 = 0.1;

/// What the jobs of a kind have to pass before their handler is called, in each process that runs them. Limits that all
/// workers share belong to the queue.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KindGuard {
    /// Failed attempts open it, panics and timeouts too; jobs that fail for good, snooze or are cancelled say nothing.
    /// Its name is that of the kind.
    pub breaker: Option<CircuitBreakerConfig>,
    /// Retries of all jobs of the kind.
    pub retry_budget: Option<RetryBudgetConfig>,
    /// Starts. Whoever has to wait for longer than a second goes back, whatever its `max_wait` says.
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
    config: KindGuard,
    breaker: Option<CircuitBreaker>,
    budget: Option<RetryBudget>,
    rate: Option<RateLimiter>,
    permits: Option<SemaphoreLimiter>,
    /// When a permit was last taken or given back, in milliseconds of uptime.
    moved_at: Arc<AtomicU64>,
    door: Door,
}

/// A job that was let through.
pub(crate) struct Pass {
    running: Arc<Running>,
    admission: Option<Admission>,
    _permit: Option<Taken>,
}

/// A permit, with the place where it is noted that it is given back.
struct Taken {
    _permit: OwnedPermit,
    moved_at: Arc<AtomicU64>,
    clock: Clock,
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.moved_at.store(millis(&self.clock), Ordering::Relaxed);
    }
}

fn millis(clock: &Clock) -> u64 {
    clock.uptime().as_millis() as u64
}

/// A job that was not.
pub(crate) struct Turned {
    pub(crate) wait: Duration,
    pub(crate) reason: Reason,
}

/// What an attempt is to a budget: a first one adds to it when it is made, a retry gives back what it took if it is not made.
struct Token<'a> {
    budget: Option<&'a RetryBudget>,
    is_retry: bool,
}

impl Token<'_> {
    fn spend(mut self) {
        if let Some(budget) = self.budget.take().filter(|_| !self.is_retry) {
            budget.call();
        }
    }
}

impl Drop for Token<'_> {
    fn drop(&mut self) {
        if let Some(budget) = self.budget.filter(|_| self.is_retry) {
            budget.put_back();
        }
    }
}

/// A part of a guard. What is wrong with it is told by its place in the guard.
fn part<T>(name: &str, made: Option<Result<T, Invalid>>) -> Result<Option<T>, Invalid> {
    made.transpose().map_err(|error| Invalid { field: format!("{name}.{}", error.field), ..error })
}

impl Guard {
    fn new(kind: &KindName, config: &KindGuard, door: &Door) -> Result<Self, Invalid> {
        let breaker = config.breaker.clone().map(|breaker| {
            CircuitBreaker::new(CircuitBreakerConfig { name: kind.as_str().to_owned(), ..breaker }, door)
        });
        let permits = config.max_concurrent.map(|max_concurrent| {
            SemaphoreLimiter::new(&SemaphoreLimiterConfig { max_concurrent, acquire_timeout: HOLD }, door)
        });
        let rate = config
            .rate
            .as_ref()
            .map(|rate| RateLimiter::new(&RateLimiterConfig { max_wait: HOLD, ..rate.clone() }, door));
        let budget = config.retry_budget.map(|budget| RetryBudget::new(budget, door));
        Ok(Self {
            config: config.clone(),
            breaker: part("breaker", breaker)?,
            budget: part("retry_budget", budget)?,
            rate: part("rate", rate)?,
            permits: permits.transpose()?,
            moved_at: Arc::default(),
            door: door.clone(),
        })
    }

    /// Lets an attempt through, or says how long its job has to wait. The breaker is asked first, because behind an open one
    /// nobody need wait, and once more last: it may have opened meanwhile, and what it lets through has to be called.
    pub(crate) async fn enter(&self, running: &Arc<Running>) -> Result<Pass, Turned> {
        if let Some(breaker) = self.breaker.as_ref().filter(|breaker| breaker.is_open()) {
            // Asked as a call is, so that it counts whom it refuses. A probe that it offers by now is for later.
            drop(breaker.admit().map_err(|_| self.behind(breaker))?);
        }
        let permit = match &self.permits {
            Some(permits) => Some(self.permit(permits).await?),
            None => None,
        };
        let token = self.token(running.number)?;
        if let Some(rate) = &self.rate {
            rate.acquire().await.map_err(|refusal| self.turn(refusal.retry_after, Reason::Throttled))?;
        }
        let admission = match &self.breaker {
            Some(breaker) => Some(breaker.admit().map_err(|_| self.behind(breaker))?),
            None => None,
        };
        token.spend();
        Ok(Pass { running: running.clone(), admission, _permit: permit })
    }

    /// A permit. It is waited for while permits come and go; where they are held for long, a slot that waits would be lost for
    /// other kinds, and who goes back is away for as long as none has moved.
    async fn permit(&self, permits: &SemaphoreLimiter) -> Result<Taken, Turned> {
        let clock = &self.door.clock;
        let still = || {
            let since = millis(clock).saturating_sub(self.moved_at.load(Ordering::Relaxed));
            Duration::from_millis(since)
        };
        let turned = || self.turn(still().min(AWAY_MAX), Reason::Throttled);
        let permit = match permits.try_acquire_owned() {
            Some(permit) => permit,
            None if still() > HOLD => return Err(turned()),
            None => permits.acquire_owned().await.map_err(|_| turned())?,
        };
        self.moved_at.store(millis(clock), Ordering::Relaxed);
        Ok(Taken { _permit: permit, moved_at: self.moved_at.clone(), clock: clock.clone() })
    }

    /// A retry takes what it costs.
    fn token(&self, attempt: u32) -> Result<Token<'_>, Turned> {
        let (budget, is_retry) = (self.budget.as_ref(), attempt > 1);
        if let Some(budget) = budget.filter(|_| is_retry) {
            budget.take().map_err(|wait| self.turn(wait, Reason::Throttled))?;
        }
        Ok(Token { budget, is_retry })
    }

    /// Waits until the breaker is tried again; while that is being done, for a part of the time that it would be open for.
    fn behind(&self, breaker: &CircuitBreaker) -> Turned {
        let left = breaker.get_metrics().next_probe_in.map(Duration::from_secs_f64);
        let open = self.config.breaker.as_ref().map_or(HOLD, |breaker| breaker.open_state_duration);
        self.turn(left.unwrap_or(open / PROBE_PART), Reason::CircuitOpen)
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
        let is_told = self.running.signal.level() != Interrupt::None;
        if let Some(admission) = self.admission.take().filter(|_| std::thread::panicking() && !is_told) {
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
pub(crate) struct Guards {
    by_kind: Mutex<BTreeMap<KindName, Arc<Guard>>>,
    /// The resets that were asked for when it was last looked.
    resets: Mutex<Option<Resets>>,
}

impl Guards {
    fn by_kind(&self) -> MutexGuard<'_, BTreeMap<KindName, Arc<Guard>>> {
        self.by_kind.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether any has a breaker.
    pub(crate) fn have_breakers(&self) -> bool {
        self.by_kind().values().any(|guard| guard.breaker.is_some())
    }

    /// Closes the breaker of a kind, if it has one here.
    fn reset(&self, kind: &KindName) {
        let breaker = self.by_kind().get(kind).and_then(|guard| guard.breaker.clone());
        // Outside of the lock: those who hear of it may do anything.
        if let Some(breaker) = breaker {
            breaker.reset();
        }
    }

    /// Closes the breaker of a kind for a request that is not to be seen again.
    pub(crate) fn reset_by(&self, kind: &KindName, mark: Bytes) {
        if let Some(resets) = &mut *self.resets.lock().unwrap_or_else(PoisonError::into_inner) {
            resets.insert(kind.clone(), mark);
        }
        self.reset(kind);
    }

    /// Closes the breakers that were asked for since the last look. At the first look nothing is new.
    pub(crate) fn follow(&self, asked: Resets) {
        let new: Vec<KindName> = {
            let mut resets = self.resets.lock().unwrap_or_else(PoisonError::into_inner);
            let is_new = |kind: &KindName, mark: &Bytes| {
                resets.as_ref().is_some_and(|before| before.get(kind) != Some(mark))
            };
            let new = asked.iter().filter(|(kind, mark)| is_new(kind, mark)).map(|(kind, _)| kind.clone());
            let new = new.collect();
            *resets = Some(asked);
            new
        };
        for kind in &new {
            self.reset(kind);
        }
    }

    /// The guard of a kind, made if there is none. It is shown as `kind/NAME`. Refuses another configuration than that of a
    /// worker that has one.
    pub(crate) fn of(
        &self,
        kind: &KindName,
        config: &KindGuard,
        door: &Door,
        registry: &Registry,
    ) -> Result<Arc<Guard>, Invalid> {
        let mut guards = self.by_kind();
        match guards.get(kind) {
            Some(guard) if guard.config == *config => return Ok(guard.clone()),
            Some(guard) if Arc::strong_count(guard) > HERE => {
                let expected = format!("the guard that kind {kind} has in another worker of this process");
                return Err(Invalid::new("guard", expected, "another one"));
            }
            _ => {}
        }
        let guard = Arc::new(Guard::new(kind, config, door)?);
        registry.register(&format!("kind/{kind}"), guard.clone())?;
        guards.insert(kind.clone(), guard.clone());
        Ok(guard)
    }
}
