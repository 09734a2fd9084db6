use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use longshore_clock::Door;
use longshore_core::Invalid;

use super::budget::{Budget, Recent, RetryBudgetConfig};
use super::outcome::{
    RetryAttempt, RetryBudgetExceededError, RetryEnd, RetryError, RetryEvent, RetryExecution,
    RetryExhaustedError, RetryLimit, RetryMetrics, RetryTotals,
};
use super::{Advice, Fault, RetryConfig};
use crate::events::{Audience, heard};
use crate::keyed::Keyed;
use crate::striped::StripedCount;

/// As late as this a timer may well be.
const LATE: Duration = Duration::from_millis(10);

/// Keys with budgets of their own.
const KEYS_MAX: usize = 10_000;

/// What an error is to those who may try again.
pub(crate) struct Judged {
    advice: Advice,
    is_local: bool,
}

impl Judged {
    pub(crate) fn new(advice: Advice, is_local: bool) -> Self {
        Self { advice, is_local }
    }

    pub(crate) fn usual<E: Fault>(error: &E) -> Self {
        Self { advice: error.advice(), is_local: error.is_local() }
    }

    /// The same for a call that must not be made twice.
    pub(crate) fn unless_sent<E: Fault>(error: &E) -> Self {
        let usual = Self::usual(error);
        let advice = if error.is_unsent() { usual.advice } else { Advice::Pass };
        Self { advice, ..usual }
    }
}

#[derive(Default)]
struct State {
    budget: Option<Budget>,
    recent: Recent<u64>,
    metrics: RetryMetrics,
}

/// What a retry costs, given back if it is not made: its caller may go away while it waits.
struct Token<'a> {
    state: Option<&'a Mutex<State>>,
    budget: &'a RetryBudgetConfig,
}

impl Token<'_> {
    /// It is made, after so long.
    fn spend(mut self, wait: Duration, now: Duration) {
        let Some(state) = self.state.take() else { return };
        let mut state = lock(state);
        *state.recent.tenth(self.budget.window, now) += 1;
        state.metrics.retries += 1;
        let millis = wait.as_millis().min(u64::MAX.into()) as u64;
        state.metrics.total_delay_ms = state.metrics.total_delay_ms.saturating_add(millis);
    }
}

impl Drop for Token<'_> {
    fn drop(&mut self) {
        if let Some(state) = self.state
            && let Some(budget) = &mut lock(state).budget
        {
            budget.put_back(self.budget);
        }
    }
}

#[derive(Default)]
struct Totals {
    success: StripedCount,
    exhausted: AtomicU64,
    deadline: AtomicU64,
    budget: AtomicU64,
    not_transient: AtomicU64,
    rejected: AtomicU64,
    retries: AtomicU64,
}

/// Tries again what is worth it, within its budget. Cheap to clone; clones share the budgets.
#[derive(Clone)]
pub struct RetryPolicy(Arc<Shared>);

struct Shared {
    config: RetryConfig,
    budget: RetryBudgetConfig,
    door: Door,
    states: Keyed<String, Mutex<State>>,
    totals: Totals,
    audience: Audience<RetryEvent>,
}

impl RetryPolicy {
    /// Refuses counts of zero and durations out of range.
    pub fn new(config: RetryConfig, door: &Door) -> Result<Self, Invalid> {
        config.check()?;
        let states = Keyed::new(KEYS_MAX, Mutex::default)?;
        let budget = config.budget();
        Ok(Self(Arc::new(Shared {
            config,
            budget,
            door: door.clone(),
            states,
            totals: Totals::default(),
            audience: Audience::default(),
        })))
    }

    /// The configuration.
    pub fn config(&self) -> &RetryConfig {
        &self.0.config
    }

    /// Makes a call. `call` is given the number of the attempt, from 1 on; `key` names the budget, such as a host.
    pub async fn execute<T, E: Fault, F: Future<Output = Result<T, E>>>(
        &self,
        key: &str,
        call: impl FnMut(u32) -> F,
    ) -> Result<T, RetryError<E>> {
        self.run(key, Judged::usual, call, |_, _, _| {}).await.0
    }

