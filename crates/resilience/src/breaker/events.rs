//! What a breaker tells, and to whom.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use longshore_core::Invalid;
use serde::Serialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, broadcast};

use super::state::Change;
use super::{CircuitBreakerError, CircuitState, Verdict};

/// Listeners of one breaker.
const LISTENERS_MAX: usize = 16;
/// Events that a subscriber may be behind.
const BEHIND_MAX: usize = 256;

/// Why a state changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// Too many failures.
    FailureThresholdExceeded,
    /// Too large a share of failures.
    ErrorRateExceeded,
    /// Too large a share of slow calls.
    SlowCallRateExceeded,
    /// It was open for long enough.
    TimeoutElapsed,
    /// The probes say that it works.
    HalfOpenSuccess,
    /// The probes say that it does not.
    HalfOpenFailure,
    /// Somebody has closed it by hand.
    ManualReset,
}

impl Trigger {
    /// As on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FailureThresholdExceeded => "failure_threshold_exceeded",
            Self::ErrorRateExceeded => "error_rate_exceeded",
            Self::SlowCallRateExceeded => "slow_call_rate_exceeded",
            Self::TimeoutElapsed => "timeout_elapsed",
            Self::HalfOpenSuccess => "half_open_success",
            Self::HalfOpenFailure => "half_open_failure",
            Self::ManualReset => "manual_reset",
        }
    }
}

/// Something that happened to a breaker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CircuitEvent {
    /// Its state changed.
    Changed {
        /// The state before.
        from: CircuitState,
        /// The state now.
        to: CircuitState,
        /// Why.
        trigger: Trigger,
    },
    /// A call was not let through.
    Rejected {
        /// What its caller was told.
        error: CircuitBreakerError,
    },
    /// A call ended.
    Ended {
        /// What it says.
        verdict: Verdict,
        /// How long it took.
        latency: Duration,
    },
}

type Listener = Arc<dyn Fn(&CircuitEvent) + Send + Sync>;

/// The listeners and subscribers of a breaker.
pub(super) struct Bell {
    listeners: RwLock<Arc<[Listener]>>,
    /// Listeners and subscribers, so that a call that nobody watches costs one look.
    heard: Arc<AtomicUsize>,
    sender: broadcast::Sender<CircuitEvent>,
    ringing: AtomicUsize,
    quiet: Notify,
    panics: AtomicU64,
}

impl Default for Bell {
    fn default() -> Self {
        Self {
            listeners: RwLock::new(Arc::new([])),
            heard: Arc::default(),
            sender: broadcast::Sender::new(BEHIND_MAX),
            ringing: AtomicUsize::new(0),
            quiet: Notify::new(),
            panics: AtomicU64::new(0),
        }
    }
}

impl Bell {
    pub(super) fn listen(&self, listener: Listener) -> Result<(), Invalid> {
        let mut listeners = self.listeners.write().unwrap_or_else(PoisonError::into_inner);
        if listeners.len() >= LISTENERS_MAX {
            return Err(Invalid::new("listener", format!("at most {LISTENERS_MAX} listeners"), "one more"));
        }
        *listeners = listeners.iter().cloned().chain([listener]).collect();
        self.heard.fetch_add(1, Ordering::Release);
        Ok(())
    }

    pub(super) fn subscribe(&self) -> CircuitEvents {
        self.heard.fetch_add(1, Ordering::Release);
        CircuitEvents { events: self.sender.subscribe(), heard: self.heard.clone() }
    }

    pub(super) fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    /// Tells everybody. Called outside of all locks.
    pub(super) fn ring(&self, event: impl FnOnce() -> CircuitEvent) {
        if self.heard.load(Ordering::Acquire) == 0 {
            return;
        }
        let event = event();
        self.ringing.fetch_add(1, Ordering::AcqRel);
        let listeners = self.listeners.read().unwrap_or_else(PoisonError::into_inner).clone();
        for listener in &*listeners {
            if catch_unwind(AssertUnwindSafe(|| listener(&event))).is_err() {
                self.panics.fetch_add(1, Ordering::Relaxed);
            }
        }
        if self.ringing.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.quiet.notify_waiters();
        }
        // Fails if there are only listeners.
        let _ = self.sender.send(event);
    }

    pub(super) async fn quiet(&self) {
        loop {
            let quiet = self.quiet.notified();
            if self.ringing.load(Ordering::Acquire) == 0 {
                return;
            }
            quiet.await;
        }
    }
}

/// What happens to a breaker. Events of two threads may come the other way round; the state is what the breaker says.
pub struct CircuitEvents {
    events: broadcast::Receiver<CircuitEvent>,
    heard: Arc<AtomicUsize>,
}

impl Drop for CircuitEvents {
    fn drop(&mut self) {
        self.heard.fetch_sub(1, Ordering::Release);
    }
}

impl CircuitEvents {
    /// The next event, or how many were missed because this reader is too slow; none once the breaker is gone.
    pub async fn next(&mut self) -> Option<Result<CircuitEvent, u64>> {
        match self.events.recv().await {
            Ok(event) => Some(Ok(event)),
            Err(RecvError::Lagged(missed)) => Some(Err(missed)),
            Err(RecvError::Closed) => None,
        }
    }
}

/// One line for each change of state.
pub(super) fn log(name: &str, change: &Change) {
    macro_rules! line {
        ($level:expr) => {
            tracing::event!(
                $level,
                event = "circuit_breaker_state_change",
                name,
                from_state = change.from.as_str(),
                to_state = change.to.as_str(),
                trigger = change.trigger.as_str(),
                failure_count = change.counts.failures,
                success_count = change.counts.total - change.counts.failures,
                request_count = change.counts.total,
                "circuit {name} went from {} to {}",
                change.from,
                change.to
            )
        };
    }
    if change.trigger == Trigger::HalfOpenFailure {
        line!(tracing::Level::WARN);
    } else {
        line!(tracing::Level::INFO);
    }
}
