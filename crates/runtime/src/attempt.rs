//! One attempt at one job, from the claim to its end.

use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt;
use longshore_clock::{Deadline, Door, Timestamp};
use longshore_core::{
    Backoff, Claimed, DurationText, End, Event, EventName, JobError, JobSpec, Json, Lease, LeaseToken,
    Outcome as Fate, Progress, Reason, State,
};
use longshore_resilience::{Verdict, panic_text};
use longshore_telemetry::traces;

use crate::events::Hub;
use crate::extract::{ExtractError, States};
use crate::guard::Pass;
use crate::handler::{Called, Handlers, KindBackoff, Registered};
use crate::outcome::Outcome;
use crate::signal::{Interrupt, Signal};

/// Jobs of a kind that no handler here knows wait so long before somebody looks again.
const UNKNOWN_KIND_SNOOZE: Duration = Duration::from_secs(30);

/// A handler that has not come to its end so long after it should have been stopped blocks its thread.
const STUBBORN: Duration = Duration::from_secs(1);

/// A lease held by this process, and what its handler and its watchers need.
#[derive(Debug)]
pub struct Running {
    pub(crate) spec: Arc<JobSpec>,
    pub(crate) token: LeaseToken,
    pub(crate) number: u32,
    pub(crate) created_at: Timestamp,
    pub(crate) claimed_at: Timestamp,
    pub(crate) started_at: AtomicI64,
    /// That of its kind, if it counts here.
    backoff: OnceLock<KindBackoff>,
    pub(crate) lease_until: AtomicI64,
    pub(crate) signal: Signal,
    pub(crate) states: Arc<States>,
    /// When a handler that does not yield has had its time, and when it has had its grace after a cancellation.
    stuck_at: OnceLock<Deadline>,
    defies_at: OnceLock<Deadline>,
    /// Its end is on its way to the store.
    ended: AtomicBool,
    hub: Hub,
    door: Door,
    percent: AtomicU8,
    /// The newest progress that the store has not seen.
    unsaved: Mutex<Option<Progress>>,
    /// Rung when there is unsaved progress.
    pulse: Arc<tokio::sync::Notify>,
}

impl Running {
    pub(crate) fn new(
        claimed: Claimed,
        claimed_at: Timestamp,
        states: Arc<States>,
        hub: &Hub,
        door: &Door,
        pulse: &Arc<tokio::sync::Notify>,
    ) -> Self {
        Self {
            spec: claimed.spec,
            token: claimed.lease.token,
            number: claimed.attempt,
            created_at: claimed.created_at,
            claimed_at,
            started_at: AtomicI64::new(0),
            backoff: OnceLock::new(),
            lease_until: AtomicI64::new(claimed.lease.until.as_millis()),
            signal: Signal::default(),
            states,
            stuck_at: OnceLock::new(),
            defies_at: OnceLock::new(),
            ended: AtomicBool::new(false),
            hub: hub.clone(),
            door: door.clone(),
            percent: AtomicU8::new(0),
            unsaved: Mutex::new(None),
            pulse: pulse.clone(),
        }
    }

    /// Claims the right to end the attempt; only the first one gets it.
    pub(crate) fn take_end(&self) -> bool {
        !self.ended.swap(true, Ordering::AcqRel)
    }

    /// Asks the handler to come to an end, because its job was cancelled.
    pub(crate) fn cancel(&self, handlers: &Handlers) {
        self.signal.raise(Interrupt::Cancel);
        let grace = handlers.grace(&self.spec.kind);
        self.defies_at.get_or_init(|| self.door.clock.after(grace + STUBBORN));
    }

    /// When somebody has to look whether its handler has ended, because it was asked to.
    pub(crate) fn defies_at(&self) -> Deadline {
        self.defies_at.get().cloned().unwrap_or(Deadline::NEVER)
    }

    /// How an attempt ends whose handler blocks its thread, so that neither timeout nor cancellation can reach it.
    /// None while there is still hope.
    pub(crate) fn given_up(&self) -> Option<Fate> {
        if self.ended.load(Ordering::Acquire) {
            return None;
        }
        let is_over = |deadline: &OnceLock<Deadline>| deadline.get().is_some_and(Deadline::is_over);
        if is_over(&self.defies_at) {
            return interrupted(Interrupt::Cancel);
        }
        // Counted from the first look, so that the many short attempts that nobody ever looks at pay nothing for it.
        if let (Some(timeout), Some(_)) = (self.spec.options.timeout, self.started_at()) {
            self.stuck_at.get_or_init(|| self.door.clock.after(timeout.0 + STUBBORN));
        }
        if is_over(&self.stuck_at) {
            tracing::warn!(job = %self.spec.id, kind = %self.spec.kind, "a handler blocks its thread beyond its timeout");
            return Some(timed_out(self));
        }
        None
    }

