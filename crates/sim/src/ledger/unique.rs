use longshore_core::{Inserted, JobId, JobSpec, QueueName, State, Timestamp};

use super::Ledger;

/// A unique key that is held.
#[derive(Clone, Debug)]
pub(super) struct Hold {
    by: JobId,
    /// Until then; none is until its job has ended.
    until: Option<Timestamp>,
}

impl Ledger {
    fn hold(&self, queue: &QueueName, key: &str, now: Timestamp) -> Option<Hold> {
        let hold = self.holds.get(&(queue.clone(), key.to_owned()))?;
        hold.until.is_none_or(|until| until > now).then(|| hold.clone())
    }

    /// Looks at the unique key of a new job; false if another job stands for it.
    pub(super) fn meet(&mut self, spec: &JobSpec, answer: &Inserted, now: Timestamp) -> bool {
        let id = &spec.id;
        let Some(unique) = &spec.options.unique else {
            self.expect(answer.replaced.is_none(), || format!("{id} has no key and replaced a job"));
            return true;
        };
        let Some(hold) = self.hold(&spec.queue, &unique.key, now) else {
            self.expect(answer.replaced.is_none(), || {
                format!("{id} replaced a job although its key was free")
            });
            return true;
        };
        let window = unique.ttl.map(|ttl| now + ttl.0);
        let until = if unique.extend { window } else { hold.until };
        let place = (spec.queue.clone(), unique.key.clone());
        if let Some(replaced) = &answer.replaced {
            let scheduled = self.jobs.get(replaced).is_some_and(|life| life.state == State::Scheduled);
            let right = unique.replace && scheduled && hold.by == *replaced && !answer.duplicate;
            self.expect(right, || format!("{id} replaced {replaced}, the key is with {hold:?}"));
            self.forget(replaced, longshore_core::ParentEnd::Removed);
            // The new job takes over the time of the key.
            self.holds.insert(place, Hold { by: id.clone(), until });
            return true;
        }
        let right = answer.duplicate && answer.id == hold.by;
        self.expect(right, || {
            format!("{id} was answered {answer:?}, the key {} is with {hold:?}", unique.key)
        });
        if hold.until.is_some() && until != hold.until {
            self.holds.insert(place, Hold { until, ..hold });
        }
        false
    }

    /// A new job holds its key from now on, unless it has just taken over the time of another.
    pub(super) fn take_key(&mut self, id: &JobId, now: Timestamp) {
        if !self.holds.values().any(|hold| hold.by == *id) {
            self.take_key_anew(id, now);
        }
    }

    /// A job holds its key, for its whole time from now on.
    pub(super) fn take_key_anew(&mut self, id: &JobId, now: Timestamp) {
        let Some(life) = self.jobs.get(id) else { return };
        let Some(unique) = &life.spec.options.unique else { return };
        let place = (life.spec.queue.clone(), unique.key.clone());
        let until = unique.ttl.map(|ttl| now + ttl.0);
        self.holds.insert(place, Hold { by: id.clone(), until });
    }

    /// The job has ended, or its record is gone.
    pub(super) fn give_back(&mut self, id: &JobId, gone: bool) {
        self.holds.retain(|_, hold| hold.by != *id || !gone && hold.until.is_some());
    }

    /// The other job that holds the key of this one.
    pub(super) fn rival(&self, id: &JobId, now: Timestamp) -> Option<JobId> {
        let spec = &self.jobs.get(id)?.spec;
        let hold = self.hold(&spec.queue, &spec.options.unique.as_ref()?.key, now)?;
        (hold.by != *id).then_some(hold.by)
    }

    /// Whether the job holds its key still.
    pub(super) fn holds_key(&self, id: &JobId, now: Timestamp) -> bool {
        let holds = |hold: &Hold| hold.by == *id && hold.until.is_none_or(|until| until > now);
        self.holds.values().any(holds)
    }

    /// An operator has freed a key.
    pub(crate) fn freed(&mut self, queue: &QueueName, key: &str, answer: Option<&JobId>, now: Timestamp) {
        let owner = self.hold(queue, key, now).map(|hold| hold.by);
        self.expect(owner.as_ref() == answer, || {
            format!("the key {key} was with {owner:?}, freeing it answered {answer:?}")
        });
        self.holds.remove(&(queue.clone(), key.to_owned()));
    }
}
