//! Listeners: functions that are called with events, in their order, and never hold up what happens.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::Ordering;

use futures_util::FutureExt;
use longshore_core::{Event, EventName};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::Hub;

/// Events that a listener may leave waiting. What comes while so many wait is lost for it, and counted.
const WAITING_MAX: usize = 10_000;

/// A listener that was told of. It hears nothing more once this is dropped.
#[must_use = "a listener hears nothing once this is dropped"]
#[derive(Debug)]
pub struct Listener([JoinHandle<()>; 2]);

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

impl Hub {
    /// Calls `listener` with every event that `wanted` wants, one after the other, beside whatever happens. Up to 10 000 events
    /// wait for a slow one; what comes on top is lost for it and counted in [`Hub::lost`]. A panic is logged, counted in
    /// [`Hub::listener_panics`], and the next event comes all the same.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn listen<W, F, R>(&self, wanted: W, mut listener: F) -> Listener
    where
        W: Fn(EventName) -> bool + Send + 'static,
        F: FnMut(Event) -> R + Send + 'static,
        R: Future<Output = ()> + Send,
    {
        let (sender, mut waiting) = mpsc::channel::<Event>(WAITING_MAX);
        let (hub, mut events) = (self.clone(), self.subscribe());
        // Two tasks, so that a listener that blocks its thread misses nothing of what waits for it.
        let take = tokio::spawn(async move {
            while let Some(one) = events.next().await {
                if wanted(one.event.event) && sender.try_send(one.event).is_err() {
                    hub.0.lost.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        let hub = self.clone();
        let call = tokio::spawn(async move {
            while let Some(event) = waiting.recv().await {
                let name = event.event;
                // The call itself may panic as well as what it gave.
                let called = AssertUnwindSafe(async { listener(event).await }).catch_unwind().await;
                if called.is_err() {
                    hub.0.panics.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(event = name.as_str(), "a listener panicked");
                }
            }
        });
        Listener([take, call])
    }
}
