use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use longshore_clock::Door;
use longshore_core::Invalid;

use crate::retry::Judged;
use crate::{
    AcquisitionTimeoutError, AdaptiveLimiter, Admission, Advice, Bulkhead, BulkheadConfig, BulkheadError,
    CircuitBreaker, CircuitBreakerConfig, CircuitBreakerError, Fault, Hedge, HedgeConfig, Limit,
    RateLimitedError, RateLimiter, RateLimiterConfig, RetryBudgetExceededError, RetryConfig, RetryError,
    RetryExhaustedError, RetryPolicy, Timeout, TimeoutError, Verdict,
};

/// Several parts around one call, in the one order that works: deadline, retry, hedge, breaker, rate, bulkhead or
/// adaptive limit, timeout, call. Each part is there only if it was asked for. Cheap to clone.
#[derive(Clone, Default)]
pub struct CallPolicy {
    deadline: Option<Timeout>,
    retry: Option<RetryPolicy>,
    hedge: Option<Hedge>,
    breaker: Option<CircuitBreaker>,
    rate: Option<Arc<RateLimiter>>,
    bulkhead: Option<Bulkhead>,
    adaptive: Option<AdaptiveLimiter>,
    timeout: Option<Timeout>,
}

/// What a [`CallPolicy`] is to have.
pub struct CallPolicyBuilder {
    door: Door,
    policy: Result<CallPolicy, Invalid>,
}

