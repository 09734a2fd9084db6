//! The same parts around a tower service.
//!
//! Each waits inside the call, not in `poll_ready`: a service that is ready and never called holds nothing. The inner
//! service is asked whether it is ready once its turn has come.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

use crate::retry::{Judged, usual_verdict};
use crate::sync::{Mutex, lock};
use crate::{
    AdaptiveLimiter, AdaptivePermit, Admission, Advice, AttemptError, BoxError, Bulkhead, CallError,
    CallPolicy, CircuitBreaker, Fault, Hedge, OwnedPermit, RateLimiter, RetryPolicy, SemaphoreLimiter,
    Timeout, Verdict,
};

/// What a call has to pass before it is made, and what is told of its end.
pub trait Guard: Clone + Send + Sync + 'static {
    /// The right to make the call, given back when it is dropped.
    type Held: Send;
    /// Waits for it, or is refused.
    fn enter(&self) -> impl Future<Output = Result<Self::Held, BoxError>> + Send;
    /// The call has ended.
    fn leave(held: Self::Held, _verdict: Verdict) {
        drop(held);
    }
}

impl Guard for SemaphoreLimiter {
    type Held = OwnedPermit;
    async fn enter(&self) -> Result<OwnedPermit, BoxError> {
        Ok(self.acquire_owned().await?)
    }
}

impl Guard for Bulkhead {
    type Held = OwnedPermit;
    async fn enter(&self) -> Result<OwnedPermit, BoxError> {
        Ok(self.acquire_owned().await?)
    }
}

impl Guard for AdaptiveLimiter {
    type Held = AdaptivePermit;
    async fn enter(&self) -> Result<AdaptivePermit, BoxError> {
        Ok(self.acquire().await?)
    }
    fn leave(held: AdaptivePermit, verdict: Verdict) {
        held.end(verdict);
    }
}

impl Guard for CircuitBreaker {
    type Held = Admission;
    async fn enter(&self) -> Result<Admission, BoxError> {
        Ok(self.admit()?)
    }
    fn leave(held: Admission, verdict: Verdict) {
        held.end(verdict);
    }
}

impl Guard for Arc<RateLimiter> {
    type Held = ();
    async fn enter(&self) -> Result<(), BoxError> {
        Ok(self.acquire().await?)
    }
}

/// Puts a [`Guard`] around a service. An error of the service is a failure, unless it is a refusal or a deadline of
/// a part further inside, or [`Self::judged_by`] says otherwise. A breaker outside of limiters counts the wait for them as
/// slowness; in a [`PolicyLayer`] it does not.
#[derive(Clone, Debug)]
pub struct GuardLayer<G, V = ()> {
    guard: G,
    judge: V,
}

impl<G: Guard> GuardLayer<G> {
    /// Around every call.
    pub fn new(guard: G) -> Self {
        Self { guard, judge: () }
    }

    /// With a verdict of one's own: by an HTTP status, for example.
    pub fn judged_by<V>(self, judge: V) -> GuardLayer<G, V> {
        GuardLayer { guard: self.guard, judge }
    }
}

/// Says what the end of a call means.
pub trait Judge<T, E>: Clone + Send + Sync + 'static {
    /// The verdict.
    fn judge(&self, ended: &Result<T, E>) -> Verdict;
}

impl<T, E: 'static> Judge<T, E> for () {
    fn judge(&self, ended: &Result<T, E>) -> Verdict {
        match ended {
            Ok(_) => Verdict::Success,
            Err(error) => usual_verdict(error),
        }
    }
}

impl<T, E, F: Fn(&Result<T, E>) -> Verdict + Clone + Send + Sync + 'static> Judge<T, E> for F {
    fn judge(&self, ended: &Result<T, E>) -> Verdict {
        self(ended)
    }
}

impl<S, G: Clone, V: Clone> Layer<S> for GuardLayer<G, V> {
    type Service = Guarded<S, G, V>;
    fn layer(&self, inner: S) -> Self::Service {
        Guarded { inner, guard: self.guard.clone(), judge: self.judge.clone() }
    }
}

/// A service behind a [`Guard`].
#[derive(Clone, Debug)]
pub struct Guarded<S, G, V = ()> {
    inner: S,
    guard: G,
    judge: V,
}

type Answer<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

/// Calls a service once it is ready.
async fn call<S: Service<R>, R>(service: &mut S, request: R) -> Result<S::Response, S::Error> {
    std::future::poll_fn(|context| service.poll_ready(context)).await?;
    service.call(request).await
}

impl<S, G, V, R> Service<R> for Guarded<S, G, V>
where
    S: Service<R> + Clone + Send + 'static,
    S::Future: Send,
    S::Response: Send,
    S::Error: Into<BoxError> + Send,
    G: Guard,
    V: Judge<S::Response, S::Error>,
    R: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Answer<S::Response>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: R) -> Self::Future {
        let Self { mut inner, guard, judge } = self.clone();
        Box::pin(async move {
            let held = guard.enter().await?;
            let ended = call(&mut inner, request).await;
            G::leave(held, judge.judge(&ended));
            ended.map_err(Into::into)
        })
    }
}

