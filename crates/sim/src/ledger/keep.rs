use longshore_core::life::Move;
use longshore_core::{JobId, Kept, ParentEnd, Reason, State, Timestamp};

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

    /// A prune has removed this record.
    pub(crate) fn pruned(&mut self, id: &JobId, now: Timestamp) {
        let Some(life) = self.jobs.get(id) else { return };
        let over = Self::over_at(life);
        self.expect(over.is_some_and(|over| over <= now), || {
            format!("{id} was pruned, it stays until {}", when(over))
        });
        self.expect(!self.is_needed(id), || format!("{id} was pruned while a child waits"));
        self.expect(!self.holds_key(id, now), || format!("{id} was pruned while it holds a key"));
        self.tally.pruned += 1;
        self.forget(id, ParentEnd::Removed);
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
