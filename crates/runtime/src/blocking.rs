//! Handlers that block: plain functions, each call on a thread that may wait.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use longshore_core::Json;
use longshore_telemetry::traces;

use crate::attempt::Running;
use crate::extract::{Extract, ExtractError};
use crate::handler::Handler;
use crate::outcome::{IntoResult, Outcome};

/// Calls that go on although nobody waits for them any more.
static OVERDUE: AtomicUsize = AtomicUsize::new(0);

/// A plain function as a handler. Each call gets a thread of the runtime's blocking pool, which is started when it is
/// needed. A function cannot be stopped from outside: when its attempt is over before it returns, by timeout or
/// cancellation, it runs out and counts as overdue meanwhile, and what it returns is dropped. Long ones take [`Cancel`]
/// and look at it.
///
/// [`Cancel`]: crate::Cancel
pub fn blocking<F>(function: F) -> Blocking<F> {
    Blocking(function)
}

/// Calls of blocking handlers in this process whose attempts are over.
pub fn overdue_threads() -> usize {
    OVERDUE.load(Ordering::Relaxed)
}

/// See [`blocking`].
#[derive(Clone, Debug)]
pub struct Blocking<F>(F);

const CALLED: u8 = 0;
const NOT_WAITED_FOR: u8 = 1;
const RETURNED: u8 = 2;

/// Held by whoever waits for a call.
struct Waits(Arc<AtomicU8>);

/// Held by the call itself.
struct Call(Arc<AtomicU8>);

impl Drop for Waits {
    fn drop(&mut self) {
        if self.0.compare_exchange(CALLED, NOT_WAITED_FOR, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            OVERDUE.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if self.0.swap(RETURNED, Ordering::AcqRel) == NOT_WAITED_FOR {
            OVERDUE.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

macro_rules! blocking_handlers {
    ($($parameter:ident)*) => {
        impl<F, Out, $($parameter,)*> Handler<($($parameter,)*)> for Blocking<F>
        where
            F: Fn($($parameter),*) -> Out + Clone + Send + Sync + 'static,
            Out: IntoResult + Send + 'static,
            $($parameter: Extract + Send + 'static,)*
        {
            #[allow(non_snake_case, unused_variables, clippy::allow_attributes, reason = "made for every number of parameters")]
            async fn call(&self, running: Arc<Running>) -> Result<Result<Option<Json>, Outcome>, ExtractError> {
                $(let $parameter = $parameter::extract(&running)?;)*
                let function = self.0.clone();
                Ok(on_a_thread(move || function($($parameter),*).into_result()).await)
            }
        }
    };
}

blocking_handlers!();
blocking_handlers!(A);
blocking_handlers!(A B);
blocking_handlers!(A B C);
blocking_handlers!(A B C D);
blocking_handlers!(A B C D E);
blocking_handlers!(A B C D E G);

async fn on_a_thread<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> T {
    let waits = Waits(Arc::new(AtomicU8::new(CALLED)));
    let running = Call(waits.0.clone());
    let trace = traces::Carried::now();
    let called = tokio::task::spawn_blocking(move || {
        let _running = running;
        trace.within(call)
    });
    match called.await {
        Ok(out) => out,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // The runtime goes, and takes whoever would wait for the answer along.
            Err(_) => std::future::pending().await,
        },
    }
}
