//! Unique keys and who holds them.

use std::collections::HashMap;

use longshore_core::{JobId, JobSpec, QueueName, State, Timestamp, Unique};

use crate::table::Table;

#[derive(Default)]
pub(crate) struct Uniques(HashMap<(QueueName, String), Hold>);

/// A key that is held.
#[derive(Clone, Copy)]
pub(crate) struct Hold {
    pub(crate) place: u64,
    /// Until then, whatever becomes of the job; none is until it has ended.
    pub(crate) until: Option<Timestamp>,
}

fn key(spec: &JobSpec) -> Option<(QueueName, String)> {
    spec.options.unique.as_ref().map(|unique| (spec.queue.clone(), unique.key.clone()))
}

/// When the time of a key ends that is taken now.
fn window(unique: &Unique, now: Timestamp) -> Option<Timestamp> {
    unique.ttl.map(|ttl| now + ttl.0)
}

/// What an insert with a unique key meets.
pub(crate) enum Meets {
    /// Nobody holds the key.
    Nobody,
    /// This job, which stays.
    Holder(u64),
    /// This job, which is to be removed; the key is then held until that time.
    Replaceable(u64, Option<Timestamp>),
}

impl Table {
    fn hold(&self, key: &(QueueName, String), now: Timestamp) -> Option<Hold> {
        self.uniques.0.get(key).copied().filter(|hold| hold.until.is_none_or(|until| until > now))
    }

    /// Looks at the unique key of a job that is about to be inserted.
    pub(crate) fn meet(&mut self, spec: &JobSpec, now: Timestamp) -> Meets {
        let (Some(unique), Some(key)) = (&spec.options.unique, key(spec)) else { return Meets::Nobody };
        let Some(hold) = self.hold(&key, now) else { return Meets::Nobody };
        let until = if unique.extend { window(unique, now) } else { hold.until };
        let scheduled = self.jobs.get(&hold.place).is_some_and(|owner| owner.job.state == State::Scheduled);
        if unique.replace && scheduled {
            return Meets::Replaceable(hold.place, until);
        }
        if until != hold.until && hold.until.is_some() {
            self.uniques.0.insert(key, Hold { until, ..hold });
            self.set_expiry(hold.place, now);
        }
        Meets::Holder(hold.place)
    }

    /// Gives the key to a job, for the time that it asks for.
    pub(crate) fn take_key(&mut self, place: u64, now: Timestamp) {
        let unique = self.jobs.get(&place).and_then(|entry| entry.job.spec.options.unique.as_ref());
        let until = unique.and_then(|unique| window(unique, now));
        self.take_key_until(place, until, now);
    }

    /// Gives the key to a job until then, or until it has ended.
    pub(crate) fn take_key_until(&mut self, place: u64, until: Option<Timestamp>, now: Timestamp) {
        let Some(spec) = self.jobs.get(&place).map(|entry| entry.job.spec.clone()) else { return };
        let Some(key) = key(&spec) else { return };
        if let Some(before) = self.uniques.0.insert(key, Hold { place, until }) {
            self.set_expiry(before.place, now);
        }
    }

    /// The other job that holds the key of this one.
    pub(crate) fn rival(&self, place: u64, now: Timestamp) -> Option<JobId> {
        let hold = self.hold(&key(&self.jobs.get(&place)?.job.spec)?, now)?;
        self.jobs.get(&hold.place).filter(|_| hold.place != place).map(|owner| owner.job.id().clone())
    }

    /// How long this job holds its key beyond its end.
    pub(crate) fn held_until(&self, place: u64, spec: &JobSpec) -> Option<Timestamp> {
        self.uniques.0.get(&key(spec)?).filter(|hold| hold.place == place)?.until
    }

    /// The job has ended (`gone`: its record too), so it gives its key back unless that is held for a time.
    pub(crate) fn give_back(&mut self, place: u64, spec: &JobSpec, gone: bool) {
        let Some(key) = key(spec) else { return };
        let returns = |hold: &Hold| hold.place == place && (gone || hold.until.is_none());
        if self.uniques.0.get(&key).is_some_and(returns) {
            self.uniques.0.remove(&key);
        }
    }

    pub(crate) fn free_unique(&mut self, queue: QueueName, key: String, now: Timestamp) -> Option<JobId> {
        let owner = self.unique_owner(queue.clone(), key.clone(), now);
        if let Some(hold) = self.uniques.0.remove(&(queue, key)) {
            self.set_expiry(hold.place, now);
        }
        owner
    }

    pub(crate) fn unique_owner(&self, queue: QueueName, key: String, now: Timestamp) -> Option<JobId> {
        let hold = self.hold(&(queue, key), now)?;
        self.jobs.get(&hold.place).map(|owner| owner.job.id().clone())
    }
}
