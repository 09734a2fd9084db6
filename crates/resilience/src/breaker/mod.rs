//! Stops calling what fails, for a while, and then finds out with few calls whether it works again.

mod config;
mod events;
mod registry;
mod state;
mod stripes;
mod window;

use std::borrow::Borrow;
use std::sync::Arc;
use std::time::Duration;

use longshore_clock::{Clock, Door, Timestamp};
use longshore_core::Invalid;
use serde::Serialize;

pub use self::config::{CircuitBreakerConfig, HalfOpenRule};
pub use self::events::{CircuitEvent, Trigger};
pub use self::registry::CircuitBreakers;
pub use self::state::CircuitState;
pub use self::window::{CircuitCounts, CircuitWindow};

use self::state::{Change, Machine};
use self::stripes::Stripes;
use crate::events::{Audience, heard};
use crate::retry::{Fault, usual_verdict};
use crate::sync::{AtomicU64, Mutex, MutexGuard, Ordering, lock};

/// What the end of a call says about what was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It works.
    Success,
    /// It does not.
    Failure,
    /// Nothing: we refused by ourselves, the caller went away, or the request was wrong.
    Ignored,
}

impl Verdict {
    /// What an end says, by its error if it has one.
    pub fn of<T, E: Fault>(ended: &Result<T, E>) -> Self {
        ended.as_ref().err().map_or(Self::Success, Fault::verdict)
    }

    /// By an HTTP status: 408, 425, 429 and all of 500 and above are failures, other errors of the client say nothing.
    pub fn of_status(status: u16) -> Self {
        match status {
            408 | 425 | 429 | 500.. => Self::Failure,
            400..500 => Self::Ignored,
            _ => Self::Success,
        }
    }
}

/// The breaker let nobody through. A refusal of ours: nothing was called.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("circuit {name} is {state}: not called; it may be tried again in {}s", .retry_after.as_secs_f64())]
pub struct CircuitBreakerError {
    /// Which breaker.
    pub name: Arc<str>,
    /// Its state: open, or half-open with all probes out.
    pub state: CircuitState,
    /// When another try is worth it: once it is half-open; zero if it is, and its probes are out.
    pub retry_after: Duration,
}

/// Why a call through a breaker gave no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CircuitCallError<E> {
    /// It was not made.
    #[error(transparent)]
    Refused(CircuitBreakerError),
    /// It was made and failed.
    #[error(transparent)]
    Failed(E),
}

/// What a breaker has seen. Counts are of all time, but for `window`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CircuitBreakerMetrics {
    /// Its name.
    pub name: Arc<str>,
    /// Its state.
    pub state: CircuitState,
    /// Calls that failed.
    pub failure_count: u64,
    /// Calls that succeeded.
    pub success_count: u64,
    /// Calls that succeeded or failed.
    pub request_count: u64,
    /// Of these, the slow ones.
    pub slow_count: u64,
    /// Calls that said nothing.
    pub ignored_count: u64,
    /// Calls that were not made. They are in no other count.
    pub total_rejected: u64,
    /// When a call failed last.
    pub last_failure_timestamp: Option<Timestamp>,
    /// When the state changed last, in seconds of a clock that only goes forward.
    pub last_state_change: f64,
    /// How long until it lets a probe through, in seconds; none unless it is open.
    pub next_probe_in: Option<f64>,
    /// What counts now.
    pub window: CircuitCounts,
    /// Callbacks that panicked.
    pub callback_panics: u64,
}

/// Stands between callers and something that may break. Cheap to clone; clones are one breaker.
#[derive(Clone)]
pub struct CircuitBreaker(Arc<Shared>);

struct Shared {
    config: CircuitBreakerConfig,
    name: Arc<str>,
    clock: Clock,
    slow_after: Duration,
    /// The generation while it is closed, which most calls only look at; [`NOT_CLOSED`] otherwise.
    closed: AtomicU64,
    /// The same, but only while more successes can change nothing.
    clean: AtomicU64,
    stripes: Stripes,
    slice: u64,
    machine: Mutex<Machine>,
    rejected: AtomicU64,
    audience: Audience<CircuitEvent>,
}

const NOT_CLOSED: u64 = u64::MAX;

impl CircuitBreaker {
    /// Refuses thresholds out of range.
    pub fn new(config: CircuitBreakerConfig, door: &Door) -> Result<Self, Invalid> {
        config.check()?;
        Ok(Self(Arc::new(Shared {
            name: config.name.as_str().into(),
            clock: door.clock.clone(),
            slow_after: config.slow_after(),
            closed: AtomicU64::new(0),
            clean: AtomicU64::new(NOT_CLOSED),
            stripes: Stripes::new(),
            slice: config.window.slice(),
            machine: Mutex::new(Machine::new(config.clone(), door.clock.uptime())),
            rejected: AtomicU64::new(0),
            audience: Audience::default(),
            config,
        })))
    }