/// Why one attempt gave no value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttemptError<E: Display> {
    /// The breaker is open. Nothing was called.
    #[error(transparent)]
    Open(#[from] CircuitBreakerError),
    /// It came too early. Nothing was called.
    #[error(transparent)]
    Rate(#[from] RateLimitedError),
    /// There was no place. Nothing was called.
    #[error(transparent)]
    Bulkhead(#[from] BulkheadError),
    /// The adaptive limit had no permit in time. Nothing was called.
    #[error(transparent)]
    Permit(#[from] AcquisitionTimeoutError),
    /// It took too long.
    #[error(transparent)]
    Timeout(#[from] TimeoutError),
    /// The call failed.
    #[error(transparent)]
    Failed(E),
}

/// All of a call took too long. That says nothing about the other side: it is our patience that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the whole call {0}")]
pub struct DeadlineError(
    /// How long it was waited for.
    pub TimeoutError,
);

/// Why a call gave no value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError<E: Display> {
    /// Its only attempt failed, or one that is not worth another.
    #[error(transparent)]
    Attempt(AttemptError<E>),
    /// All attempts failed.
    #[error(transparent)]
    Exhausted(RetryExhaustedError<AttemptError<E>>),
    /// There is no budget for another attempt.
    #[error(transparent)]
    Budget(RetryBudgetExceededError<AttemptError<E>>),
    /// All of it took too long.
    #[error(transparent)]
    Deadline(DeadlineError),
}

impl<E: Fault> Fault for AttemptError<E> {
    fn advice(&self) -> Advice {
        match self {
            Self::Failed(error) => error.advice(),
            Self::Timeout(error) => error.advice(),
            _ => Advice::Pass,
        }
    }

    fn is_local(&self) -> bool {
        match self {
            Self::Failed(error) => error.is_local(),
            Self::Timeout(_) => false,
            _ => true,
        }
    }

    fn is_unsent(&self) -> bool {
        match self {
            Self::Failed(error) => error.is_unsent(),
            Self::Timeout(_) => false,
            _ => true,
        }
    }

    fn verdict(&self) -> Verdict {
        match self {
            Self::Failed(error) => error.verdict(),
            Self::Timeout(_) => Verdict::Failure,
            _ => Verdict::Ignored,
        }
    }
}

impl Fault for DeadlineError {
    fn advice(&self) -> Advice {
        Advice::Pass
    }

    fn verdict(&self) -> Verdict {
        Verdict::Ignored
    }
}

/// Nobody may try again what has been tried often enough.
impl<E: Fault> Fault for CallError<E> {
    fn advice(&self) -> Advice {
        Advice::Pass
    }

    fn is_local(&self) -> bool {
        match self {
            Self::Attempt(error) => error.is_local(),
            Self::Exhausted(error) => error.is_local(),
            Self::Budget(error) => error.is_local(),
            Self::Deadline(error) => error.is_local(),
        }
    }

    fn verdict(&self) -> Verdict {
        match self {
            Self::Attempt(error) => error.verdict(),
            Self::Exhausted(error) => error.verdict(),
            Self::Budget(error) => error.verdict(),
            Self::Deadline(error) => error.verdict(),
        }
    }
}

impl CallPolicy {
    /// Begins with nothing.
    pub fn builder(door: &Door) -> CallPolicyBuilder {
        CallPolicyBuilder { door: door.clone(), policy: Ok(Self::default()) }
    }

    /// Makes a call. `key` names the budget for retries, such as a host; `call` is asked for each attempt.
    pub async fn call<T, E: Fault, F: Future<Output = Result<T, E>>>(
        &self,
        key: &str,
        call: impl Fn() -> F,
    ) -> Result<T, CallError<E>> {
        self.make(key, self.hedge.as_ref(), Judged::usual, call).await
    }

    /// Makes a call that must not be made twice: it has no copies, and is tried again only if the other side has certainly
    /// heard nothing of it ([`Fault::is_unsent`]).
    pub async fn call_unrepeatable<T, E: Fault, F: Future<Output = Result<T, E>>>(
        &self,
        key: &str,
        call: impl Fn() -> F,
    ) -> Result<T, CallError<E>> {
        self.make(key, None, Judged::unless_sent, call).await
    }

    async fn make<T, E: Fault, F: Future<Output = Result<T, E>>>(
        &self,
        key: &str,
        hedge: Option<&Hedge>,
        judge: impl Fn(&AttemptError<E>) -> Judged,
        call: impl Fn() -> F,
    ) -> Result<T, CallError<E>> {
        let copies = async || match hedge {
            Some(hedge) => hedge.run_with(Fault::is_local, |_| self.attempt(&call)).await,
            None => self.attempt(&call).await,
        };
        let whole = async {
            let Some(retry) = &self.retry else {
                return copies().await.map_err(CallError::Attempt);
            };
            let tried = retry.run(key, judge, |_| copies(), |_, _, _| {}).await.0;
            tried.map_err(|error| match error {
                RetryError::Passed(error) => CallError::Attempt(error),
                RetryError::Exhausted(error) => CallError::Exhausted(error),
                RetryError::Budget(error) => CallError::Budget(error),
            })
        };
        match &self.deadline {
            Some(deadline) => {
                deadline.run(whole).await.map_err(|late| CallError::Deadline(DeadlineError(late)))?
            }
            None => whole.await,
        }
    }

    async fn attempt<T, E: Fault, F: Future<Output = Result<T, E>>>(
        &self,
        call: &impl Fn() -> F,
    ) -> Result<T, AttemptError<E>> {
        let mut admission = self.breaker.as_ref().map(CircuitBreaker::admit).transpose()?;
        let ended = self.limited(call, admission.as_mut()).await;
        if let Some(admission) = admission {
            admission.end(Verdict::of(&ended));
        }
        ended
    }

    async fn limited<T, E: Fault, F: Future<Output = Result<T, E>>>(
        &self,
        call: &impl Fn() -> F,
        admission: Option<&mut Admission>,
    ) -> Result<T, AttemptError<E>> {
        if let Some(rate) = &self.rate {
            rate.acquire().await?;
        }
        let _permit = match &self.bulkhead {
            Some(bulkhead) => Some(bulkhead.acquire().await?),
            None => None,
        };
        let permit = match &self.adaptive {
            Some(adaptive) => Some(adaptive.acquire().await?),
            None => None,
        };
        if let Some(admission) = admission {
            admission.begin();
        }
        let call = async { call().await.map_err(AttemptError::Failed) };
        let ended = match &self.timeout {
            Some(timeout) => timeout.run(call).await.unwrap_or_else(|late| Err(late.into())),
            None => call.await,
        };
        if let Some(permit) = permit {
            permit.end(Verdict::of(&ended));
        }
        ended
    }

    /// The breaker, if there is one.
    pub fn breaker(&self) -> Option<&CircuitBreaker> {
        self.breaker.as_ref()
    }

    /// The retries, if there are any.
    pub fn retry(&self) -> Option<&RetryPolicy> {
        self.retry.as_ref()
    }

    /// The copies of slow calls, if there are any.
    pub fn hedge(&self) -> Option<&Hedge> {
        self.hedge.as_ref()
    }

    /// The rate, if there is one.
    pub fn rate(&self) -> Option<&RateLimiter> {
        self.rate.as_deref()
    }

    /// The bulkhead, if there is one.
    pub fn bulkhead(&self) -> Option<&Bulkhead> {
        self.bulkhead.as_ref()
    }

    /// The adaptive limit, if there is one.
    pub fn adaptive(&self) -> Option<&AdaptiveLimiter> {
        self.adaptive.as_ref()
    }

    /// The limit of time of one attempt, if there is one.
    pub fn timeout(&self) -> Option<&Timeout> {
        self.timeout.as_ref()
    }
}

impl CallPolicyBuilder {
    fn with(mut self, put: impl FnOnce(&mut CallPolicy, &Door) -> Result<(), Invalid>) -> Self {
        self.policy = self.policy.and_then(|mut policy| {
            put(&mut policy, &self.door)?;
            Ok(policy)
        });
        self
    }

    /// The longest time that all of it may take.
    #[must_use]
    pub fn deadline(self, limit: Duration) -> Self {
        self.with(|policy, door| {
            let field = |invalid: Invalid| Invalid { field: "deadline".into(), ..invalid };
            policy.deadline = Some(Timeout::new(limit, door).map_err(field)?);
            Ok(())
        })
    }

    /// Tries again.
    #[must_use]
    pub fn retry(self, config: RetryConfig) -> Self {
        self.with(|policy, door| {
            policy.retry = Some(RetryPolicy::new(config, door)?);
            Ok(())
        })
    }

    /// Sends copies of slow calls.
    #[must_use]
    pub fn hedge(self, config: HedgeConfig) -> Self {
        self.with(|policy, door| {
            policy.hedge = Some(Hedge::new(config, door)?);
            Ok(())
        })
    }

    /// Stops calls to what fails.
    #[must_use]
    pub fn breaker(self, config: CircuitBreakerConfig) -> Self {
        self.with(|policy, door| {
            policy.breaker = Some(CircuitBreaker::new(config, door)?);
            Ok(())
        })
    }

    /// Stops calls to what fails, by a breaker that others use too, such as that of a host.
    #[must_use]
    pub fn shared_breaker(self, breaker: CircuitBreaker) -> Self {
        self.with(|policy, _| {
            policy.breaker = Some(breaker);
            Ok(())
        })
    }

    /// Keeps to a rate.
    #[must_use]
    pub fn rate(self, config: &RateLimiterConfig) -> Self {
        self.with(|policy, door| {
            policy.rate = Some(Arc::new(RateLimiter::new(config, door)?));
            Ok(())
        })
    }

    /// Bounds the calls at once. An adaptive limit gives way to it.
    #[must_use]
    pub fn bulkhead(self, config: &BulkheadConfig) -> Self {
        self.with(|policy, door| {
            (policy.bulkhead, policy.adaptive) = (Some(Bulkhead::new(config, door)?), None);
            Ok(())
        })
    }

    /// Bounds the calls at once by how long they take. A bulkhead gives way to it.
    #[must_use]
    pub fn adaptive(self, limit: impl Limit + 'static, acquire_timeout: Duration) -> Self {
        self.with(|policy, door| {
            let limiter = AdaptiveLimiter::new(limit, acquire_timeout, door)?;
            (policy.adaptive, policy.bulkhead) = (Some(limiter), None);
            Ok(())
        })
    }

    /// The longest time that one attempt may take, from its permit on.
    #[must_use]
    pub fn timeout(self, limit: Duration) -> Self {
        self.with(|policy, door| {
            policy.timeout = Some(Timeout::new(limit, door)?);
            Ok(())
        })
    }

    /// All of it, or the first thing that cannot be.
    pub fn build(self) -> Result<CallPolicy, Invalid> {
        self.policy
    }
}
