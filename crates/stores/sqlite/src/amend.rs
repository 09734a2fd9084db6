use longshore_core::life::{self, Move};
use longshore_core::limits::STEP_RECORDS_MAX;
use longshore_core::{
    Amended, Change, Invalid, JobId, QueueChange, QueueInfo, QueueName, Reason, State, Timestamp, Wake,
};
use rusqlite::{OptionalExtension, params};

use crate::error::Tried;
use crate::history::Attempt;
use crate::insert::waits;
use crate::look;
use crate::rows::IdValue;
use crate::tx::Tx;
use crate::unique;

impl Tx<'_> {
    pub(crate) fn amend(&mut self, ids: &[JobId], change: Change, now: Timestamp) -> Tried<Vec<Amended>> {
        if ids.len() > STEP_RECORDS_MAX {
            return Err(Invalid::new("ids", format!("at most {STEP_RECORDS_MAX} ids"), ids.len())
                .code("too_many")
                .into());
        }
        ids.iter().map(|id| self.amend_one(id, change, now)).collect()
    }

    fn amend_one(&mut self, id: &JobId, change: Change, now: Timestamp) -> Tried<Amended> {
        let mut find = self.conn.prepare_cached("SELECT place, queue, waits FROM job WHERE id = ?1")?;
        let found = find
            .query_row([IdValue::of(id)], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
        let Some((place, queue, waiting)) = found else { return Ok(Amended::Unknown) };
        let state = self.state(place, queue, waiting)?;
        match change {
            Change::Cancel if state == State::Running => {
                self.conn
                    .prepare_cached("UPDATE running SET cancel = 1 WHERE place = ?1")?
                    .execute([place])?;
                self.wake(Wake::Cancel);
                let job = look::job_at(self.conn, place)?;
                Ok(job.map_or(Amended::Unknown, |job| Amended::Asked(Box::new(job))))
            }
            Change::Cancel if life::allowed(state, Move::Cancel).is_some() => {
                self.end_waiting(place, state, State::Cancelled, Reason::ByOperator, now)?;
                self.amended(place, state, State::Cancelled)
            }
            Change::Revive if life::allowed(state, Move::Revive).is_some() => {
                self.revive(place, queue, state, now)
            }
            Change::Remove { force } => self.take_away(place, queue, state, force),
            Change::Cancel | Change::Revive => Ok(Amended::WrongState(state)),
        }
    }

    fn amended(&self, place: i64, from: State, to: State) -> Tried<Amended> {
        let job = look::job_at(self.conn, place)?;
        Ok(job.map_or(Amended::Unknown, |job| Amended::Moved { job: Box::new(job), from, to: Some(to) }))
    }

    /// Ends a job that waits.
    pub(crate) fn end_waiting(
        &mut self,
        place: i64,
        from: State,
        to: State,
        reason: Reason,
        now: Timestamp,
    ) -> Tried<()> {
        let mut find = self.conn.prepare_cached("SELECT queue, ties FROM job WHERE place = ?1")?;
        let (queue, ties) = find.query_row([place], |row| Ok((row.get(0)?, row.get(1)?)))?;
        self.leave_line(place, queue, from)?;
        let wishes = self.wishes(place)?;
        let expires_at = self.expires_at(queue, to, wishes, now)?;
        self.conn
            .prepare_cached(
                "INSERT INTO ended (queue, state, place, attempt, stalls, started_at, finished_at, expires_at, reason, worker)
                 SELECT queue, ?2, place, attempt, stalls, started_at, ?3, ?4, ?5, worker FROM job WHERE place = ?1",
            )?
            .execute(params![place, to as i64, now.as_millis(), expires_at, reason.as_str()])?;
        if to == State::Failed {
            self.count_failure(place, queue, reason, None)?;
        }
        self.tied_end(place, ties, to)?;
        self.count(queue, from, -1);
        self.count(queue, to, 1);
        Ok(())
    }

    /// Takes a waiting job out of the order it stands in.
    fn leave_line(&mut self, place: i64, queue: i64, state: State) -> Tried<()> {
        match state {
            State::Ready => self.leave_ready(queue, place)?,
            State::Scheduled => {
                self.conn
                    .prepare_cached("DELETE FROM scheduled WHERE place = ?1 AND due_at = (SELECT due_at FROM job WHERE place = ?1)")?
                    .execute([place])?;
                self.conn
                    .prepare_cached("UPDATE job SET due_at = NULL WHERE place = ?1")?
                    .execute([place])?;
            }
            _ => {}
        }
        Ok(self.leave_expiring(place)?)
    }

    fn revive(&mut self, place: i64, queue: i64, state: State, now: Timestamp) -> Tried<Amended> {
        let spec = self.spec_at(place)?;
        if let Some(unique) = &spec.options.unique
            && let Some(rival) = self.rival(place, queue, &unique.key, now)?
        {
            return Ok(Amended::UniqueConflict(rival));
        }
        if state == State::Failed {
            self.uncount_failure(place, queue)?;
        }
        let left = self.relink(place, &spec)?;
        let to = if left > 0 { State::Blocked } else { State::Ready };
        self.conn
            .prepare_cached("DELETE FROM ended WHERE queue = ?1 AND state = ?2 AND place = ?3")?
            .execute([queue, state as i64, place])?;
        let turn = self.next()?;
        self.conn
            .prepare_cached(
                "UPDATE job SET waits = ?2, due_at = NULL, turn = ?3, attempt = 0, stalls = 0, reason = ?6, worker = NULL,
                 started_at = NULL, last_nonce = NULL, last_way = NULL, last_state = NULL, parents_left = ?4, deadline_at = ?5
                 WHERE place = ?1",
            )?
            .execute(params![
                place,
                waits(to),
                turn,
                left,
                spec.options.ttl.map(|ttl| (now + ttl.0).as_millis()),
                // It waits although its parents have ended: somebody wants it to.
                (left > 0).then_some(Reason::ByOperator.as_str())
            ])?;
        self.conn
            .prepare_cached(
                "UPDATE detail SET percent = NULL, message = NULL, data = NULL, result = NULL, result_expires_at = NULL,
                 result_expired_at = NULL WHERE place = ?1",
            )?
            .execute([place])?;
        if to == State::Ready {
            self.rejoin(place, queue)?;
        }
        self.enter_expiring(place)?;
        if let Some(unique) = &spec.options.unique {
            self.take_key(place, queue, unique, unique::window(unique, now))?;
        }
        self.count(queue, state, -1);
        self.count(queue, to, 1);
        self.amended(place, state, to)
    }

    fn take_away(&mut self, place: i64, queue: i64, state: State, force: bool) -> Tried<Amended> {
        let forced = state == State::Running && force;
        if life::allowed(state, Move::Remove).is_none() && !forced {
            return Ok(Amended::WrongState(state));
        }
        if forced {
            self.wake(Wake::Cancel);
        }
        let job = look::job_at(self.conn, place)?;
        self.remove(place, queue, state)?;
        Ok(job.map_or(Amended::Unknown, |job| Amended::Moved { job: Box::new(job), from: state, to: None }))
    }

    /// Takes a job out of its order, and its record away.
    pub(crate) fn remove(&mut self, place: i64, queue: i64, state: State) -> Tried<()> {
        let ties = self.ties(place)?;
        if ties != 0 {
            self.tied_removal(place, ties)?;
        }
        match state {
            State::Running => {
                if let Some(attempt) = Attempt::held(self.conn, place, None)? {
                    self.stop_running(&attempt)?;
                }
            }
            state if state.is_end() => {
                if state == State::Failed {
                    self.uncount_failure(place, queue)?;
                }
                self.conn
                    .prepare_cached("DELETE FROM ended WHERE queue = ?1 AND state = ?2 AND place = ?3")?
                    .execute([queue, state as i64, place])?;
            }
            waiting => self.leave_line(place, queue, waiting)?,
        }
        self.conn.prepare_cached("DELETE FROM detail WHERE place = ?1")?.execute([place])?;
        self.conn.prepare_cached("DELETE FROM job WHERE place = ?1")?.execute([place])?;
        if state != State::Running {
            self.count(queue, state, -1);
        }
        Ok(())
    }

    pub(crate) fn amend_queue(&mut self, name: &QueueName, change: &QueueChange) -> Tried<QueueInfo> {
        let number = self.queue_number(name)?;
        let mut queue = (*self.queue(number)?).clone();
        queue.paused = change.paused.unwrap_or(queue.paused);
        queue.retention = change.retention.over(queue.retention);
        let settings = &mut queue.settings;
        settings.scan_interval = change.scan_interval.unwrap_or(settings.scan_interval);
        settings.ageing = change.ageing.unwrap_or(settings.ageing);
        let limits = change.limits_after(&settings.limits);
        let anew = limits.is_some() || change.ageing.is_some();
        settings.limits = limits.unwrap_or_else(|| std::mem::take(&mut settings.limits));
        self.set_queue(number, &queue)?;
        if anew {
            self.begin_era(number)?;
        }
        if let Some(paused) = change.paused {
            self.wake(if paused { Wake::Paused(name.clone()) } else { Wake::Ready(name.clone()) });
        }
        self.write_counts()?;
        Ok(look::queue_info(self.conn, number, name.clone())?)
    }

    pub(crate) fn remove_queue(&mut self, name: &QueueName) -> Tried<bool> {
        let number = self.names.queue(self.conn, name)?;
        self.write_counts()?;
        let jobs: Option<i64> = self
            .conn
            .prepare_cached("SELECT sum(jobs) FROM count WHERE queue = ?1")?
            .query_row([number], |row| row.get(0))?;
        if jobs.unwrap_or(0) > 0 {
            return Ok(false);
        }
        self.conn.prepare_cached("DELETE FROM count WHERE queue = ?1")?.execute([number])?;
        self.conn.prepare_cached("DELETE FROM bucket WHERE queue = ?1")?.execute([number])?;
        let there = self.conn.prepare_cached("DELETE FROM queue WHERE id = ?1")?.execute([number])? > 0;
        self.forget_queue(number);
        Ok(there)
    }
}