    /// The configuration.
    pub fn config(&self) -> &CircuitBreakerConfig {
        &self.0.config
    }

    /// What it is called.
    pub fn name(&self) -> &Arc<str> {
        &self.0.name
    }

    /// Lets a call through, or does not. What is let through ends with the guard.
    pub fn admit(&self) -> Result<Admission, CircuitBreakerError> {
        Ok(Admission(Inside::enter(self.clone())?))
    }

    /// The generation in which a call is let through at `now`.
    fn enter(&self, now: Duration) -> Result<u64, CircuitBreakerError> {
        let shared = &*self.0;
        let closed = shared.closed.load(Ordering::Acquire);
        if closed != NOT_CLOSED {
            return Ok(closed);
        }
        let (admitted, change) = {
            let mut machine = self.machine();
            let change = machine.look(now);
            (machine.admit(now), change)
        };
        self.announce(change);
        match admitted {
            Ok(generation) => Ok(generation),
            Err((state, retry_after)) => {
                shared.rejected.fetch_add(1, Ordering::Relaxed);
                let error = CircuitBreakerError { name: shared.name.clone(), state, retry_after };
                shared.audience.tell(|| CircuitEvent::Rejected { error: error.clone() });
                Err(error)
            }
        }
    }

    /// Makes a call if it is let through. An error is a failure, unless it is a refusal or a deadline of another part, by
    /// itself or in a box. For errors that have others inside, such as [`CallError`](crate::CallError), there is
    /// [`Self::call_with`] with [`Verdict::of`]; for answers that are no errors, [`Verdict::of_status`].
    pub async fn call<T, E: 'static, F: Future<Output = Result<T, E>>>(
        &self,
        call: impl FnOnce() -> F,
    ) -> Result<T, CircuitCallError<E>> {
        let verdict = |ended: &Result<T, E>| ended.as_ref().err().map_or(Verdict::Success, usual_verdict);
        self.call_with(verdict, call).await
    }

    /// Makes a call if it is let through; `verdict` says what came of it.
    pub async fn call_with<T, E, F: Future<Output = Result<T, E>>>(
        &self,
        verdict: impl FnOnce(&Result<T, E>) -> Verdict,
        call: impl FnOnce() -> F,
    ) -> Result<T, CircuitCallError<E>> {
        let mut inside = Inside::enter(self).map_err(CircuitCallError::Refused)?;
        let ended = call().await;
        inside.finish(verdict(&ended));
        ended.map_err(CircuitCallError::Failed)
    }

    /// Its state now: one that has been open for long enough is half-open.
    pub fn state(&self) -> CircuitState {
        if self.0.closed.load(Ordering::Acquire) != NOT_CLOSED {
            return CircuitState::Closed;
        }
        let (state, change) = {
            let mut machine = self.machine();
            let change = machine.look(self.0.clock.uptime());
            (machine.state(), change)
        };
        self.announce(change);
        state
    }

    /// Whether it lets everything through.
    pub fn is_closed(&self) -> bool {
        self.state() == CircuitState::Closed
    }

    /// Whether it lets nothing through.
    pub fn is_open(&self) -> bool {
        self.state() == CircuitState::Open
    }

    /// Whether it lets a few through to find out.
    pub fn is_half_open(&self) -> bool {
        self.state() == CircuitState::HalfOpen
    }

    /// Whether it is as good as a new one, and nobody else has or hears it. Changes nothing, so that there is nothing to tell.
    fn is_forgettable(&mut self) -> bool {
        if Arc::get_mut(&mut self.0).is_none_or(|shared| shared.audience.is_heard()) {
            return false;
        }
        let now = self.0.clock.uptime();
        let mut machine = self.machine_at(now);
        machine.state() == CircuitState::Closed && machine.standing(now).window.total == 0
    }

    /// Closes it by hand, and forgets what it has counted in its window.
    pub fn reset(&self) {
        let change = {
            let now = self.0.clock.uptime();
            let mut machine = self.machine_at(now);
            let change = machine.reset(now);
            self.publish(&mut machine, now);
            change
        };
        self.announce(change);
    }

    /// Counts a call that was made without [`Self::admit`]: a success that took so long.
    pub fn record_latency(&self, latency: Duration) {
        let slow = latency > self.0.slow_after;
        let change = {
            let now = self.0.clock.uptime();
            let mut machine = self.machine_at(now);
            let change = machine.note(slow, now);
            self.publish(&mut machine, now);
            change
        };
        self.0.audience.tell(|| CircuitEvent::Ended { verdict: Verdict::Success, latency });
        self.announce(change);
    }

    fn record(&self, generation: u64, verdict: Verdict, latency: Duration, now: Duration) {
        let shared = &*self.0;
        let slow = latency > shared.slow_after;
        let is_plain = verdict == Verdict::Success && !slow;
        let counted = is_plain
            && shared.clean.load(Ordering::Acquire) == generation
            && shared.stripes.add(generation, CircuitWindow::slice_of(shared.slice, now));
        let change = if counted {
            None
        } else {
            let mut machine = self.machine_at(now);
            let at = (verdict == Verdict::Failure).then(|| shared.clock.now());
            let change = machine.end(generation, verdict, slow, now, at);
            self.publish(&mut machine, now);
            change
        };
        shared.audience.tell(|| CircuitEvent::Ended { verdict, latency });
        self.announce(change);
    }

    fn machine(&self) -> MutexGuard<'_, Machine> {
        lock(&self.0.machine)
    }

    /// The same with everything that was counted without its lock.
    fn machine_at(&self, now: Duration) -> MutexGuard<'_, Machine> {
        let mut machine = self.machine();
        self.gather(&mut machine, now);
        machine
    }

    fn gather(&self, machine: &mut Machine, now: Duration) {
        let slice = CircuitWindow::slice_of(self.0.slice, now);
        for gathered in self.0.stripes.gather(machine.generation(), slice) {
            machine.add(&gathered, now);
        }
    }

    /// Shows to calls what they need to know; under the lock, so that the newest state stays.
    fn publish(&self, machine: &mut Machine, now: Duration) {
        let shared = &*self.0;
        let clean = if machine.is_clean() { machine.generation() } else { NOT_CLOSED };
        if shared.clean.load(Ordering::Relaxed) != clean {
            shared.clean.store(clean, Ordering::Release);
        }
        let closed = if machine.state() == CircuitState::Closed { machine.generation() } else { NOT_CLOSED };
        if shared.closed.load(Ordering::Relaxed) != closed {
            shared.closed.store(closed, Ordering::Release);
            // What was counted since belongs to the state before.
            self.gather(machine, now);
        }
    }

    fn announce(&self, change: Option<Change>) {
        let Some(change) = change else { return };
        events::log(&self.0.name, &change);
        let Change { from, to, trigger, generation, .. } = change;
        self.0.audience.tell(|| CircuitEvent::Changed { from, to, trigger, generation });
    }

    heard!(CircuitEvent, 0.audience);

    /// Waits until no listener is being called.
    pub async fn wait_pending(&self) {
        self.0.audience.quiet().await;
    }

    /// What it has seen so far.
    pub fn get_metrics(&self) -> CircuitBreakerMetrics {
        // A state that is due to change has changed.
        self.state();
        let now = self.0.clock.uptime();
        let mut machine = self.machine_at(now);
        let (ended, standing) = (machine.ended(), machine.standing(now));
        CircuitBreakerMetrics {
            name: self.0.name.clone(),
            state: machine.state(),
            failure_count: ended.counts.failures,
            success_count: ended.counts.total - ended.counts.failures,
            request_count: ended.counts.total,
            slow_count: ended.counts.slow,
            ignored_count: ended.ignored,
            total_rejected: self.0.rejected.load(Ordering::Relaxed),
            last_failure_timestamp: ended.last_failure,
            last_state_change: standing.since.as_secs_f64(),
            next_probe_in: standing.opens_in.map(|left| left.as_secs_f64()),
            window: standing.window,
            callback_panics: self.0.audience.panics(),
        }
    }
}

