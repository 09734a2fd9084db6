//! What a part tells of itself, and to whom.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use longshore_core::Invalid;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, broadcast};

use crate::panics::drop_quietly;

/// Listeners of one part.
const LISTENERS_MAX: usize = 16;
/// Events that a subscriber may be behind.
const BEHIND_MAX: usize = 256;

type Listener<E> = Arc<dyn Fn(&E) + Send + Sync>;

/// The listeners and subscribers of a part.
pub(crate) struct Audience<E> {
    listeners: RwLock<Arc<[Listener<E>]>>,
    /// Listeners and subscribers, so that a call that nobody watches costs one look.
    heard: Arc<AtomicUsize>,
    /// Made for the first subscriber, because it holds room for what one may be behind.
    sender: OnceLock<broadcast::Sender<E>>,
    telling: AtomicUsize,
    quiet: Notify,
    panics: AtomicU64,
}

impl<E> Default for Audience<E> {
    fn default() -> Self {
        Self {
            listeners: RwLock::new(Arc::new([])),
            heard: Arc::default(),
            sender: OnceLock::new(),
            telling: AtomicUsize::new(0),
            quiet: Notify::new(),
            panics: AtomicU64::new(0),
        }
    }
}

impl<E: Clone> Audience<E> {
    pub(crate) fn listen(&self, listener: Listener<E>) -> Result<(), Invalid> {
        let mut listeners = self.listeners.write().unwrap_or_else(PoisonError::into_inner);
        if listeners.len() >= LISTENERS_MAX {
            return Err(Invalid::new("listener", format!("at most {LISTENERS_MAX} listeners"), "one more"));
        }
        *listeners = listeners.iter().cloned().chain([listener]).collect();
        self.heard.fetch_add(1, Ordering::Release);
        Ok(())
    }

    pub(crate) fn subscribe(&self) -> Events<E> {
        let sender = self.sender.get_or_init(|| broadcast::Sender::new(BEHIND_MAX));
        let events = sender.subscribe();
        self.heard.fetch_add(1, Ordering::Release);
        Events { events, heard: self.heard.clone() }
    }

    pub(crate) fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    /// Whether anybody listens.
    pub(crate) fn is_heard(&self) -> bool {
        self.heard.load(Ordering::Acquire) > 0
    }

    /// Tells everybody. Called outside of all locks.
    pub(crate) fn tell(&self, event: impl FnOnce() -> E) {
        if self.is_heard() {
            self.tell_all(event());
        }
    }

    #[cold]
    fn tell_all(&self, event: E) {
        self.telling.fetch_add(1, Ordering::AcqRel);
        let listeners = self.listeners.read().unwrap_or_else(PoisonError::into_inner).clone();
        for listener in &*listeners {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| listener(&event))) {
                drop_quietly(panic);
                self.panics.fetch_add(1, Ordering::Relaxed);
            }
        }
        if self.telling.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.quiet.notify_waiters();
        }
        if let Some(sender) = self.sender.get() {
            // Fails if all subscribers are gone.
            let _ = sender.send(event);
        }
    }

    pub(crate) async fn quiet(&self) {
        loop {
            let quiet = self.quiet.notified();
            if self.telling.load(Ordering::Acquire) == 0 {
                return;
            }
            quiet.await;
        }
    }
}

/// What happens to a part. Events of two threads may come the other way round.
pub struct Events<E> {
    events: broadcast::Receiver<E>,
    heard: Arc<AtomicUsize>,
}

impl<E> Drop for Events<E> {
    fn drop(&mut self) {
        self.heard.fetch_sub(1, Ordering::Release);
    }
}

impl<E: Clone> Events<E> {
    /// The next event, or how many were missed because this reader is too slow; none once the part is gone.
    pub async fn next(&mut self) -> Option<Result<E, u64>> {
        match self.events.recv().await {
            Ok(event) => Some(Ok(event)),
            Err(RecvError::Lagged(missed)) => Some(Err(missed)),
            Err(RecvError::Closed) => None,
        }
    }
}

/// How one hears of a part, as its methods.
macro_rules! heard {
    ($event:ty, $($audience:tt)+) => {
        /// Calls `listener` with each event, outside of all locks. At most sixteen.
        pub fn listen(
            &self,
            listener: impl Fn(&$event) + Send + Sync + 'static,
        ) -> Result<(), longshore_core::Invalid> {
            self.$($audience)+.listen(std::sync::Arc::new(listener))
        }

        /// The events from now on. Who reads too slowly misses the oldest events, and is told how many.
        pub fn subscribe(&self) -> crate::Events<$event> {
            self.$($audience)+.subscribe()
        }

        /// Listeners that panicked, once for each event.
        pub fn callback_panics(&self) -> u64 {
            self.$($audience)+.panics()
        }
    };
}
pub(crate) use heard;
