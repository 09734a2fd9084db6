use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use longshore_core::limits::{CANCEL_GRACE, RESULT_BYTES_USUAL};
use longshore_core::{Backoff, Invalid, Json, KindName};

use crate::attempt::Running;
use crate::engine::Engine;
use crate::extract::{Attempt, Extract, ExtractError};
use crate::guard::{Guard, KindGuard};
use crate::layer::{self, Layer, Next, Returned};
use crate::outcome::{IntoResult, Outcome};

/// What a call of a handler gives in the end.
pub(crate) enum Called {
    /// It ran.
    Returned(Result<Option<Json>, Outcome>),
    /// It could not be called.
    NotCalled(ExtractError),
}

pub(crate) type Call = Pin<Box<dyn Future<Output = Called> + Send>>;

/// An async function that does one kind of job. Its parameters say what it needs ([`Extract`]), up to six of them.
///
/// Implemented for every such function; nobody implements it by hand.
pub trait Handler<Parameters>: Clone + Send + Sync + 'static {
    /// Calls the function with what it asks for.
    #[doc(hidden)]
    fn call(
        &self,
        running: Arc<Running>,
    ) -> impl Future<Output = Result<Result<Option<Json>, Outcome>, ExtractError>> + Send;
}

macro_rules! handlers {
    ($($parameter:ident)*) => {
        impl<F, Fut, Out, $($parameter,)*> Handler<($($parameter,)*)> for F
        where
            F: Fn($($parameter),*) -> Fut + Clone + Send + Sync + 'static,
            Fut: Future<Output = Out> + Send,
            Out: IntoResult + Send,
            $($parameter: Extract + 'static,)*
        {
            #[allow(non_snake_case, unused_variables, clippy::allow_attributes, reason = "made for every number of parameters")]
            async fn call(&self, running: Arc<Running>) -> Result<Result<Option<Json>, Outcome>, ExtractError> {
                $(let $parameter = $parameter::extract(&running)?;)*
                Ok((self)($($parameter),*).await.into_result())
            }
        }
    };
}

handlers!();
handlers!(A);
handlers!(A B);
handlers!(A B C);
handlers!(A B C D);
handlers!(A B C D E);
handlers!(A B C D E G);

pub(crate) trait Callable: Send + Sync {
    fn call(&self, running: Arc<Running>) -> Call;
}

struct Typed<H, P>(H, PhantomData<fn() -> P>);

impl<H: Handler<P>, P: 'static> Callable for Typed<H, P> {
    fn call(&self, running: Arc<Running>) -> Call {
        let handler = self.0.clone();
        Box::pin(async move {
            match handler.call(running).await {
                Ok(returned) => Called::Returned(returned),
                Err(error) => Called::NotCalled(error),
            }
        })
    }
}

/// How the jobs of one kind are run.
#[derive(Clone, Debug, Default)]
pub struct KindOptions {
    /// How long a handler that was told to stop may take to clean up before it is dropped; none is what its worker says.
    pub cancel_grace: Option<Duration>,
    /// The wait before each further try of jobs that ask for no wait of their own; none is the usual one.
    pub backoff: Option<KindBackoff>,
    /// What its jobs have to pass before the handler is called.
    pub guard: Option<KindGuard>,
}

/// The backoff of a kind. A function cannot be stored, so only whoever registers the kind may give one.
#[derive(Clone)]
pub enum KindBackoff {
    /// As jobs ask for it.
    Plain(Backoff),
    /// Computed from the number of the attempt that failed, 1 for the first. No wait is longer than an hour.
    Function(Arc<dyn Fn(u32) -> Duration + Send + Sync>),
}

impl From<Backoff> for KindBackoff {
    fn from(backoff: Backoff) -> Self {
        Self::Plain(backoff)
    }
}

impl fmt::Debug for KindBackoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(backoff) => backoff.fmt(f),
            Self::Function(_) => f.write_str("a function"),
        }
    }
}

/// No computed wait is longer.
const FUNCTION_MAX: Duration = Duration::from_secs(3_600);

impl KindBackoff {
    /// By a function of the number of the attempt that failed.
    pub fn function(wait: impl Fn(u32) -> Duration + Send + Sync + 'static) -> Self {
        Self::Function(Arc::new(wait))
    }

    fn check(&self) -> Result<(), Invalid> {
        if let Self::Plain(backoff) = self { backoff.check() } else { Ok(()) }
    }

    /// The wait after an attempt; `chance` is from 0 to 1. A function that panics leaves the usual wait.
    pub(crate) fn delay(&self, attempt: u32, chance: f64) -> Duration {
        match self {
            Self::Plain(backoff) => backoff.delay(attempt, chance),
            Self::Function(wait) => {
                let waited = catch_unwind(AssertUnwindSafe(|| wait(attempt)));
                waited.map_or_else(
                    |_| {
                        tracing::error!(attempt, "the backoff of a kind panicked");
                        Backoff::default().delay(attempt, chance)
                    },
                    |wait| wait.min(FUNCTION_MAX),
                )
            }
        }
    }
}

pub(crate) struct Registered {
    pub(crate) callable: Box<dyn Callable>,
    pub(crate) options: KindOptions,
}

