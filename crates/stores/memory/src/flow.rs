//! Jobs that wait for other jobs.
//!
//! An edge leads from a parent to a child from the insert of the child until the child has ended. The end of a job with
//! edges leaves a mark; [`Table::settle`] works the marks off in bounded steps.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;

use longshore_core::life::Move;
use longshore_core::{
    Consequence, Invalid, JobId, JobSpec, Kept, Parent, ParentEnd, Reason, State, StoreResult, Timestamp,
    Wake,
};

use crate::table::Table;

#[derive(Default)]
pub(crate) struct Flows {
    /// For each parent its children, and whether the child need not wait for it any more.
    children: BTreeMap<u64, BTreeMap<u64, bool>>,
    /// The same edges from the other side.
    parents: BTreeMap<u64, BTreeSet<u64>>,
    marks: BTreeMap<u64, Mark>,
}

/// An ended job whose consequences are not all drawn.
struct Mark {
    end: ParentEnd,
    /// Children up to this one are done.
    after: u64,
}

impl Flows {
    pub(crate) fn has_children(&self, place: u64) -> bool {
        self.children.contains_key(&place)
    }

    fn link(&mut self, parent: u64, child: u64, met: bool) {
        self.children.entry(parent).or_default().insert(child, met);
        self.parents.entry(child).or_default().insert(parent);
    }

    fn unlink(&mut self, parent: u64, child: u64) {
        if let Some(children) = self.children.get_mut(&parent) {
            children.remove(&child);
            if children.is_empty() {
                self.children.remove(&parent);
            }
        }
        if let Some(parents) = self.parents.get_mut(&child) {
            parents.remove(&parent);
            if parents.is_empty() {
                self.parents.remove(&child);
            }
        }
    }

    /// Notes that a job of a flow has ended. A removed record cannot complete any more, but one that had completed did.
    pub(crate) fn mark(&mut self, place: u64, end: ParentEnd) -> bool {
        let concerned = self.children.contains_key(&place) || self.parents.contains_key(&place);
        let completed = |mark: &Mark| mark.end == ParentEnd::Ended(State::Completed);
        if concerned && !self.marks.get(&place).is_some_and(completed) {
            self.marks.insert(place, Mark { end, after: 0 });
        }
        concerned
    }
}

impl Table {
    /// Refuses parents that are neither in the batch nor in the store.
    pub(crate) fn check_parents(&self, jobs: &[std::sync::Arc<JobSpec>]) -> StoreResult<()> {
        if jobs.iter().all(|spec| spec.options.depends_on.is_empty()) {
            return Ok(());
        }
        let batch: BTreeSet<&JobId> = jobs.iter().map(|spec| &spec.id).collect();
        for (index, spec) in jobs.iter().enumerate() {
            for (place, parent) in spec.options.depends_on.iter().enumerate() {
                if !batch.contains(&parent.id) && !self.by_id.contains_key(&parent.id) {
                    return Err(Invalid::unknown_parent(index, place, &parent.id).into());
                }
            }
        }
        Ok(())
    }

    /// Lets new jobs wait for their parents. `placed` tells where the ids of the batch went.
    pub(crate) fn link_all(&mut self, fresh: &[u64], placed: &HashMap<JobId, u64>, now: Timestamp) {
        for child in fresh {
            let Some(spec) = self.jobs.get(child).map(|entry| entry.job.spec.clone()) else { continue };
            let options = &spec.options;
            let (mut left, mut seen) = (0, BTreeSet::new());
            for Parent { id, .. } in &options.depends_on {
                let Some(parent) = placed.get(id).or_else(|| self.by_id.get(id)).copied() else { continue };
                // Two ids may lead to one job, which is waited for once.
                if !seen.insert(parent) {
                    continue;
                }
                let Some(state) = self.jobs.get(&parent).map(|entry| entry.job.state) else { continue };
                let consequence = if state.is_end() {
                    options.on_parent_failure.consequence(ParentEnd::Ended(state))
                } else {
                    Consequence::Waits
                };
                let met = consequence == Consequence::Met;
                self.flows.link(parent, *child, met);
                self.set_expiry(parent, now);
                left += u32::from(!met);
                if matches!(consequence, Consequence::Ends(_)) {
                    self.flows.mark(parent, ParentEnd::Ended(state));
                    self.orders.wake(Wake::Settle);
                }
            }
            self.set_parents_left(*child, left, now);
        }
    }

