//! The auditor: a model of all jobs that follows the answers of the store, and notes every answer that cannot be.
//!
//! It stands directly on the store, below all faults, so it also knows what callers were never told.

mod amend;
mod flow;
mod insert;
mod keep;
mod limits;
mod unique;
mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::mem::Discriminant;
use std::sync::Arc;
use std::time::Duration;

use longshore_core::life::{self, Move};
use longshore_core::{
    Job, JobId, JobSpec, KindName, LeaseToken, Limit, Outcome, ParentEnd, QueueName, Retention, State,
    Timestamp,
};

pub(crate) use limits::{Starts, value};
use unique::Hold;

/// Complaints kept; the first one is what matters.
const FINDINGS_MAX: usize = 20;

/// A lease as the model knows it.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) token: LeaseToken,
    pub(crate) until: Timestamp,
    pub(crate) lease: Duration,
}

/// One job as it must be.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    pub(crate) spec: Arc<JobSpec>,
    pub(crate) state: State,
    pub(crate) attempt: u32,
    pub(crate) stalls: u32,
    pub(crate) cancel: bool,
    pub(crate) held: Option<Held>,
    /// The end of its latest attempt.
    last: Option<(LeaseToken, Discriminant<Outcome>, State)>,
    pub(crate) run_at: Option<Timestamp>,
    pub(crate) deadline: Option<Timestamp>,
    pub(crate) finished_at: Option<Timestamp>,
    /// How it ended stays known when its record goes.
    released: bool,
    /// Parents that had to be met when it was linked to them.
    waits: BTreeSet<JobId>,
    /// Revived so often.
    pub(crate) revived: u32,
    claims: u32,
    returns: u32,
}

/// The model, and what contradicts it.
#[derive(Default)]
pub(crate) struct Ledger {
    pub(crate) jobs: BTreeMap<JobId, Life>,
    /// How jobs have ever ended, also those whose record is gone.
    ends: BTreeMap<JobId, Vec<ParentEnd>>,
    /// Every lease there ever was.
    tokens: BTreeMap<u128, JobId>,
    holds: BTreeMap<(QueueName, String), Hold>,
    pub(crate) paused: BTreeSet<QueueName>,
    /// Jobs that another one was to wait for, ever.
    parents: BTreeSet<JobId>,
    /// Ended jobs of one state that a queue keeps.
    most: BTreeMap<QueueName, u64>,
    pub(crate) of_queue: BTreeMap<QueueName, Vec<Limit>>,
    pub(crate) of_kind: BTreeMap<KindName, Vec<Limit>>,
    starts: Starts,
    /// Jobs whose insert was acknowledged to its caller.
    promised: BTreeSet<JobId>,
    touched: BTreeSet<JobId>,
    findings: Vec<String>,
    /// The latest moment that anybody has named.
    latest: Timestamp,
    pub(crate) tally: Tally,
}

/// What there was of everything, so that a history in which nothing happens is seen to be one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) inserted: u64,
    pub(crate) claimed: u64,
    pub(crate) refused: u64,
    pub(crate) repeated: u64,
    pub(crate) reclaimed: u64,
    pub(crate) released: u64,
    pub(crate) expired: u64,
    pub(crate) pruned: u64,
    pub(crate) amended: u64,
}