/// Handlers by the kind of job they do, and what is around all of them.
#[derive(Clone)]
pub struct Handlers {
    by_kind: HashMap<KindName, Arc<Registered>>,
    guarded: HashMap<KindName, KindGuard>,
    guards: HashMap<KindName, Arc<Guard>>,
    layers: Vec<Layer>,
    cancel_grace: Duration,
    result_bytes_max: usize,
}

impl Default for Handlers {
    fn default() -> Self {
        Self {
            by_kind: HashMap::new(),
            guarded: HashMap::new(),
            guards: HashMap::new(),
            layers: Vec::new(),
            cancel_grace: CANCEL_GRACE,
            result_bytes_max: RESULT_BYTES_USUAL,
        }
    }
}

impl Handlers {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the handler of a kind; a second one for the same kind replaces the first.
    pub fn add<P: 'static>(&mut self, kind: &str, handler: impl Handler<P>) -> Result<(), Invalid> {
        self.add_with(kind, KindOptions::default(), handler)
    }

    /// Adds the handler of a kind with options.
    pub fn add_with<P: 'static>(
        &mut self,
        kind: &str,
        mut options: KindOptions,
        handler: impl Handler<P>,
    ) -> Result<(), Invalid> {
        options.backoff.as_ref().map_or(Ok(()), KindBackoff::check)?;
        let callable = Box::new(Typed(handler, PhantomData));
        let kind = KindName::new(kind)?;
        if let Some(guard) = options.guard.take() {
            self.guard(kind.as_str(), guard)?;
        }
        self.by_kind.insert(kind, Arc::new(Registered { callable, options }));
        Ok(())
    }

    /// Puts a guard before the handler of a kind, in the place of one that is there. Refuses what its parts refuse.
    pub fn guard(&mut self, kind: &str, guard: KindGuard) -> Result<(), Invalid> {
        let kind = KindName::new(kind)?;
        guard.check(&kind)?;
        self.guarded.insert(kind, guard);
        Ok(())
    }

    /// Makes the guards, or takes those that the process has.
    pub(crate) fn arm(&mut self, engine: &Engine) -> Result<(), Invalid> {
        // What it has itself is not another worker's.
        self.guards.clear();
        for (kind, guard) in &self.guarded {
            if !self.by_kind.contains_key(kind) {
                let known: Vec<String> = self.kinds().iter().map(ToString::to_string).collect();
                let expected = format!("one of the kinds that have a handler here: {}", known.join(", "));
                return Err(Invalid::new("kinds", expected, kind));
            }
            let guard = engine.shared.guards.of(kind, guard, engine.door(), engine.parts())?;
            self.guards.insert(kind.clone(), guard);
        }
        Ok(())
    }

    /// What stands before the handler of a kind.
    pub(crate) fn guard_of(&self, kind: &KindName) -> Option<&Guard> {
        // Most programs have none, and pay nothing.
        (!self.guards.is_empty()).then(|| self.guards.get(kind)).flatten().map(|guard| &**guard)
    }

    /// The kinds that have a handler, sorted.
    pub fn kinds(&self) -> Vec<KindName> {
        let mut kinds: Vec<KindName> = self.by_kind.keys().cloned().collect();
        kinds.sort_unstable();
        kinds
    }

    /// Puts an async function around every handler, inside those that were put before.
    pub fn layer<F, Fut>(&mut self, around: F)
    where
        F: Fn(Attempt, Next) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Returned> + Send + 'static,
    {
        self.layers.push(layer::layer(around));
    }

    /// Calls a handler, through the layers if there are any.
    pub(crate) fn call(&self, running: Arc<Running>, registered: &Arc<Registered>) -> Call {
        if self.layers.is_empty() {
            return registered.callable.call(running);
        }
        Box::pin(layer::call(running, registered.clone(), self.layers.as_slice().into()))
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.by_kind.extend(other.by_kind);
        self.guarded.extend(other.guarded);
        self.layers.extend(other.layers);
    }

    /// What the worker says where their kinds say nothing.
    pub(crate) fn are_limited_to(&mut self, cancel_grace: Duration, result_bytes_max: usize) {
        (self.cancel_grace, self.result_bytes_max) = (cancel_grace, result_bytes_max);
    }

    /// Largest result, in bytes.
    pub(crate) fn result_bytes_max(&self) -> usize {
        self.result_bytes_max
    }

    /// How long a handler of a kind may take to clean up.
    pub(crate) fn grace(&self, kind: &KindName) -> Duration {
        self.get(kind).map_or(Duration::ZERO, |kind| kind.options.cancel_grace.unwrap_or(self.cancel_grace))
    }

    /// The longest grace that any kind has.
    pub(crate) fn grace_max(&self) -> Duration {
        self.by_kind.keys().map(|kind| self.grace(kind)).max().unwrap_or_default()
    }

    pub(crate) fn get(&self, kind: &KindName) -> Option<&Arc<Registered>> {
        self.by_kind.get(kind)
    }
}

/// Parameters that begin with the args of a [`Job`](crate::Job), and so name the kind.
pub trait Kinded {
    /// The kind.
    const KIND: &'static str;
}

macro_rules! kinded {
    ($($parameter:ident)*) => {
        impl<J: crate::Job, $($parameter,)*> Kinded for (crate::extract::Args<J>, $($parameter,)*) {
            const KIND: &'static str = J::KIND;
        }
    };
}

kinded!();
kinded!(B);
kinded!(B C);
kinded!(B C D);
kinded!(B C D E);
kinded!(B C D E G);