    /// A job with nothing left to wait for stands where it would have been born.
    fn set_parents_left(&mut self, place: u64, left: u32, now: Timestamp) {
        self.change(place, |entry| {
            entry.job.parents_left = left;
            if left == 0 {
                entry.job.state = longshore_core::life::born(entry.job.spec.run_at, now);
                entry.job.run_at = entry.job.spec.run_at.filter(|_| entry.job.state == State::Scheduled);
            }
        });
    }

    /// Finds the parents of a job anew that shall be tried again; tells how many have not completed.
    pub(crate) fn relink(&mut self, place: u64, now: Timestamp) -> u32 {
        let Some(spec) = self.jobs.get(&place).map(|entry| entry.job.spec.clone()) else { return 0 };
        self.flows.marks.remove(&place);
        for parent in self.flows.parents.get(&place).cloned().unwrap_or_default() {
            self.flows.unlink(parent, place);
            self.set_expiry(parent, now);
        }
        let (mut left, mut seen) = (0, BTreeSet::from([place]));
        for Parent { id, .. } in &spec.options.depends_on {
            let Some(parent) = self.by_id.get(id).copied().filter(|parent| seen.insert(*parent)) else {
                continue;
            };
            let Some(state) = self.jobs.get(&parent).map(|entry| entry.job.state) else { continue };
            let met = state.is_end()
                && spec.options.on_parent_failure.consequence(ParentEnd::Ended(state)) == Consequence::Met;
            self.flows.link(parent, place, met);
            self.set_expiry(parent, now);
            left += u32::from(!met);
        }
        left
    }

    pub(crate) fn settle(&mut self, limit: usize, now: Timestamp) -> Kept {
        let mut kept = Kept::default();
        let mut left = limit;
        while left > 0
            && let Some((place, mark)) = self.flows.marks.first_key_value()
        {
            let (place, end, after) = (*place, mark.end, mark.after);
            left -= self.leave_parents(place, left, now);
            left -= self.tell_children(place, end, after, left, &mut kept, now);
            if left > 0 {
                self.flows.marks.remove(&place);
                left -= 1;
            }
        }
        kept.next = self.flows.marks.first_key_value().map(|_| now);
        kept
    }

    /// The job has ended, so its parents need not be kept for it.
    fn leave_parents(&mut self, place: u64, limit: usize, now: Timestamp) -> usize {
        let parents: Vec<u64> =
            self.flows.parents.get(&place).into_iter().flatten().take(limit).copied().collect();
        for parent in &parents {
            self.flows.unlink(*parent, place);
            self.set_expiry(*parent, now);
        }
        parents.len()
    }

    fn tell_children(
        &mut self,
        place: u64,
        end: ParentEnd,
        after: u64,
        limit: usize,
        kept: &mut Kept,
        now: Timestamp,
    ) -> usize {
        let removed = end == ParentEnd::Removed;
        let children: Vec<(u64, bool)> = self
            .flows
            .children
            .get(&place)
            .into_iter()
            .flat_map(|children| children.range((Bound::Excluded(after), Bound::Unbounded)))
            .filter(|(_, met)| removed || !**met)
            .take(limit)
            .map(|(child, met)| (*child, *met))
            .collect();
        for (child, met) in &children {
            if removed {
                self.flows.unlink(place, *child);
            }
            if !met {
                kept.moved.extend(self.tell_child(place, *child, end, now));
            }
            if let Some(mark) = self.flows.marks.get_mut(&place) {
                mark.after = *child;
            }
        }
        children.len()
    }

    fn tell_child(
        &mut self,
        parent: u64,
        child: u64,
        end: ParentEnd,
        now: Timestamp,
    ) -> Option<longshore_core::Moved> {
        let job = &self.jobs.get(&child)?.job;
        if job.state != State::Blocked {
            return None;
        }
        match job.spec.options.on_parent_failure.consequence(end) {
            Consequence::Waits => None,
            Consequence::Ends(by_move) => {
                self.step(child, by_move, now, |entry, _| entry.job.reason = Some(Reason::ParentFailed))?;
                self.moved(child, State::Blocked)
            }
            Consequence::Met => {
                if let Some(met) = self.flows.children.get_mut(&parent).and_then(|of| of.get_mut(&child)) {
                    *met = true;
                }
                let left = job.parents_left.saturating_sub(1);
                let due = job.spec.run_at.filter(|due| *due > now);
                self.jobs.get_mut(&child)?.job.parents_left = left;
                if left > 0 {
                    return None;
                }
                let by_move = if due.is_some() { Move::Delay } else { Move::Release };
                self.step(child, by_move, now, |entry, _| entry.job.run_at = due)?;
                self.moved(child, State::Blocked)
            }
        }
    }
}
