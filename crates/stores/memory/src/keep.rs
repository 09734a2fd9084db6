use longshore_core::life::Move;
use longshore_core::{JobError, Kept, Progress, Reason, Timestamp};

use crate::table::Table;

impl Table {
    pub(crate) fn promote(&mut self, limit: usize, now: Timestamp) -> Kept {
        let mut kept = Kept::default();
        while kept.moved.len() < limit
            && let Some((due, place)) = self.orders.scheduled.first().copied()
            && due <= now
        {
            self.step(place, Move::Promote, |entry, _, _| {
                entry.job.run_at = None;
                entry.job.reason = None;
            });
            kept.moved.extend(self.moved(place));
        }
        kept.next = next(now, self.orders.scheduled.first().map(|(due, _)| *due));
        kept
    }

    pub(crate) fn reclaim(&mut self, limit: usize, stalls_max: u32, now: Timestamp) -> Kept {
        let mut kept = Kept::default();
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
            self.step(place, by_move, |entry, to, retention| {
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
                if to.is_end() {
                    let options = entry.job.spec.options.clone();
                    Self::retain(&options, retention, entry, to, now);
                }
            });
            kept.moved.extend(self.moved(place));
        }
        kept.next = next(now, self.orders.leased.first().map(|(until, _)| *until));
        kept
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
        while kept.removed < limit
            && let Some((over, place)) = self.orders.ended.first().copied()
            && over <= now
        {
            self.remove(place);
            kept.removed += 1;
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