    /// What the store is told of the end.
    pub(crate) fn end(&self, outcome: Fate) -> End {
        let lease = Lease {
            token: self.token,
            until: Timestamp::from_millis(self.lease_until.load(Ordering::Relaxed)),
        };
        let mut end = End::new(lease, outcome);
        // Whether a job that goes back has started at all is told as well.
        let goes_back = end.outcome == Fate::HandBack;
        end.started_at = self.started_at().filter(|at| goes_back || self.differs(*at));
        end
    }

    /// The record says when the attempt was claimed; a start that differs visibly is told. That of a job with parents
    /// always: its claim may have been under way when the last of them ended.
    fn differs(&self, started_at: Timestamp) -> bool {
        started_at.since(self.claimed_at) > Duration::from_millis(10)
            || !self.spec.options.depends_on.is_empty()
    }

    /// The start as the record has it.
    pub(crate) fn recorded_start(&self) -> Option<Timestamp> {
        self.started_at().map(|at| if self.differs(at) { at } else { self.claimed_at })
    }

    /// The usual backoff is what a job has that asked for none.
    fn asks_for_no_backoff(&self) -> bool {
        self.spec.options.backoff == Backoff::default()
    }

    pub(crate) fn started_at(&self) -> Option<Timestamp> {
        let at = self.started_at.load(Ordering::Relaxed);
        (at != 0).then(|| Timestamp::from_millis(at))
    }

    pub(crate) fn event(&self, name: EventName, state: State, at: Timestamp) -> Event {
        Event::of_job(name, at, &self.spec, state, self.number, self.created_at)
    }

    pub(crate) fn advance(&self, progress: Progress) {
        // Held over all of it: a handler may tell from several tasks, and what is told must not fall either.
        let mut unsaved = self.unsaved.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.percent.fetch_max(progress.percent, Ordering::Relaxed);
        let progress = Progress { percent: progress.percent.max(before), ..progress };
        if self.hub.is_heard() {
            let event = self.event(EventName::Progress, State::Running, self.door.clock.now());
            self.hub.tell(event.times(self.recorded_start(), None).progress(&progress));
        }
        *unsaved = Some(progress);
        drop(unsaved);
        self.pulse.notify_one();
    }

