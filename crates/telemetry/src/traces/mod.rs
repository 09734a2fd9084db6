//! What one request causes, over all processes: the header `traceparent` of W3C Trace Context, and the spans that a
//! collector gets.
//!
//! A job carries the `traceparent` of whoever enqueued it, so its handler goes on with the same trace, and so do the jobs that
//! it enqueues and the calls it makes with [`current`] as their header. That works without a collector as well.

#[cfg(feature = "otlp")]
mod otlp;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[cfg(feature = "otlp")]
use tracing::Instrument;
use tracing::Span;

#[cfg(feature = "otlp")]
pub use otlp::{OtlpConfig, Traces};

/// Whether a text is a `traceparent` that can be gone on with.
pub use longshore_core::is_traceparent;

/// The target of spans that are for collectors and not for logs.
pub const TARGET: &str = "longshore::trace";

/// Whether spans go to a collector.
static IS_ON: AtomicBool = AtomicBool::new(false);

tokio::task_local! {
    /// What goes on where no spans are made.
    static PARENT: Arc<str>;
}

/// Whether spans go to a collector. Where not, nobody need make them.
pub fn is_on() -> bool {
    IS_ON.load(Ordering::Relaxed)
}

/// The `traceparent` of what is being done now: for jobs that are enqueued and calls that are made.
pub fn current() -> Option<Arc<str>> {
    #[cfg(feature = "otlp")]
    if is_on()
        && let Some(own) = otlp::of_span(&Span::current())
    {
        return Some(own);
    }
    PARENT.try_with(Clone::clone).ok()
}

/// Does something as a part of the trace of `parent`: in the span, if spans go to a collector, and otherwise so that
/// [`current`] gives what came in.
pub async fn within<T>(
    parent: Option<&Arc<str>>,
    span: impl FnOnce() -> Span,
    work: impl Future<Output = T>,
) -> T {
    let work = pin!(work);
    #[cfg(feature = "otlp")]
    if is_on() {
        let span = span();
        if let Some(parent) = parent {
            otlp::follow(&span, parent);
        }
        let work = work.instrument(span);
        // A subscriber that is not ours may make no spans.
        return match parent {
            Some(parent) => PARENT.scope(parent.clone(), work).await,
            None => work.await,
        };
    }
    #[cfg(not(feature = "otlp"))]
    drop(span);
    match parent {
        Some(parent) => PARENT.scope(parent.clone(), work).await,
        None => work.await,
    }
}

/// The trace of what is being done, to go on with on a thread of its own.
pub struct Carried {
    span: Span,
    parent: Option<Arc<str>>,
}

impl Carried {
    /// The one of now.
    pub fn now() -> Self {
        Self { span: Span::current(), parent: PARENT.try_with(Clone::clone).ok() }
    }

    /// Does something as a part of it.
    pub fn within<T>(self, work: impl FnOnce() -> T) -> T {
        self.span.in_scope(|| match self.parent {
            Some(parent) => PARENT.sync_scope(parent, work),
            None => work(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_came_in_goes_on_without_a_collector() {
        assert_eq!(current(), None);
        let parent: Arc<str> = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into();
        let seen = within(Some(&parent), Span::none, async { current() }).await;
        assert_eq!(seen, Some(parent));
    }
}
