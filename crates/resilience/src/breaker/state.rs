//! The states of a breaker, and what leads from one to the next. Knows the time only as it is told.

use std::fmt;
use std::time::Duration;

use longshore_clock::Timestamp;
use serde::Serialize;

use super::Verdict;
use super::config::{CircuitBreakerConfig, HalfOpenRule};
use super::events::Trigger;
use super::stripes::Gathered;
use super::window::{CircuitCounts, Window};

/// What a breaker lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CircuitState {
    /// Everything.
    Closed,
    /// Nothing.
    Open,
    /// A few calls, to find out.
    HalfOpen,
}

impl CircuitState {
    /// In lower case, as on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

impl fmt::Display for CircuitState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One step from state to state.
pub(super) struct Change {
    pub(super) from: CircuitState,
    pub(super) to: CircuitState,
    pub(super) trigger: Trigger,
    pub(super) generation: u64,
    /// What was in the window, which is empty now.
    pub(super) counts: CircuitCounts,
}

enum Phase {
    Closed,
    Open {
        until: Duration,
    },
    /// What ended since is counted here: a window may forget before it is decided.
    HalfOpen {
        out: u64,
        ended: CircuitCounts,
    },
}

/// Calls that ended, of all time.
#[derive(Clone, Copy, Default)]
pub(super) struct Totals {
    pub(super) counts: CircuitCounts,
    pub(super) ignored: u64,
    pub(super) last_failure: Option<Timestamp>,
}

/// How it stands.
pub(super) struct Standing {
    pub(super) since: Duration,
    pub(super) opens_in: Option<Duration>,
    pub(super) window: CircuitCounts,
}

pub(super) struct Machine {
    config: CircuitBreakerConfig,
    phase: Phase,
    /// Rises with every change of state. The end of a call that was admitted in another one is not counted here.
    generation: u64,
    /// Openings without a close in between.
    openings: u32,
    /// Failures without a success in between.
    consecutive: u64,
    window: Window,
    totals: Totals,
    since: Duration,
}

impl Machine {
    pub(super) fn new(config: CircuitBreakerConfig, now: Duration) -> Self {
        Self {
            window: Window::new(config.window),
            config,
            phase: Phase::Closed,
            generation: 0,
            openings: 0,
            consecutive: 0,
            totals: Totals::default(),
            since: now,
        }
    }

