//! Jobs that wait for other jobs.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use longshore_core::life::{self, Move};
use longshore_core::{
    Consequence, Invalid, JobId, JobSpec, Kept, Moved, Parent, ParentEnd, Reason, State, Timestamp,
};
use rusqlite::{OptionalExtension, params};

use crate::error::Tried;
use crate::insert::waits;
use crate::rows::IdValue;
use crate::ties::{EDGES, read_end};
use crate::tx::Tx;

/// A job of a flow that was just inserted.
pub(crate) struct Fresh {
    pub(crate) place: i64,
    pub(crate) queue: i64,
    pub(crate) spec: Arc<JobSpec>,
}

impl Tx<'_> {
    /// Refuses parents that are neither in the batch nor in the store.
    pub(crate) fn check_parents(&self, jobs: &[Arc<JobSpec>]) -> Tried<()> {
        let batch: HashSet<&JobId> = jobs.iter().map(|spec| &spec.id).collect();
        for (index, spec) in jobs.iter().enumerate() {
            for (number, parent) in spec.options.depends_on.iter().enumerate() {
                if !batch.contains(&parent.id) && self.place_of(&parent.id)?.is_none() {
                    return Err(Invalid::unknown_parent(index, number, &parent.id).into());
                }
            }
        }
        Ok(())
    }

    pub(crate) fn place_of(&self, id: &JobId) -> rusqlite::Result<Option<i64>> {
        let mut find = self.conn.prepare_cached("SELECT place FROM job WHERE id = ?1")?;
        find.query_row([IdValue::of(id)], |row| row.get(0)).optional()
    }

    /// Lets new jobs wait for their parents. `placed` tells where the ids of the batch went. Answers with the states in
    /// which they are born.
    pub(crate) fn link_all(
        &mut self,
        fresh: &[Fresh],
        placed: &HashMap<JobId, i64>,
        now: Timestamp,
    ) -> Tried<Vec<State>> {
        fresh.iter().map(|child| self.link_one(child, placed, now)).collect()
    }

    fn link_one(&mut self, child: &Fresh, placed: &HashMap<JobId, i64>, now: Timestamp) -> Tried<State> {
        let options = &child.spec.options;
        let (mut left, mut seen) = (0, HashSet::new());
        for Parent { id, .. } in &options.depends_on {
            let place = match placed.get(id) {
                Some(place) => Some(*place),
                None => self.place_of(id)?,
            };
            // Two ids may lead to one job, which is waited for once.
            let Some(parent) = place.filter(|place| seen.insert(*place)) else { continue };
            let Some(state) = self.state_of(parent)? else { continue };
            let consequence = if state.is_end() {
                options.on_parent_failure.consequence(ParentEnd::Ended(state))
            } else {
                Consequence::Waits
            };
            let met = consequence == Consequence::Met;
            self.link(parent, child.place, met)?;
            left += i64::from(!met);
            if matches!(consequence, Consequence::Ends(_)) {
                self.mark(parent, ParentEnd::Ended(state))?;
            }
        }
        self.conn
            .prepare_cached("UPDATE job SET parents_left = ?2 WHERE place = ?1")?
            .execute([child.place, left])?;
        if left > 0 {
            return Ok(State::Blocked);
        }
        let due = child.spec.run_at.filter(|due| *due > now);
        let state = life::born(child.spec.run_at, now);
        self.conn
            .prepare_cached("UPDATE job SET waits = ?2, due_at = ?3 WHERE place = ?1")?
            .execute(params![child.place, waits(state), due.map(Timestamp::as_millis)])?;
        match due {
            Some(due) => self.enter_scheduled(child.place, due.as_millis())?,
            None => self.born_ready(child.queue, child.place)?,
        }
        self.count(child.queue, State::Blocked, -1);
        self.count(child.queue, state, 1);
        Ok(state)
    }

    fn link(&mut self, parent: i64, child: i64, met: bool) -> Tried<()> {
        self.conn
            .prepare_cached("INSERT OR REPLACE INTO edge (parent, child, met) VALUES (?1, ?2, ?3)")?
            .execute(params![parent, child, met])?;
        let tied = self
            .conn
            .prepare_cached("UPDATE job SET ties = ties | ?2 WHERE place = ?1 AND ties & ?2 = 0")?
            .execute([parent, EDGES])?;
        if tied > 0 {
            self.conn
                .prepare_cached("UPDATE running SET ties = ties | ?2 WHERE place = ?1")?
                .execute([parent, EDGES])?;
        }
        // Kept for the child, if it has ended already.
        Ok(self.set_expiry(parent)?)
    }

    fn unlink(&mut self, parent: i64, child: i64) -> Tried<()> {
        self.conn
            .prepare_cached("DELETE FROM edge WHERE parent = ?1 AND child = ?2")?
            .execute([parent, child])?;
        Ok(self.set_expiry(parent)?)
    }

    fn parents_of(&self, child: i64, limit: usize) -> rusqlite::Result<Vec<i64>> {
        let mut find =
            self.conn.prepare_cached("SELECT parent FROM edge WHERE child = ?1 ORDER BY parent LIMIT ?2")?;
        find.query_map(params![child, limit as i64], |row| row.get(0))?.collect()
    }

    /// Finds the parents of a job anew that shall be tried again; tells how many have not completed.
    pub(crate) fn relink(&mut self, place: i64, spec: &JobSpec) -> Tried<i64> {
        self.conn.prepare_cached("DELETE FROM mark WHERE place = ?1")?.execute([place])?;
        for parent in self.parents_of(place, usize::MAX >> 1)? {
            self.unlink(parent, place)?;
        }
        let (mut left, mut seen) = (0, HashSet::from([place]));
        for Parent { id, .. } in &spec.options.depends_on {
            let Some(parent) = self.place_of(id)?.filter(|parent| seen.insert(*parent)) else { continue };
            let Some(state) = self.state_of(parent)? else { continue };
            let met = state.is_end()
                && spec.options.on_parent_failure.consequence(ParentEnd::Ended(state)) == Consequence::Met;
            self.link(parent, place, met)?;
            left += i64::from(!met);
        }
        Ok(left)
    }

    fn first_mark(&self) -> rusqlite::Result<Option<(i64, ParentEnd, i64)>> {
        let mut find =
            self.conn.prepare_cached("SELECT place, ended, after FROM mark ORDER BY place LIMIT 1")?;
        find.query_row([], |row| Ok((row.get(0)?, read_end(row.get(1)?), row.get(2)?))).optional()
    }

    pub(crate) fn settle(&mut self, limit: usize, now: Timestamp) -> Tried<Kept> {
        let mut kept = Kept::default();
        let mut left = limit;
        while left > 0
            && let Some((place, end, after)) = self.first_mark()?
        {
            let parents = self.parents_of(place, left)?;
            for parent in &parents {
                self.unlink(*parent, place)?;
            }
            left -= parents.len();
            left -= self.tell_children(place, end, after, left, &mut kept, now)?;
            if left > 0 {
                self.conn.prepare_cached("DELETE FROM mark WHERE place = ?1")?.execute([place])?;
                left -= 1;
            }
        }
        kept.next = self.first_mark()?.map(|_| now);
        Ok(kept)
    }

    fn tell_children(
        &mut self,
        place: i64,
        end: ParentEnd,
        after: i64,
        limit: usize,
        kept: &mut Kept,
        now: Timestamp,
    ) -> Tried<usize> {
        let removed = end == ParentEnd::Removed;
        let children: Vec<(i64, bool)> = {
            let mut find = self.conn.prepare_cached(
                "SELECT child, met FROM edge WHERE parent = ?1 AND child > ?2 AND (?3 OR met = 0) ORDER BY child LIMIT ?4",
            )?;
            let rows = find.query_map(params![place, after, removed, limit as i64], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
            rows.collect::<rusqlite::Result<_>>()?
        };
        for (child, met) in &children {
            if removed {
                self.unlink(place, *child)?;
            }
            if !met {
                kept.moved.extend(self.tell_child(place, *child, end, now)?);
            }
        }
        if let Some((last, _)) = children.last() {
            self.conn
                .prepare_cached("UPDATE mark SET after = ?2 WHERE place = ?1")?
                .execute([place, *last])?;
        }
        Ok(children.len())
    }

    fn tell_child(
        &mut self,
        parent: i64,
        child: i64,
        end: ParentEnd,
        now: Timestamp,
    ) -> Tried<Option<Moved>> {
        if self.state_of(child)? != Some(State::Blocked) {
            return Ok(None);
        }
        let spec = self.spec_at(child)?;
        match spec.options.on_parent_failure.consequence(end) {
            Consequence::Waits => Ok(None),
            Consequence::Ends(by_move) => {
                let failed = by_move == Move::FailWithParent;
                let to = if failed { State::Failed } else { State::Cancelled };
                self.end_waiting(child, State::Blocked, to, Reason::ParentFailed, now)?;
                Ok(Some(self.moved(child, State::Blocked, to, Some(Reason::ParentFailed), None)?))
            }
            Consequence::Met => {
                self.conn
                    .prepare_cached("UPDATE edge SET met = 1 WHERE parent = ?1 AND child = ?2")?
                    .execute([parent, child])?;
                let mut count = self.conn.prepare_cached(
                    "UPDATE job SET parents_left = max(parents_left - 1, 0) WHERE place = ?1 RETURNING parents_left",
                )?;
                let left: i64 = count.query_row([child], |row| row.get(0))?;
                if left > 0 {
                    return Ok(None);
                }
                let to = self.release(child, &spec, now)?;
                Ok(Some(self.moved(child, State::Blocked, to, None, None)?))
            }
        }
    }

    fn release(&mut self, place: i64, spec: &JobSpec, now: Timestamp) -> Tried<State> {
        let queue = self.names.queue(self.conn, &spec.queue)?;
        let state = life::born(spec.run_at, now);
        let due = spec.run_at.filter(|_| state == State::Scheduled).map(Timestamp::as_millis);
        let turn = if due.is_none() { Some(self.next()?) } else { None };
        self.conn
            .prepare_cached(
                "UPDATE job SET waits = ?2, due_at = ?3, turn = coalesce(?4, turn) WHERE place = ?1",
            )?
            .execute(params![place, waits(state), due, turn])?;
        match due {
            Some(due) => self.enter_scheduled(place, due)?,
            None => self.rejoin(place, queue)?,
        }
        self.count(queue, State::Blocked, -1);
        self.count(queue, state, 1);
        Ok(state)
    }
}