/// Makes a layer and its service out of how a call is made.
macro_rules! layers {
    (
        $(#[$doc:meta])* $layer:ident, $service:ident, $part:ty,
        $(#[$new:meta])* new($($of:ident: $type:ty),+) $made:expr,
        [$($bound:tt)*], |$own:ident, $inner:ident, $request:ident| $call:expr
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $layer($part);

        impl $layer {
            $(#[$new])*
            pub fn new($($of: $type),+) -> Self {
                Self($made)
            }
        }

        impl<S> Layer<S> for $layer {
            type Service = $service<S>;
            fn layer(&self, inner: S) -> $service<S> {
                $service { inner, part: self.0.clone() }
            }
        }

        #[doc = concat!("A service behind a [`", stringify!($layer), "`].")]
        #[derive(Clone, Debug)]
        pub struct $service<S> {
            inner: S,
            part: $part,
        }

        impl<S, R> Service<R> for $service<S>
        where
            S: Service<R> + Clone + Send + 'static,
            S::Future: Send,
            S::Response: Send,
            S::Error: Into<BoxError> + Send,
            R: $($bound)* Send + 'static,
        {
            type Response = S::Response;
            type Error = BoxError;
            type Future = Answer<S::Response>;

            fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
                Poll::Ready(Ok(()))
            }

            fn call(&mut self, $request: R) -> Self::Future {
                let ($inner, $own) = (self.inner.clone(), self.part.clone());
                Box::pin(async move { $call })
            }
        }
    };
}

layers!(
    /// Drops calls that take too long.
    TimeoutLayer, Limited, Timeout,
    /// Around every call.
    new(timeout: Timeout) timeout,
    [], |timeout, inner, request| {
        let mut inner = inner;
        timeout.run(call(&mut inner, request)).await?.map_err(Into::into)
    }
);
layers!(
    /// Tries calls again that failed, by one budget. Its error is the last one; why there was no further attempt, the events
    /// and the figures of the policy tell.
    RetryLayer, Retried, (RetryPolicy, Arc<str>, fn(&BoxError) -> Advice),
    /// Around every call. `key` names the budget, such as a host; `advice` says which errors are worth another try:
    /// [`Fault::advice`] knows connections and time-outs.
    new(policy: RetryPolicy, key: &str, advice: fn(&BoxError) -> Advice) (policy, key.into(), advice),
    [Clone + Sync +], |part, inner, request| {
        let (policy, key, advice) = part;
        let again = move |_| {
            let (mut inner, request) = (inner.clone(), request.clone());
            async move { call(&mut inner, request).await.map_err(Into::into) }
        };
        let judge = |error: &BoxError| Judged::new(advice(error), error.is_local());
        let ended = policy.run(&key, judge, again, |_, _, _| {}).await.0;
        ended.map_err(crate::RetryError::into_last)
    }
);
layers!(
    /// Sends another copy of calls that take long. Only for calls that may happen twice.
    HedgeLayer, Hedged, Hedge,
    /// Around every call.
    new(hedge: Hedge) hedge,
    [Clone + Sync +], |hedge, inner, request| {
        let copy = move |_| {
            let (mut inner, request) = (inner.clone(), request.clone());
            async move { call(&mut inner, request).await.map_err(Into::into) }
        };
        hedge.run_with(BoxError::is_local, copy).await
    }
);
layers!(
    /// Makes calls by a whole [`CallPolicy`]. Its errors are those of its parts, or the last one of the service; do not put it
    /// inside of further retries, which would take that for the first.
    PolicyLayer, Governed, (CallPolicy, Arc<str>, fn(&BoxError) -> Advice),
    /// Around every call. `key` names the budget for retries, such as a host; `advice` says which errors are worth another
    /// try: [`Fault::advice`] knows connections and time-outs.
    new(policy: CallPolicy, key: &str, advice: fn(&BoxError) -> Advice) (policy, key.into(), advice),
    [Clone +], |part, inner, request| {
        let (policy, key, advice) = part;
        // A policy shares what it calls among copies; services are often for one thread at a time.
        let made = Mutex::new((inner, request));
        let again = move || {
            let (mut inner, request) = lock(&made).clone();
            async move { call(&mut inner, request).await.map_err(|error| Answered { error: error.into(), advice }) }
        };
        policy.call(&key, again).await.map_err(Into::into)
    }
);

/// An error of a service, and who knows whether it is worth another try.
struct Answered {
    error: BoxError,
    advice: fn(&BoxError) -> Advice,
}

impl fmt::Display for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl Fault for Answered {
    fn advice(&self) -> Advice {
        (self.advice)(&self.error)
    }

    fn is_local(&self) -> bool {
        self.error.is_local()
    }

    fn is_unsent(&self) -> bool {
        self.error.is_unsent()
    }

    fn verdict(&self) -> Verdict {
        self.error.verdict()
    }
}

impl From<CallError<Answered>> for BoxError {
    fn from(error: CallError<Answered>) -> Self {
        let last = match error {
            CallError::Deadline(late) => return late.into(),
            CallError::Attempt(last) => last,
            CallError::Exhausted(error) => error.last,
            CallError::Budget(error) => error.last,
        };
        match last {
            AttemptError::Open(error) => error.into(),
            AttemptError::Rate(error) => error.into(),
            AttemptError::Bulkhead(error) => error.into(),
            AttemptError::Permit(error) => error.into(),
            AttemptError::Timeout(error) => error.into(),
            AttemptError::Failed(answered) => answered.error,
        }
    }
}
