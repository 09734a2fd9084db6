use longshore_core::life::{self, Move};
use longshore_core::limits::STEP_RECORDS_MAX;
use longshore_core::{
    Amended, Change, Invalid, JobId, Progress, QueueChange, QueueInfo, QueueName, Reason, State, StoreResult,
    Timestamp, Wake,
};

use crate::table::Table;

impl Table {
    pub(crate) fn amend(
        &mut self,
        ids: &[JobId],
        change: Change,
        now: Timestamp,
    ) -> StoreResult<Vec<Amended>> {
        if ids.len() > STEP_RECORDS_MAX {
            return Err(Invalid::new("ids", format!("at most {STEP_RECORDS_MAX} ids"), ids.len())
                .code("too_many")
                .into());
        }
        Ok(ids.iter().map(|id| self.amend_one(id, change, now)).collect())
    }

    fn amend_one(&mut self, id: &JobId, change: Change, now: Timestamp) -> Amended {
        let Some(place) = self.by_id.get(id).copied() else { return Amended::Unknown };
        let Some(state) = self.jobs.get(&place).map(|entry| entry.job.state) else { return Amended::Unknown };
        match change {
            Change::Cancel => self.cancel(place, state, now),
            Change::Revive => self.revive(place, state, now),
            Change::Remove { force } => self.take_away(place, state, force),
        }
    }

    fn cancel(&mut self, place: u64, state: State, now: Timestamp) -> Amended {
        if state == State::Running {
            self.orders.wake(Wake::Cancel);
            let Some(entry) = self.jobs.get_mut(&place) else { return Amended::Unknown };
            entry.job.cancel_requested = true;
            return Amended::Asked(Box::new(entry.job.clone()));
        }
        let to = self.step(place, Move::Cancel, now, |entry, _| {
            entry.job.run_at = None;
            entry.job.reason = Some(Reason::ByOperator);
        });
        self.answer(place, state, to)
    }

    fn revive(&mut self, place: u64, state: State, now: Timestamp) -> Amended {
        if life::allowed(state, Move::Revive).is_none() {
            return Amended::WrongState(state);
        }
        if let Some(rival) = self.rival(place, now) {
            return Amended::UniqueConflict(rival);
        }
        let left = self.relink(place, now);
        let by_move = if left > 0 { Move::ReviveBlocked } else { Move::Revive };
        let to = self.step(place, by_move, now, |entry, _| {
            let job = &mut entry.job;
            (job.attempt, job.stalls, job.parents_left) = (0, 0, left);
            // It waits although its parents have ended: somebody wants it to.
            job.reason = (left > 0).then_some(Reason::ByOperator);
            (job.started_at, job.finished_at, job.expires_at) = (None, None, None);
            (job.result, job.result_expired_at, job.worker) = (None, None, None);
            job.deadline_at = job.spec.options.ttl.map(|ttl| now + ttl.0);
            job.progress = Progress::default();
            (entry.last, entry.result_expires_at) = (None, None);
        });
        self.take_key(place, now);
        self.answer(place, state, to)
    }

    fn take_away(&mut self, place: u64, state: State, force: bool) -> Amended {
        let forced = state == State::Running && force;
        if life::allowed(state, Move::Remove).is_none() && !forced {
            return Amended::WrongState(state);
        }
        if forced {
            self.orders.wake(Wake::Cancel);
        }
        self.remove(place).map_or(Amended::Unknown, |job| Amended::Moved {
            job: Box::new(job),
            from: state,
            to: None,
        })
    }

    fn answer(&self, place: u64, before: State, to: Option<State>) -> Amended {
        match (to, self.jobs.get(&place)) {
            (Some(_), Some(entry)) => Amended::Moved { job: Box::new(entry.job.clone()), from: before, to },
            _ => Amended::WrongState(before),
        }
    }

    pub(crate) fn set_queue(&mut self, name: QueueName, change: &QueueChange) -> QueueInfo {
        let queue = self.orders.queues.entry(name.clone()).or_default();
        queue.paused = change.paused.unwrap_or(queue.paused);
        queue.retention = change.retention.over(queue.retention);
        queue.scan_interval = change.scan_interval.unwrap_or(queue.scan_interval);
        let limits = change.limits_after(&queue.limits);
        let anew = limits.is_some() || change.ageing.is_some();
        queue.ageing = change.ageing.unwrap_or(queue.ageing);
        queue.limits = limits.unwrap_or_else(|| std::mem::take(&mut queue.limits));
        if let Some(paused) = change.paused {
            let wake = if paused { Wake::Paused(name.clone()) } else { Wake::Ready(name.clone()) };
            self.orders.wake(wake);
        }
        if anew {
            self.line_up_anew(&name);
        }
        self.info(&name).unwrap_or_else(|| QueueInfo::new(name))
    }

    pub(crate) fn remove_queue(&mut self, name: &QueueName) -> bool {
        let empty = self.orders.queues.get(name).is_some_and(|queue| queue.counts.total() == 0);
        if empty {
            self.orders.queues.remove(name);
            self.orders.forget_counters(name);
        }
        empty
    }
}
