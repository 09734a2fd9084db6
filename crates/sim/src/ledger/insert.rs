use std::collections::BTreeSet;
use std::sync::Arc;

use longshore_core::{Inserted, JobId, JobSpec, ParentEnd, State, Timestamp, life};

use super::{Ledger, Life};

impl Ledger {
    /// The store has answered an insert.
    pub(crate) fn inserted(&mut self, specs: &[Arc<JobSpec>], answers: &[Inserted], now: Timestamp) {
        self.expect(specs.len() == answers.len(), || "an insert did not answer for each job".to_owned());
        let mut fresh = Vec::new();
        for (spec, answer) in specs.iter().zip(answers) {
            if self.place(spec, answer, now) {
                fresh.push((spec.id.clone(), answer.state));
            }
        }
        // Parents may stand behind their children in a batch.
        for (id, told) in fresh {
            // One that another of the same batch has replaced is gone by now.
            let Some(state) = self.link(&id, now) else { continue };
            self.expect(state == told, || format!("{id} was born {told}, it should be {state}"));
        }
    }

    /// One job of an insert; tells whether it is new.
    fn place(&mut self, spec: &Arc<JobSpec>, answer: &Inserted, now: Timestamp) -> bool {
        let id = &spec.id;
        self.touched.insert(id.clone());
        if let Some(old) = self.jobs.get(id) {
            let state = old.state;
            if state != State::Cancelled {
                let right = answer.duplicate && answer.id == *id && answer.state == state;
                self.expect(right, || format!("{id} is there and {state}, its insert answered {answer:?}"));
                return false;
            }
            // A cancelled job does not hold its id.
            self.forget(id, ParentEnd::Removed);
        }
        if !self.meet(spec, answer, now) {
            return false;
        }
        let right = !answer.duplicate && answer.id == *id;
        self.expect(right, || format!("{id} is new, its insert answered {answer:?}"));
        if right {
            self.add(spec, now);
        }
        right
    }

    /// A job that follows from an end: skipped if it is there, or if another has its key.
    pub(super) fn follow(&mut self, spec: &Arc<JobSpec>, now: Timestamp) {
        if self.jobs.get(&spec.id).is_some_and(|life| life.state != State::Cancelled) {
            return;
        }
        if self.jobs.contains_key(&spec.id) {
            self.forget(&spec.id, ParentEnd::Removed);
        }
        self.add(spec, now);
        self.link(&spec.id, now);
    }

    fn add(&mut self, spec: &Arc<JobSpec>, now: Timestamp) {
        self.tally.inserted += 1;
        self.touched.insert(spec.id.clone());
        let life = Life {
            spec: spec.clone(),
            state: life::born(spec.run_at, now),
            attempt: 0,
            stalls: 0,
            cancel: false,
            held: None,
            last: None,
            run_at: None,
            deadline: spec.options.ttl.map(|ttl| now + ttl.0),
            finished_at: None,
            released: false,
            waits: BTreeSet::new(),
            revived: 0,
            claims: 0,
            returns: 0,
        };
        self.parents.extend(spec.options.depends_on.iter().map(|parent| parent.id.clone()));
        self.jobs.insert(spec.id.clone(), life);
        self.take_key(&spec.id.clone(), now);
    }

    /// Finds out what a new job waits for; tells the state in which it is born.
    fn link(&mut self, id: &JobId, now: Timestamp) -> Option<State> {
        let waits = self.unmet(id);
        let life = self.jobs.get_mut(id)?;
        life.state = if waits.is_empty() { life::born(life.spec.run_at, now) } else { State::Blocked };
        life.run_at = life.spec.run_at.filter(|_| life.state == State::Scheduled);
        life.waits = waits;
        Some(life.state)
    }
}
