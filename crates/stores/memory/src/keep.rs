use std::collections::BTreeMap;

use longshore_core::life::Move;
use longshore_core::{JobError, Kept, Progress, QueueName, Reason, State, Timestamp};

use crate::table::Table;

impl Table {
    pub(crate) fn promote(&mut self, limit: usize, now: Timestamp) -> Kept {
        let mut kept = Kept::default();
        while kept.moved.len() < limit
            && let Some((due, place)) = self.orders.scheduled.first().copied()
            && due <= now
        {
            self.step(place, Move::Promote, now, |entry, _| {
                entry.job.run_at = None;
                entry.job.reason = None;
            });
            kept.moved.extend(self.moved(place, State::Scheduled));
        }
        kept.next = next(now, self.orders.scheduled.first().map(|(due, _)| *due));
        kept
    }

    pub(crate) fn expire(&mut self, limit: usize, now: Timestamp) -> Kept {
        let mut kept = Kept::default();
        while kept.moved.len() < limit
            && let Some((deadline, place)) = self.orders.expiring.first().copied()
            && deadline <= now
        {
            let from = self.jobs.get(&place).map_or(State::Ready, |entry| entry.job.state);
            self.step(place, Move::Expire, now, |entry, _| {
                entry.job.run_at = None;
                entry.job.reason = Some(Reason::Expired);
            });
            kept.moved.extend(self.moved(place, from));
        }
        kept.next = next(now, self.orders.expiring.first().map(|(deadline, _)| *deadline));
        kept
    }

    pub(crate) fn reclaim(&mut self, limit: usize, stalls_max: u32, now: Timestamp) -> Kept {
        let mut kept = Kept::default();
        self.shorten_leases(now);
        while kept.moved.len() < limit
            && let Some((until, place)) = self.orders.leased.first().copied()
            && until <= now
        {
            self.orders.wake(longshore_core::Wake::Cancel);
            let Some(entry) = self.jobs.get(&place) else { break };
            let by_move = if entry.job.cancel_requested {
                Move::Cancel
            } else if entry.job.stalls.saturating_add(1) >= stalls_max {
                Move::Quarantine
            } else {
                Move::Reclaim
            };
            self.step(place, by_move, now, |entry, _| {
                entry.last = None;
                entry.job.stalls += 1;
                entry.job.cancel_requested = false;
                match by_move {
                    Move::Cancel => entry.job.reason = Some(Reason::ByOperator),
                    Move::Quarantine => {
                        let error = JobError::new(&format!(
                            "its lease was lost {} times by dying workers",
                            entry.job.stalls
                        ));
                        crate::work::keep_error(&mut entry.job, &error, Reason::Stalled, now);
                        entry.job.reason = Some(Reason::Stalled);
                    }
                    _ => {
                        entry.job.attempt -= 1;
                        entry.job.progress = Progress::default();
                    }
                }
            });
            kept.moved.extend(self.moved(place, State::Running));
        }
        kept.next = next(now, self.orders.leased.first().map(|(until, _)| *until));
        kept
    }

    /// A clock that was set back must not keep the jobs of the dead.
    fn shorten_leases(&mut self, now: Timestamp) {
        for (until, place) in self.orders.leased.clone() {
            let Some(entry) = self.jobs.get_mut(&place).filter(|entry| until > now + 2 * entry.lease) else {
                continue;
            };
            entry.lease_until = now + 2 * entry.lease;
            self.orders.leased.remove(&(until, place));
            self.orders.leased.insert((entry.lease_until, place));
        }
    }

    /// Ended jobs whose time is over, or that are more than their queue keeps of their state.
    fn ended_too_long(&self, limit: usize, now: Timestamp) -> Vec<u64> {
        let mut surplus: BTreeMap<(&QueueName, State), u64> = BTreeMap::new();
        for (name, queue) in &self.orders.queues {
            for state in State::ALL.into_iter().filter(|state| state.is_end()) {
                let more = queue.counts.get(state).saturating_sub(queue.retention.most);
                surplus.extend((more > 0).then_some(((name, state), more)));
            }
        }
        let mut places = Vec::new();
        for (over, place) in self.orders.ended.iter().filter(|(over, _)| *over < Timestamp::MAX) {
            if places.len() == limit || (*over > now && surplus.is_empty()) {
                break;
            }
            let Some(job) = self.jobs.get(place).map(|entry| &entry.job) else { continue };
            if *over > now && self.held_until(*place, &job.spec).is_some_and(|until| until > now) {
                continue;
            }
            let key = (&job.spec.queue, job.state);
            let more = surplus.get(&key).copied();
            match more {
                Some(1) => drop(surplus.remove(&key)),
                Some(more) => drop(surplus.insert(key, more - 1)),
                None if *over > now => continue,
                None => {}
            }
            places.push(*place);
        }
        places
    }

    pub(crate) fn prune(&mut self, limit: usize, now: Timestamp) -> Kept {
        let mut kept = Kept::default();
        while kept.removed < limit
            && let Some((over, place)) = self.orders.results.first().copied()
            && over <= now
        {
            self.orders.results.pop_first();
            if let Some(entry) = self.jobs.get_mut(&place) {
                entry.result_expires_at = None;
                entry.job.result = None;
                entry.job.result_expired_at = Some(now);
            }
            kept.removed += 1;
        }
        for place in self.ended_too_long(limit - kept.removed, now) {
            self.remove(place);
            kept.removed += 1;
        }
        if kept.removed == limit && !self.ended_too_long(1, now).is_empty() {
            kept.next = Some(now);
            return kept;
        }
        let first = self
            .orders
            .results
            .first()
            .into_iter()
            .chain(self.orders.ended.first())
            .map(|(over, _)| *over)
            .min();
        kept.next = next(now, first);
        kept
    }
}

/// When to be called next: at once if something is due already.
pub(crate) fn next(now: Timestamp, first: Option<Timestamp>) -> Option<Timestamp> {
    first.filter(|due| *due < Timestamp::MAX).map(|due| due.max(now))
}
