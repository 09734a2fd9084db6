use std::collections::BTreeSet;

use longshore_core::life::Move;
use longshore_core::{Consequence, JobId, Kept, ParentEnd, ParentPolicy, State, Timestamp};

use super::{Ledger, Life};

impl Ledger {
    /// The parents that a job has to wait for, as they stand.
    pub(super) fn unmet(&self, id: &JobId) -> BTreeSet<JobId> {
        let Some(life) = self.jobs.get(id) else { return BTreeSet::new() };
        let policy = life.spec.options.on_parent_failure;
        let waits = |parent: &&JobId| {
            self.jobs.get(*parent).is_some_and(|parent| {
                !parent.state.is_end()
                    || policy.consequence(ParentEnd::Ended(parent.state)) != Consequence::Met
            })
        };
        life.spec.options.depends_on.iter().map(|parent| &parent.id).filter(waits).cloned().collect()
    }

    /// The store has drawn consequences of ended jobs.
    pub(crate) fn settled(&mut self, kept: &Kept, now: Timestamp) {
        for moved in &kept.moved {
            let id = &moved.spec.id;
            let (policy, waits, released) = self.jobs.get(id).map_or_else(Default::default, |life: &Life| {
                (life.spec.options.on_parent_failure, life.waits.clone(), life.released)
            });
            match moved.state {
                State::Ready | State::Scheduled => {
                    self.expect(!released, || format!("{id} was released twice"));
                    let missing = waits
                        .iter()
                        .find(|parent| !self.saw(parent, policy, |told| told == Consequence::Met));
                    if let Some(parent) = missing.cloned() {
                        self.find(format!("{id} was released before {parent} was met"));
                    }
                    let due = moved.spec.run_at.filter(|due| *due > now);
                    let by_move = if due.is_some() { Move::Delay } else { Move::Release };
                    self.step(id, by_move, Some(moved.state), now);
                    self.tally.released += 1;
                    if let Some(life) = self.jobs.get_mut(id) {
                        (life.released, life.run_at) = (true, due);
                    }
                }
                state => {
                    let by_move =
                        if state == State::Failed { Move::FailWithParent } else { Move::CancelWithParent };
                    let right = waits
                        .iter()
                        .any(|parent| self.saw(parent, policy, |told| told == Consequence::Ends(by_move)));
                    self.expect(right, || {
                        format!("{id} was {state} with its parents, and none of them gave cause")
                    });
                    self.step(id, by_move, Some(state), now);
                }
            }
        }
    }

    /// Whether the end of a parent ever meant this for a child.
    fn saw(&self, parent: &JobId, policy: ParentPolicy, what: impl Fn(Consequence) -> bool) -> bool {
        self.ends_of(parent).iter().any(|end| what(policy.consequence(*end)))
    }

    /// Why a blocked job waits, if there is a reason.
    pub(crate) fn blocked_by(&self, life: &Life) -> Option<JobId> {
        let policy = life.spec.options.on_parent_failure;
        let waits = |parent: &&JobId| {
            self.jobs.get(*parent).is_some_and(|parent| {
                let end = ParentEnd::Ended(parent.state);
                match policy.consequence(end) {
                    _ if !parent.state.is_end() => true,
                    Consequence::Waits => true,
                    // Who was revived waits for what has not completed, whatever became of it before.
                    Consequence::Ends(_) => life.revived > 0,
                    Consequence::Met => false,
                }
            })
        };
        life.spec.options.depends_on.iter().map(|parent| &parent.id).find(waits).cloned()
    }

    /// Whether a child that has not ended may still read the result of this job. One that waited for an earlier job with
    /// this id reads nothing.
    pub(super) fn is_needed(&self, id: &JobId) -> bool {
        !self.ends_of(id).contains(&ParentEnd::Removed)
            && self.jobs.values().any(|child| {
                !child.state.is_end() && child.spec.options.depends_on.iter().any(|parent| parent.id == *id)
            })
    }
}
