//! Layers around handlers: what all of them share, such as timing, tracing or a check before the work.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use longshore_core::Json;

use crate::attempt::Running;
use crate::extract::{Attempt, Extract, ExtractError};
use crate::handler::{Called, Registered};
use crate::outcome::Outcome;

/// What a handler gives back, as layers see it.
pub type Returned = Result<Option<Json>, Outcome>;

type Going = Pin<Box<dyn Future<Output = Returned> + Send>>;

/// An async function around every handler of a worker: it is told of the attempt, calls [`Next::run`] or does not, and
/// gives back what that gave or something else.
pub(crate) type Layer = Arc<dyn Fn(Attempt, Next) -> Going + Send + Sync>;

pub(crate) fn layer<F, Fut>(around: F) -> Layer
where
    F: Fn(Attempt, Next) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Returned> + Send + 'static,
{
    Arc::new(move |attempt, next| Box::pin(around(attempt, next)))
}

/// The rest of the way to the handler.
#[must_use = "the handler is not called unless it is run"]
pub struct Next {
    running: Arc<Running>,
    registered: Arc<Registered>,
    layers: Arc<[Layer]>,
    passed: usize,
    not_called: Arc<Mutex<Option<ExtractError>>>,
}

impl Next {
    /// Calls the next layer, or the handler.
    pub async fn run(mut self) -> Returned {
        if let Some(layer) = self.layers.get(self.passed).cloned() {
            self.passed += 1;
            let attempt =
                Attempt::extract(&self.running).map_err(|error| Outcome::fail(error.to_string()))?;
            return layer(attempt, self).await;
        }
        match self.registered.callable.call(self.running.clone()).await {
            Called::Returned(returned) => returned,
            Called::NotCalled(error) => {
                let text = error.to_string();
                *self.not_called.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                Err(Outcome::fail(&text))
            }
        }
    }
}

/// Calls a handler through its layers.
pub(crate) async fn call(running: Arc<Running>, registered: Arc<Registered>, layers: Arc<[Layer]>) -> Called {
    let not_called = Arc::new(Mutex::new(None));
    let next = Next { running, registered, layers, passed: 0, not_called: not_called.clone() };
    let returned = next.run().await;
    // Whatever the layers made of it: a handler that could not be called has not failed by its own doing.
    match not_called.lock().unwrap_or_else(PoisonError::into_inner).take() {
        Some(error) => Called::NotCalled(error),
        None => Called::Returned(returned),
    }
}