    pub(crate) fn take_progress(&self) -> Option<Progress> {
        self.unsaved.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(crate) fn put_progress_back(&self, progress: Progress) {
        self.unsaved.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(progress);
    }
}

/// How the supervised call of a handler came to its end.
enum CallEnd {
    Called(Called),
    TimedOut,
    Interrupted(Interrupt),
}

impl CallEnd {
    /// What it says about the thing that the handler works with. A handler that was told to stop says nothing, and one that
    /// was given up before it came to its end took too long.
    fn verdict(&self, running: &Running) -> Verdict {
        if running.signal.level() != Interrupt::None {
            return Verdict::Ignored;
        }
        match self {
            _ if running.ended.load(Ordering::Acquire) => Verdict::Failure,
            Self::Called(Called::Returned(Ok(_))) => Verdict::Success,
            Self::Called(Called::Returned(Err(Outcome::Retry { .. }))) | Self::TimedOut => Verdict::Failure,
            Self::Called(_) | Self::Interrupted(_) => Verdict::Ignored,
        }
    }
}

/// Runs the attempt and says how it ended; nothing if its lease was lost, because then its end is not ours to tell.
pub(crate) async fn run(running: &Arc<Running>, handlers: &Handlers) -> Option<Fate> {
    // Around everything: a handler may also panic while it is dropped.
    let panic = match AssertUnwindSafe(guarded(running, handlers)).catch_unwind().await {
        Ok(fate) => return fate,
        Err(panic) => panic,
    };
    match running.signal.level() {
        Interrupt::None => {
            let text = format!("the handler panicked: {}", panic_text(panic));
            Some(failed(running, JobError::new(&text), Reason::Panic, None))
        }
        told => interrupted(told),
    }
}

async fn guarded(running: &Arc<Running>, handlers: &Handlers) -> Option<Fate> {
    match running.signal.level() {
        Interrupt::None => {}
        early => return interrupted(early),
    }
    let Some(registered) = handlers.get(&running.spec.kind) else {
        tracing::warn!(kind = %running.spec.kind, job = %running.spec.id, "no handler here knows this kind; the job waits");
        let until = running.door.clock.now() + UNKNOWN_KIND_SNOOZE;
        return Some(Fate::Snooze { until, reason: Some(Reason::UnknownKind) });
    };
    if let Some(backoff) = registered.options.backoff.as_ref().filter(|_| running.asks_for_no_backoff()) {
        let _ = running.backoff.set(backoff.clone());
    }
    let pass = match handlers.guard_of(&running.spec.kind) {
        Some(guard) => {
            let entered = tokio::select! {
                biased;
                entered = guard.enter(running) => entered,
                early = running.signal.above(Interrupt::None) => return interrupted(early),
            };
            match entered {
                Ok(pass) => Some(pass),
                Err(turned) => {
                    let until = running.door.clock.now() + turned.wait;
                    return Some(Fate::Snooze { until, reason: Some(turned.reason) });
                }
            }
        }
        None => None,
    };
    let started_at = running.door.clock.now();
    running.started_at.store(started_at.as_millis(), Ordering::Relaxed);
    if running.hub.is_heard() {
        let event = running.event(EventName::Started, State::Running, started_at);
        running.hub.tell(event.times(running.recorded_start(), None));
    }
    let traceparent = running.spec.options.traceparent.as_ref();
    traces::within(traceparent, || span(running), call(running, handlers, registered, pass)).await
}

/// Calls the handler, and tells the guard and the span how that ended.
async fn call(
    running: &Arc<Running>,
    handlers: &Handlers,
    registered: &Arc<Registered>,
    pass: Option<Pass>,
) -> Option<Fate> {
    let told = Told::default();
    let end = supervise(running, handlers, registered).await;
    if let Some(pass) = pass {
        pass.end(end.verdict(running));
    }
    let fate = match end {
        CallEnd::Called(Called::Returned(Ok(result))) => {
            Some(done(running, result, handlers.result_bytes_max()))
        }
        CallEnd::Called(Called::Returned(Err(outcome))) => Some(decided(running, outcome)),
        CallEnd::Called(Called::NotCalled(error @ ExtractError::BadArgs(_))) => {
            Some(Fate::Fail { error: JobError::new(&error.to_string()), reason: Reason::BadArgs })
        }
        CallEnd::Called(Called::NotCalled(error)) => {
            Some(failed(running, JobError::new(&error.to_string()), Reason::Error, None))
        }
        CallEnd::TimedOut => Some(timed_out(running)),
        CallEnd::Interrupted(interrupt) => interrupted(interrupt),
    };
    told.tell(fate.as_ref());
    fate
}

/// Tells the span of an attempt how it ended, also if the handler panics.
#[derive(Default)]
struct Told(bool);

impl Told {
    fn tell(mut self, fate: Option<&Fate>) {
        self.0 = true;
        if !traces::is_on() {
            return;
        }
        let (outcome, error) = match fate {
            Some(Fate::Done { .. }) => ("done", None),
            Some(Fate::Retry { reason, .. }) => ("retry", Some(*reason)),
            Some(Fate::Fail { reason, .. }) => ("fail", Some(*reason)),
            Some(Fate::Snooze { .. }) => ("snooze", None),
            Some(Fate::Cancel { .. }) => ("cancel", None),
            Some(Fate::HandBack) => ("hand_back", None),
            None => ("lost", None),
        };
        record(outcome, error);
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        if !self.0 && traces::is_on() && std::thread::panicking() {
            record("panic", Some(Reason::Panic));
        }
    }
}

fn record(outcome: &str, error: Option<Reason>) {
    let span = tracing::Span::current();
    span.record("job.outcome", outcome);
    if let Some(error) = error {
        span.record("error.type", error.as_str());
        span.record("otel.status_code", "ERROR");
    }
}

/// What a collector is told of an attempt.
fn span(running: &Running) -> tracing::Span {
    let spec = &running.spec;
    tracing::info_span!(
        target: traces::TARGET,
        "job",
        otel.name = format!("longshore.job.{}", spec.kind),
        otel.kind = "consumer",
        otel.status_code = tracing::field::Empty,
        job.id = %spec.id,
        job.kind = %spec.kind,
        job.queue = %spec.queue,
        // Whole numbers reach a collector as such only if they have a sign.
        job.attempt = i64::from(running.number),
        job.max_attempts = i64::from(spec.options.max_attempts),
        job.priority = spec.priority.get(),
        job.correlation_id = spec.correlation_id.as_deref(),
        job.outcome = tracing::field::Empty,
        error.type = tracing::field::Empty,
    )
}

fn timed_out(running: &Running) -> Fate {
    let limit = running.spec.options.timeout.map(|timeout| longshore_core::format_duration(timeout.0));
    let text = format!("the attempt took longer than its timeout of {}", limit.unwrap_or_default());
    failed(running, JobError::new(&text), Reason::Timeout, None)
}

fn interrupted(interrupt: Interrupt) -> Option<Fate> {
    match interrupt {
        Interrupt::None | Interrupt::Stop | Interrupt::Cut => Some(Fate::HandBack),
        Interrupt::Cancel => Some(Fate::Cancel { reason: Reason::ByOperator }),
        Interrupt::Lost => None,
    }
}

fn done(running: &Running, result: Option<Json>, most: usize) -> Fate {
    let bytes = result.as_ref().map_or(0, |json| json.as_str().len());
    if bytes > most {
        let text = format!(
            "the result has {bytes} bytes, at most {most} are kept (max_result_bytes); store a file instead"
        );
        return Fate::Fail { error: JobError::new(&text), reason: Reason::ResultTooLarge };
    }
    // A handler that was told to stop and returned all the same has done its work, unless its job was cancelled.
    match running.signal.level() {
        Interrupt::Cancel => Fate::Cancel { reason: Reason::ByOperator },
        _ => Fate::Done { result },
    }
}

fn decided(running: &Running, outcome: Outcome) -> Fate {
    match outcome {
        _ if running.signal.level() == Interrupt::Cancel => Fate::Cancel { reason: Reason::ByOperator },
        // An error after being told to stop is the stop's doing more often than the job's.
        Outcome::Retry { .. } if running.signal.level() >= Interrupt::Stop => Fate::HandBack,
        Outcome::Retry { after, error } => failed(running, error, Reason::Error, after),
        Outcome::Snooze { after } => {
            Fate::Snooze { until: running.door.clock.now() + after, reason: Some(Reason::ByHandler) }
        }
        Outcome::Fail { error } => Fate::Fail { error, reason: Reason::ByHandler },
        Outcome::Cancel => Fate::Cancel { reason: Reason::ByHandler },
    }
}

/// A failed attempt: another one follows while there are any left.
fn failed(running: &Running, error: JobError, reason: Reason, after: Option<Duration>) -> Fate {
    let options = &running.spec.options;
    if running.number >= options.max_attempts {
        return Fate::Fail { error, reason };
    }
    let chance = running.door.chance.unit();
    let wait = after.unwrap_or_else(|| match running.backoff.get() {
        Some(of_kind) => of_kind.delay(running.number, chance),
        None => options.backoff.delay(running.number, chance),
    });
    Fate::Retry { at: running.door.clock.now() + wait, error, reason }
}

/// Calls the handler and watches over it: its timeout, and interrupts with their grace.
async fn supervise(running: &Arc<Running>, handlers: &Handlers, registered: &Arc<Registered>) -> CallEnd {
    let mut call = handlers.call(running.clone(), registered).map(CallEnd::Called);
    // Most short handlers are done at the first poll, and then nothing else needs to be set up.
    if let Poll::Ready(verdict) = poll_fn(|context| Poll::Ready(call.poll_unpin(context))).await {
        return verdict;
    }
    let clock = &running.door.clock;
    let ran = running.started_at().map_or(Duration::ZERO, |at| clock.now().since(at));
    let left = |timeout: DurationText| clock.after(timeout.0.saturating_sub(ran));
    let mut told = Interrupt::None;
    let mut patience = running.spec.options.timeout.map_or(Deadline::NEVER, left);
    loop {
        tokio::select! {
            biased;
            verdict = &mut call => return verdict,
            interrupt = running.signal.above(told) => {
                told = interrupt;
                match interrupt {
                    Interrupt::Cut | Interrupt::Lost => return CallEnd::Interrupted(interrupt),
                    _ => patience = patience.sooner(clock.after(handlers.grace(&running.spec.kind))),
                }
            }
            () = patience.wait() => {
                return if told == Interrupt::None { CallEnd::TimedOut } else { CallEnd::Interrupted(told) };
            }
        }
    }
}