    pub(super) fn state(&self) -> CircuitState {
        match self.phase {
            Phase::Closed => CircuitState::Closed,
            Phase::Open { .. } => CircuitState::Open,
            Phase::HalfOpen { .. } => CircuitState::HalfOpen,
        }
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether one more success can change nothing.
    pub(super) fn is_clean(&self) -> bool {
        self.state() == CircuitState::Closed && self.consecutive == 0 && self.window.is_clean()
    }

    /// Successes that were counted elsewhere, so many slices ago; in this state, or in one before.
    pub(super) fn add(&mut self, gathered: &Gathered, now: Duration) {
        self.totals.counts.total += gathered.count;
        if gathered.is_current {
            self.window.record_successes(now, gathered.age, gathered.count);
        }
    }

    pub(super) fn ended(&self) -> Totals {
        self.totals
    }

    pub(super) fn standing(&mut self, now: Duration) -> Standing {
        let opens_in = match self.phase {
            Phase::Open { until } => Some(until.saturating_sub(now)),
            _ => None,
        };
        Standing { since: self.since, opens_in, window: self.window.counts(now) }
    }

    /// Becomes half-open once it has been open for long enough.
    pub(super) fn look(&mut self, now: Duration) -> Option<Change> {
        match self.phase {
            Phase::Open { until } if now >= until => Some(self.enter(
                Phase::HalfOpen { out: 0, ended: CircuitCounts::default() },
                Trigger::TimeoutElapsed,
                now,
            )),
            _ => None,
        }
    }

    /// The generation in which a call is let through, or the state and when to try again.
    pub(super) fn admit(&mut self, now: Duration) -> Result<u64, (CircuitState, Duration)> {
        match &mut self.phase {
            Phase::Closed => Ok(self.generation),
            Phase::Open { until } => Err((CircuitState::Open, until.saturating_sub(now))),
            Phase::HalfOpen { out, ended } => {
                // No more than those whose ends are still needed.
                let wanted = self.config.half_open_max_calls.saturating_sub(ended.total);
                if *out >= self.config.probe_count.min(wanted) {
                    return Err((CircuitState::HalfOpen, Duration::ZERO));
                }
                *out += 1;
                Ok(self.generation)
            }
        }
    }

    /// A call that nobody asked for has succeeded. While it is not closed, only calls that were let through decide.
    pub(super) fn note(&mut self, slow: bool, now: Duration) -> Option<Change> {
        if self.state() == CircuitState::Closed {
            return self.end(self.generation, Verdict::Success, slow, now, None);
        }
        self.totals.counts.add(CircuitCounts::one(false, slow));
        None
    }

    /// A call that was let through has ended; `at` is the time of a failure.
    pub(super) fn end(
        &mut self,
        generation: u64,
        verdict: Verdict,
        slow: bool,
        now: Duration,
        at: Option<Timestamp>,
    ) -> Option<Change> {
        let failed = verdict == Verdict::Failure;
        let is_current = generation == self.generation;
        if is_current && let Phase::HalfOpen { out, .. } = &mut self.phase {
            *out = out.saturating_sub(1);
        }
        if verdict == Verdict::Ignored {
            self.totals.ignored += 1;
            return None;
        }
        self.totals.counts.add(CircuitCounts::one(failed, slow));
        self.totals.last_failure = at.or(self.totals.last_failure);
        if !is_current {
            return None;
        }
        let counts = self.window.record(now, failed, slow);
        self.consecutive = if failed { self.consecutive + 1 } else { 0 };
        match &mut self.phase {
            Phase::Closed => {
                let trigger = self.reached(counts)?;
                Some(self.open(trigger, now))
            }
            // Nothing is let through while it is open.
            Phase::Open { .. } => None,
            Phase::HalfOpen { ended, .. } => {
                ended.add(CircuitCounts::one(failed, slow));
                let ended = *ended;
                self.decide(ended, now)
            }
        }
    }

    fn decide(&mut self, counts: CircuitCounts, now: Duration) -> Option<Change> {
        let most = self.config.half_open_max_calls;
        let (works, broken) = match self.config.half_open_rule {
            HalfOpenRule::Consecutive => (counts.total >= most, counts.failures > 0),
            HalfOpenRule::Rate => {
                let over = |rate: f64, most: Option<f64>| most.is_some_and(|most| rate >= most);
                let broken = over(counts.failure_rate(), self.config.error_rate_threshold)
                    || over(counts.slow_rate(), self.config.slow_call_rate_threshold);
                (counts.total >= most && !broken, counts.total >= most && broken)
            }
        };
        if broken {
            return Some(self.open(Trigger::HalfOpenFailure, now));
        }
        if works {
            self.openings = 0;
            return Some(self.enter(Phase::Closed, Trigger::HalfOpenSuccess, now));
        }
        None
    }

    /// The rule that says that it has to open.
    fn reached(&self, counts: CircuitCounts) -> Option<Trigger> {
        let config = &self.config;
        if config.failure_threshold.is_some_and(|most| counts.failures >= most)
            || config.consecutive_failures.is_some_and(|most| self.consecutive >= most)
        {
            return Some(Trigger::FailureThresholdExceeded);
        }
        if counts.total < config.minimum_calls {
            return None;
        }
        if config.error_rate_threshold.is_some_and(|most| counts.failure_rate() >= most) {
            return Some(Trigger::ErrorRateExceeded);
        }
        let slow = config.slow_call_rate_threshold.is_some_and(|most| counts.slow_rate() >= most);
        slow.then_some(Trigger::SlowCallRateExceeded)
    }

    fn open(&mut self, trigger: Trigger, now: Duration) -> Change {
        self.openings = self.openings.saturating_add(1);
        let until = now.saturating_add(self.config.open_for(self.openings));
        self.enter(Phase::Open { until }, trigger, now)
    }

    /// Closes it by hand.
    pub(super) fn reset(&mut self, now: Duration) -> Option<Change> {
        self.openings = 0;
        if self.state() == CircuitState::Closed {
            self.window.empty();
            self.consecutive = 0;
            return None;
        }
        Some(self.enter(Phase::Closed, Trigger::ManualReset, now))
    }

    fn enter(&mut self, phase: Phase, trigger: Trigger, now: Duration) -> Change {
        let (from, counts) = (self.state(), self.window.counts(now));
        self.phase = phase;
        self.generation += 1;
        self.since = now;
        self.consecutive = 0;
        self.window.empty();
        Change { from, to: self.state(), trigger, generation: self.generation, counts }
    }
}
