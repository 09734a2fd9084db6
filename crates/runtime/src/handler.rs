use std::collections::HashMap;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use longshore_core::{Backoff, Invalid, Json, KindName};

use crate::attempt::Running;
use crate::extract::{Attempt, Extract, ExtractError};
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
#[derive(Clone, Debug)]
pub struct KindOptions {
    /// How long a cancelled handler may take to clean up before it is dropped.
    pub cancel_grace: Duration,
    /// The wait before each further try of jobs that ask for no wait of their own; none is the usual one.
    pub backoff: Option<Backoff>,
}

impl Default for KindOptions {
    fn default() -> Self {
        Self { cancel_grace: Duration::from_secs(2), backoff: None }
    }
}

pub(crate) struct Registered {
    pub(crate) callable: Box<dyn Callable>,
    pub(crate) options: KindOptions,
}

/// Handlers by the kind of job they do, and what is around all of them.
#[derive(Clone, Default)]
pub struct Handlers {
    by_kind: HashMap<KindName, Arc<Registered>>,
    layers: Vec<Layer>,
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
        options: KindOptions,
        handler: impl Handler<P>,
    ) -> Result<(), Invalid> {
        options.backoff.as_ref().map_or(Ok(()), Backoff::check)?;
        let callable = Box::new(Typed(handler, PhantomData));
        self.by_kind.insert(KindName::new(kind)?, Arc::new(Registered { callable, options }));
        Ok(())
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
        self.layers.extend(other.layers);
    }

    /// The longest grace that any kind has.
    pub(crate) fn grace_max(&self) -> Duration {
        self.by_kind.values().map(|registered| registered.options.cancel_grace).max().unwrap_or_default()
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