impl Ledger {
    pub(crate) fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }

    pub(crate) fn findings(&self) -> &[String] {
        &self.findings
    }

    /// Notes what must not be.
    pub(crate) fn find(&mut self, what: impl Into<String>) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(what.into());
        }
    }

    /// Notes all of it.
    pub(crate) fn find_all(&mut self, what: impl IntoIterator<Item = String>) {
        for what in what {
            self.find(what);
        }
    }

    /// Notes it unless it holds.
    fn expect(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.find(what());
        }
    }

    /// A caller was told that these jobs are in the store.
    pub(crate) fn promise(&mut self, ids: Vec<JobId>) {
        self.promised.extend(ids);
    }

    /// Takes note of the moment that a request names.
    pub(crate) fn see(&mut self, now: Timestamp) {
        if now < self.latest {
            self.starts.forget();
        }
        self.latest = now;
    }

    /// The jobs that the last request had to do with.
    pub(crate) fn take_touched(&mut self) -> BTreeSet<JobId> {
        std::mem::take(&mut self.touched)
    }

    /// The job that a lease was on.
    pub(crate) fn job_of(&self, token: LeaseToken) -> Option<&JobId> {
        self.tokens.get(&key(token))
    }

    /// Makes a move of the table; any other is a finding.
    fn step(&mut self, id: &JobId, by_move: Move, to: Option<State>, now: Timestamp) {
        self.touched.insert(id.clone());
        let Some(life) = self.jobs.get_mut(id) else {
            return self.find(format!("{by_move:?} of {id}, which is not there"));
        };
        let from = life.state;
        let right = life::allowed(from, by_move).is_some_and(|row| row.to == to);
        let Some(to) = to else {
            self.expect(right || from == State::Running, || format!("{by_move:?} of {id}, which is {from}"));
            return self.forget(id, ParentEnd::Removed);
        };
        life.state = to;
        if from == State::Running {
            life.held = None;
            life.returns += 1;
            life.cancel = false;
        }
        if to != State::Scheduled {
            life.run_at = None;
        }
        if to.is_end() {
            life.finished_at = Some(now);
            self.ends.entry(id.clone()).or_default().push(ParentEnd::Ended(to));
            self.give_back(id, false);
        }
        self.expect(right, || format!("{id} went from {from} to {to} by {by_move:?}"));
    }

    /// The record is gone.
    fn forget(&mut self, id: &JobId, end: ParentEnd) {
        self.touched.insert(id.clone());
        self.give_back(id, true);
        self.jobs.remove(id);
        self.ends.entry(id.clone()).or_default().push(end);
    }

    /// Compares what the store shows of a job with the model.
    pub(crate) fn verify(&mut self, id: &JobId, seen: Option<&Job>) {
        let (life, job) = match (self.jobs.get(id), seen) {
            (None, None) => return,
            (None, Some(job)) => return self.find(format!("{id} is {} although its record went", job.state)),
            (Some(life), None) => {
                let state = life.state;
                return self.find(format!("{id} is lost; it was {state}"));
            }
            (Some(life), Some(job)) => (life, job),
        };
        let model = (
            life.state,
            life.attempt,
            life.stalls,
            life.cancel,
            life.run_at,
            life.deadline,
            life.finished_at,
        );
        let store = (
            job.state,
            job.attempt,
            job.stalls,
            job.cancel_requested,
            job.run_at,
            job.deadline_at,
            job.finished_at,
        );
        if model != store {
            self.find(format!(
                "{id} (state, attempt, stalls, cancel, run_at, deadline, end) must be {model:?} and is {store:?}"
            ));
        }
    }

    /// What the end of a parent has ever been.
    fn ends_of(&self, id: &JobId) -> &[ParentEnd] {
        self.ends.get(id).map_or(&[], Vec::as_slice)
    }

    /// The jobs that run, for whoever counts them.
    fn running(&self) -> impl Iterator<Item = &Life> {
        self.jobs.values().filter(|life| life.state == State::Running)
    }

    /// When the record may go, unless something else keeps it.
    pub(crate) fn over_at(life: &Life) -> Option<Timestamp> {
        let stays = life.spec.options.retention.map_or(Retention::default().of(life.state), |own| own.0);
        life.finished_at.map(|at| at + stays)
    }

    /// What was promised is there, or went in a way that is known.
    pub(crate) fn keep_promises(&mut self) {
        let kept = |id: &&JobId| self.jobs.contains_key(*id) || self.ends.contains_key(*id);
        let broken: Vec<JobId> = self.promised.iter().filter(|id| !kept(id)).cloned().collect();
        self.find_all(broken.iter().map(|id| format!("{id} was acknowledged, and is nowhere")));
    }

    /// Attempts begun are explained by attempts given back, retried or lost, and by revivals.
    pub(crate) fn count_attempts(&mut self) {
        let wrong: Vec<String> = self
            .jobs
            .iter()
            .filter(|(_, life)| life.claims != life.returns + u32::from(life.state == State::Running))
            .map(|(id, life)| {
                format!("{id} was claimed {} times and came back {} times", life.claims, life.returns)
            })
            .collect();
        self.find_all(wrong);
    }
}

fn key(token: LeaseToken) -> u128 {
    u128::from(token.place()) << 64 | u128::from(token.nonce())
}

/// A time for people.
fn when(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "no time".to_owned(), |at| at.to_string())
}

/// Ids in one line.
pub(crate) fn line<'a>(ids: impl IntoIterator<Item = &'a JobId>) -> String {
    ids.into_iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