    /// Makes a call that must not be made twice: it is tried again only if the other side has certainly heard nothing of it
    /// ([`Fault::is_unsent`]).
    pub async fn execute_unrepeatable<T, E: Fault, F: Future<Output = Result<T, E>>>(
        &self,
        key: &str,
        call: impl FnMut(u32) -> F,
    ) -> Result<T, RetryError<E>> {
        self.run(key, Judged::unless_sent, call, |_, _, _| {}).await.0
    }

    /// Makes a call whose errors are judged by `advice`, for types that are no [`Fault`].
    pub async fn execute_with<T, E: fmt::Display, F: Future<Output = Result<T, E>>>(
        &self,
        key: &str,
        advice: impl Fn(&E) -> Advice,
        call: impl FnMut(u32) -> F,
    ) -> Result<T, RetryError<E>> {
        let judge = |error: &E| Judged::new(advice(error), false);
        self.run(key, judge, call, |_, _, _| {}).await.0
    }

    /// As [`Self::execute`], and tells every failure and every wait.
    pub async fn execute_with_metrics<T, E: Fault, F: Future<Output = Result<T, E>>>(
        &self,
        key: &str,
        call: impl FnMut(u32) -> F,
    ) -> RetryExecution<T, E> {
        let mut attempts = Vec::new();
        let note = |attempt, error: &E, delay| {
            attempts.push(RetryAttempt { attempt, error: error.to_string(), delay });
        };
        let (value, attempt_count, total_delay) = self.run(key, Judged::usual, call, note).await;
        RetryExecution { value, attempt_count, total_delay, attempts }
    }

    pub(crate) async fn run<T, E: fmt::Display, F: Future<Output = Result<T, E>>>(
        &self,
        key: &str,
        judge: impl Fn(&E) -> Judged,
        mut call: impl FnMut(u32) -> F,
        mut note: impl FnMut(u32, &E, Option<Duration>),
    ) -> (Result<T, RetryError<E>>, u32, Duration) {
        let Shared { config, door, .. } = &*self.0;
        let began = door.clock.uptime();
        let state = self.begin(key, began);
        let (mut attempt, mut before, mut waited) = (1, None, Duration::ZERO);
        loop {
            let error = match call(attempt).await {
                Ok(value) => {
                    self.end(&state, key, attempt, RetryEnd::Success);
                    return (Ok(value), attempt, waited);
                }
                Err(error) => error,
            };
            let now = door.clock.uptime();
            let judged = judge(&error);
            let wanted = match judged.advice {
                Advice::Pass => None,
                Advice::RetryAfter(wish) if config.honour_retry_after => Some(wish),
                Advice::Retry | Advice::RetryAfter(_) => Some(Duration::ZERO),
            };
            let wait = wanted.map(|wish| wish.max(config.wait(attempt, before, &door.chance)));
            let is_late =
                |then: Duration| config.deadline.is_some_and(|most| then.saturating_sub(began) > most);
            let end = match wait {
                None if judged.is_local => Err(RetryEnd::Rejected),
                None => Err(RetryEnd::NotTransient),
                Some(_) if attempt >= config.max_attempts => Err(RetryEnd::Exhausted),
                Some(wait) if is_late(now.saturating_add(wait)) => Err(RetryEnd::Deadline),
                Some(wait) => self.take(&state, now).then_some(wait).ok_or(RetryEnd::Budget),
            };
            let wait = match end {
                Ok(wait) => wait,
                Err(end) => {
                    note(attempt, &error, None);
                    self.end(&state, key, attempt, end);
                    return (Err(failed(end, attempt, key, error)), attempt, waited);
                }
            };
            let token = Token { state: Some(&state), budget: &self.0.budget };
            self.0.audience.tell(|| RetryEvent::Retried { key: key.into(), attempt, wait });
            door.clock.sleep(wait).await;
            let then = now.saturating_add(wait);
            let now = door.clock.uptime();
            if is_late(now) && now.saturating_sub(then) > LATE {
                // The runtime stood still, or the machine slept.
                drop(token);
                note(attempt, &error, None);
                self.end(&state, key, attempt, RetryEnd::Deadline);
                return (Err(failed(RetryEnd::Deadline, attempt, key, error)), attempt, waited);
            }
            token.spend(wait, now);
            note(attempt, &error, Some(wait));
            self.0.totals.retries.fetch_add(1, Ordering::Relaxed);
            (before, waited, attempt) = (Some(wait), waited.saturating_add(wait), attempt + 1);
        }
    }

