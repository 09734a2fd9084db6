use longshore_core::life::Move;
use longshore_core::{JobId, Kept, ParentEnd, Reason, Retention, State, Timestamp};

use super::{Ledger, when};

impl Ledger {
    /// The store has made due jobs ready.
    pub(crate) fn promoted(&mut self, kept: &Kept, limit: usize, now: Timestamp) {
        self.bounded("promote", kept, limit);
        for moved in &kept.moved {
            let id = &moved.spec.id;
            let due = self.jobs.get(id).and_then(|life| life.run_at);
            self.expect(due.is_some_and(|due| due <= now), || {
                format!("{id} was promoted, it is due at {}", when(due))
            });
            self.step(id, Move::Promote, Some(moved.state), now);
        }
    }

    /// The store has ended what waited too long.
    pub(crate) fn expired(&mut self, kept: &Kept, limit: usize, now: Timestamp) {
        self.bounded("expire", kept, limit);
        for moved in &kept.moved {
            let id = &moved.spec.id;
            let over = self.jobs.get(id).and_then(|life| life.deadline);
            let right = over.is_some_and(|over| over <= now) && moved.reason == Some(Reason::Expired);
            self.expect(right, || {
                format!("{id} expired for {:?}, its deadline is {}", moved.reason, when(over))
            });
            self.step(id, Move::Expire, Some(moved.state), now);
            self.tally.expired += 1;
        }
    }

    /// The store has taken back lost leases.
    pub(crate) fn reclaimed(&mut self, kept: &Kept, limit: usize, stalls_max: u32, now: Timestamp) {
        self.bounded("reclaim", kept, limit);
        // The clock may have been set back.
        for held in self.jobs.values_mut().filter_map(|life| life.held.as_mut()) {
            if held.until > now + 2 * held.lease {
                held.until = now + 2 * held.lease;
            }
        }
        for moved in &kept.moved {
            let id = &moved.spec.id;
            self.tally.reclaimed += 1;
            let Some(life) = self.jobs.get_mut(id) else {
                self.find(format!("{id} was taken back, and is not there"));
                continue;
            };
            let until = life.held.as_ref().map(|held| held.until);
            life.stalls += 1;
            life.last = None;
            let by_move = match () {
                () if life.cancel => Move::Cancel,
                () if life.stalls >= stalls_max => Move::Quarantine,
                () => Move::Reclaim,
            };
            if by_move == Move::Reclaim {
                life.attempt = life.attempt.saturating_sub(1);
            }
            self.expect(until.is_some_and(|until| until <= now), || {
                format!("the lease on {id} was taken back, it lasts until {}", when(until))
            });
            self.step(id, by_move, Some(moved.state), now);
        }
    }

    fn bounded(&mut self, what: &str, kept: &Kept, limit: usize) {
        let moved = kept.moved.len();
        self.expect(moved <= limit, || format!("one {what} moved {moved} jobs, {limit} were allowed"));
    }

    /// The jobs that a prune may have removed.
    pub(crate) fn ended_jobs(&self) -> Vec<JobId> {
        self.jobs.iter().filter(|(_, life)| life.state.is_end()).map(|(id, _)| id.clone()).collect()
    }

    /// A prune has removed these records.
    pub(crate) fn pruned(&mut self, gone: &[JobId], now: Timestamp) {
        let early: Vec<&JobId> = gone.iter().filter(|id| !self.is_over(id, now)).collect();
        let wrong: Vec<String> = early.iter().filter_map(|id| self.went_too_early(id, gone)).collect();
        self.find_all(wrong);
        for id in gone {
            self.expect(!self.is_needed(id), || format!("{id} was pruned while a child waits"));
            self.expect(!self.holds_key(id, now), || format!("{id} was pruned while it holds a key"));
            self.tally.pruned += 1;
            self.forget(id, ParentEnd::Removed);
        }
    }

    fn is_over(&self, id: &JobId, now: Timestamp) -> bool {
        self.jobs.get(id).and_then(Self::over_at).is_some_and(|over| over <= now)
    }

    /// Why a job did not have to go that was pruned before its time.
    fn went_too_early(&self, id: &JobId, gone: &[JobId]) -> Option<String> {
        let life = self.jobs.get(id)?;
        let (queue, over) = (&life.spec.queue, Self::over_at(life));
        let like = |other: &&JobId| {
            self.jobs.get(*other).is_some_and(|other| other.state == life.state && other.spec.queue == *queue)
        };
        let most = self.most.get(queue).copied().unwrap_or_else(|| Retention::default().most);
        let (all, went) = (self.jobs.keys().filter(like).count(), gone.iter().filter(like).count());
        if (all - went) < most as usize {
            let state = life.state;
            return Some(format!(
                "{id} was pruned, it stays until {}; {queue} had {all} {state}, keeps {most}, lost {went}",
                when(over)
            ));
        }
        // What others needed, and what held a key, may stay longer.
        let first = self.jobs.keys().filter(like).filter(|other| !gone.contains(other)).find(|other| {
            let plain = self.jobs.get(*other).filter(|other| other.spec.options.unique.is_none());
            !self.parents.contains(*other) && plain.is_some_and(|other| Self::over_at(other) < over)
        })?;
        Some(format!("{id} was pruned before {first}, which would have gone first"))
    }

    /// Compares a whole listing with the model.
    pub(crate) fn compare(&mut self, jobs: &[longshore_core::Job]) {
        let missing: Vec<String> = self
            .jobs
            .keys()
            .filter(|id| !jobs.iter().any(|job| job.id() == *id))
            .map(|id| format!("{id} is in no listing"))
            .collect();
        self.find_all(missing);
        for job in jobs {
            self.verify(job.id(), Some(job));
        }
    }

    /// Why a job that has not ended may go on waiting, once everything else was worked off.
    pub(crate) fn excuse(&self, id: &JobId) -> Option<String> {
        let life = self.jobs.get(id)?;
        let queue = &life.spec.queue;
        match life.state {
            State::Blocked => self.blocked_by(life).map(|parent| format!("it waits for {parent}")),
            State::Ready if self.paused.contains(queue) => Some(format!("{queue} is paused")),
            State::Ready if self.never_starts(life) => Some("its limit lets nothing start".to_owned()),
            _ => None,
        }
    }
}