/// A call that was let through. Dropped without an end, as when its caller is cancelled, it counts as ignored.
#[must_use = "a call that is let through has to end"]
pub struct Admission(Inside<CircuitBreaker>);

impl Admission {
    /// The call is made only now: what went before was a wait of our own, and does not make it slow.
    pub fn begin(&mut self) {
        self.0.since = self.0.breaker.0.clock.uptime();
    }

    /// It succeeded.
    pub fn success(self) {
        self.end(Verdict::Success);
    }

    /// It failed.
    pub fn failure(self) {
        self.end(Verdict::Failure);
    }

    /// It says nothing.
    pub fn ignored(self) {
        self.end(Verdict::Ignored);
    }

    /// It ended like this.
    pub fn end(mut self, verdict: Verdict) {
        self.0.finish(verdict);
    }
}

/// A call on its way, with the breaker that let it through or a reference to it.
struct Inside<B: Borrow<CircuitBreaker>> {
    breaker: B,
    generation: u64,
    since: Duration,
    ended: bool,
}

impl<B: Borrow<CircuitBreaker>> Inside<B> {
    fn enter(breaker: B) -> Result<Self, CircuitBreakerError> {
        let since = breaker.borrow().0.clock.uptime();
        let generation = breaker.borrow().enter(since)?;
        Ok(Self { breaker, generation, since, ended: false })
    }

    fn finish(&mut self, verdict: Verdict) {
        self.ended = true;
        let breaker = self.breaker.borrow();
        let now = breaker.0.clock.uptime();
        breaker.record(self.generation, verdict, now.saturating_sub(self.since), now);
    }
}

impl<B: Borrow<CircuitBreaker>> Drop for Inside<B> {
    fn drop(&mut self) {
        if !self.ended {
            self.finish(Verdict::Ignored);
        }
    }
}