    fn end(&self, state: &Mutex<State>, key: &str, attempt_count: u32, end: RetryEnd) {
        lock(state).metrics.final_result = end;
        let totals = &self.0.totals;
        let count = match end {
            RetryEnd::None | RetryEnd::Success => None,
            RetryEnd::Exhausted => Some(&totals.exhausted),
            RetryEnd::Deadline => Some(&totals.deadline),
            RetryEnd::Budget => Some(&totals.budget),
            RetryEnd::NotTransient => Some(&totals.not_transient),
            RetryEnd::Rejected => Some(&totals.rejected),
        };
        match count {
            Some(count) => drop(count.fetch_add(1, Ordering::Relaxed)),
            None => totals.success.add(),
        }
        self.0.audience.tell(|| RetryEvent::Ended { key: key.into(), attempt_count, end });
    }

    heard!(RetryEvent, 0.audience);

    fn begin(&self, key: &str, now: Duration) -> Arc<Mutex<State>> {
        let config = &self.0.budget;
        let idle = |state: &Mutex<State>| {
            lock(state).budget.as_mut().is_none_or(|budget| budget.used(config, now) <= 0.0)
        };
        let state = self.0.states.of(&key.to_owned(), idle);
        {
            let mut state = lock(&state);
            state.metrics.calls += 1;
            state.budget.get_or_insert_with(|| Budget::new(config, now)).call(config, now);
        }
        state
    }

    fn take(&self, state: &Mutex<State>, now: Duration) -> bool {
        let config = &self.0.budget;
        lock(state).budget.get_or_insert_with(|| Budget::new(config, now)).take(config, now)
    }

    /// What became of the calls with a key. Nothing, if it has not been used lately.
    pub fn get_metrics(&self, key: &str) -> RetryMetrics {
        let Some(state) = self.0.states.known(&key.to_owned()) else { return RetryMetrics::default() };
        let mut state = lock(&state);
        let (config, now) = (&self.0.budget, self.0.door.clock.uptime());
        let used = state.budget.as_mut().map(|budget| budget.used(config, now));
        state.recent.tenth(config.window, now);
        let attempt_count = state.recent.sum();
        RetryMetrics { attempt_count, budget_consumed: used.unwrap_or(0.0), ..state.metrics }
    }

    /// What became of the calls with all keys, since it was made.
    pub fn get_totals(&self) -> RetryTotals {
        let totals = &self.0.totals;
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        RetryTotals {
            success: totals.success.sum(),
            exhausted: read(&totals.exhausted),
            deadline: read(&totals.deadline),
            budget: read(&totals.budget),
            not_transient: read(&totals.not_transient),
            rejected: read(&totals.rejected),
            retries: read(&totals.retries),
        }
    }

    /// Fills the budget of a key.
    pub fn reset_budget(&self, key: &str) {
        if let Some(state) = self.0.states.known(&key.to_owned()) {
            lock(&state).budget = None;
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn failed<E: fmt::Display>(end: RetryEnd, attempt_count: u32, key: &str, last: E) -> RetryError<E> {
    let exhausted = |reason, last| RetryError::Exhausted(RetryExhaustedError { attempt_count, reason, last });
    match end {
        RetryEnd::Exhausted => exhausted(RetryLimit::Attempts, last),
        RetryEnd::Deadline => exhausted(RetryLimit::Deadline, last),
        RetryEnd::Budget => {
            RetryError::Budget(RetryBudgetExceededError { attempt_count, key: key.to_owned(), last })
        }
        RetryEnd::None | RetryEnd::Success | RetryEnd::NotTransient | RetryEnd::Rejected => {
            RetryError::Passed(last)
        }
    }
}
