//! What operators do to many jobs at once, in bounded steps.

use std::time::Duration;

use longshore_core::limits::STEP_RECORDS_MAX;
use longshore_core::{
    Amended, Change, Event, EventName, Invalid, JobFilter, JobId, Page, QueueName, State, StoreResult,
};
use serde_json::json;

use super::{Batch, Control, ControlError, Refused, amended};

impl Batch {
    fn enter(&mut self, ids: Vec<JobId>, change: Change, answers: Vec<Amended>) {
        for (id, answer) in ids.into_iter().zip(answers) {
            match amended(&id, change, answer) {
                Ok(_) => {
                    self.changed += 1;
                    if self.ids.len() < STEP_RECORDS_MAX {
                        self.ids.push(id);
                    }
                }
                Err(error) if self.refused.len() < STEP_RECORDS_MAX => {
                    let (code, message) = (error.code().into(), error.to_string());
                    self.refused.push(Refused { id, code, message });
                }
                Err(_) => {}
            }
        }
    }
}

impl Control {
    /// Applies a change to these jobs of a queue, at most a thousand, in one step. A job of another queue is unknown here.
    pub async fn amend_these(
        &self,
        queue: &QueueName,
        ids: Vec<JobId>,
        change: Change,
    ) -> StoreResult<Batch> {
        if ids.len() > STEP_RECORDS_MAX {
            let expected = format!("at most {STEP_RECORDS_MAX} ids");
            return Err(Invalid::new("ids", expected, ids.len()).code("too_many").into());
        }
        let amend = async {
            let (mut own, mut batch) = (Vec::new(), Batch::default());
            for id in ids {
                match self.engine.look(&id).await? {
                    Some(job) if job.spec.queue == *queue => own.push(id),
                    _ => batch.enter(vec![id], change, vec![Amended::Unknown]),
                }
            }
            let answers = if own.is_empty() { Vec::new() } else { self.amend(own.clone(), change).await? };
            batch.enter(own, change, answers);
            Ok(batch)
        };
        let tell = |batch: &Batch| json!({ "queue": queue, "ids": batch.ids, "changed": batch.changed, "refused": batch.refused.len() });
        self.engine.audited(of_many(change), queue, amend, tell).await
    }

    /// Applies a change to the jobs of a queue that match, at most `most` of them.
    pub async fn amend_matching(
        &self,
        queue: &QueueName,
        filter: JobFilter,
        change: Change,
        most: usize,
    ) -> StoreResult<Batch> {
        let words = filter.to_string();
        let mut filter = filter.and(Some(queue.clone()), None, &[])?;
        if filter.states.is_empty() {
            filter.states = State::ALL.into_iter().filter(|state| is_for(change, *state)).collect();
        }
        let tell = |batch: &Batch| json!({ "queue": queue, "filter": words, "changed": batch.changed, "refused": batch.refused.len() });
        let amend = self.amend_all(filter, change, most);
        self.engine.audited(of_many(change), queue, amend, tell).await
    }

    /// Applies a change to the jobs that match, at most `most` of them, in bounded steps.
    pub async fn amend_all(&self, filter: JobFilter, change: Change, most: usize) -> StoreResult<Batch> {
        let mut batch = Batch::default();
        let Some(filter) = self.engine.caller().narrow(filter) else { return Ok(batch) };
        let mut after = None;
        loop {
            let limit = STEP_RECORDS_MAX.min(most - batch.changed);
            if limit == 0 {
                return Ok(batch);
            }
            let page = self.engine.store().list(filter.clone(), Page { after, limit }).await?;
            let ids: Vec<JobId> = page.jobs.iter().map(|job| job.id().clone()).collect();
            let answers = if ids.is_empty() { Vec::new() } else { self.amend(ids.clone(), change).await? };
            batch.enter(ids, change, answers);
            after = page.next;
            if after.is_none() {
                return Ok(batch);
            }
        }
    }

    /// Makes the jobs that match and have failed ready again, at most `most` of them.
    pub async fn retry_all(&self, filter: JobFilter, most: usize) -> StoreResult<Batch> {
        let filter = filter.and(None, None, &[State::Failed])?;
        let (queue, words) = (filter.queue.clone(), filter.to_string());
        let target = queue.map_or_else(|| "*".to_owned(), |queue| queue.to_string());
        let tell = |batch: &Batch| json!({ "filter": words, "changed": batch.changed, "refused": batch.refused.len() });
        self.engine.audited("dlq.retry", target, self.amend_all(filter, Change::Revive, most), tell).await
    }

    /// Removes the ready and blocked jobs of a queue, and with `scheduled` those that wait for a time.
    pub async fn drain(&self, queue: &QueueName, scheduled: bool) -> StoreResult<Batch> {
        let mut states = vec![State::Ready, State::Blocked];
        states.extend(scheduled.then_some(State::Scheduled));
        let filter = JobFilter { queue: Some(queue.clone()), states, ..JobFilter::default() };
        let drain = self.amend_all(filter, Change::Remove { force: false }, usize::MAX);
        let tell = |batch: &Batch| json!({ "scheduled": scheduled, "changed": batch.changed });
        let batch = self.engine.audited("queue.drain", queue, drain, tell).await?;
        let count = Some(batch.changed as u64);
        self.tell_of(queue, Event { count, ..Event::new(EventName::QueueDrained, self.now()) });
        Ok(batch)
    }

    /// Removes jobs of a queue that are in `state`, at most `most` of them; of those that have ended only what ended
    /// at least `grace` ago; others have none.
    pub async fn purge(
        &self,
        queue: &QueueName,
        state: State,
        grace: Duration,
        most: usize,
    ) -> StoreResult<Batch> {
        self.purge_those(queue, state, JobFilter::default(), grace, most).await
    }

    /// The same for those that match as well.
    pub async fn purge_those(
        &self,
        queue: &QueueName,
        state: State,
        filter: JobFilter,
        grace: Duration,
        most: usize,
    ) -> StoreResult<Batch> {
        if !grace.is_zero() && !state.is_end() {
            let expected = format!("none: a grace is for jobs that have ended, and {state} ones have not");
            return Err(Invalid::new("grace", expected, longshore_core::format_duration(grace)).into());
        }
        let before = Some(self.now() - grace).filter(|_| state.is_end() && !grace.is_zero());
        let words = filter.to_string();
        let filter = filter.and(Some(queue.clone()), None, &[state])?;
        let filter =
            JobFilter { finished_before: filter.finished_before.into_iter().chain(before).min(), ..filter };
        let action = if state == State::Failed { "dlq.remove" } else { "queue.purge" };
        let purge = self.amend_all(filter, Change::Remove { force: false }, most);
        let grace = longshore_core::format_duration(grace);
        let limit = Some(most).filter(|most| *most < usize::MAX);
        let tell = move |batch: &Batch| json!({ "state": state, "filter": words, "grace": grace, "limit": limit, "changed": batch.changed });
        self.engine.audited(action, queue, purge, tell).await
    }

    /// Removes everything of a queue: its jobs in all states, and its settings. Refused while jobs run, unless `force`
    /// takes their leases away.
    pub async fn obliterate(&self, queue: &QueueName, force: bool) -> Result<Batch, ControlError> {
        let tell = |batch: &Batch| json!({ "force": force, "changed": batch.changed });
        self.engine.audited("queue.obliterate", queue, self.remove_all(queue, force), tell).await
    }

    async fn remove_all(&self, queue: &QueueName, force: bool) -> Result<Batch, ControlError> {
        let running = self.queue(queue).await?.map_or(0, |info| info.counts.get(State::Running));
        if running > 0 && !force {
            return Err(ControlError::QueueBusy { queue: queue.clone(), running });
        }
        let filter = JobFilter { queue: Some(queue.clone()), ..JobFilter::default() };
        let batch = self.amend_all(filter, Change::Remove { force }, usize::MAX).await?;
        self.engine.store().remove_queue(queue.clone(), self.now()).await?;
        Ok(batch)
    }
}

/// Whether a change is meant for jobs in a state, if nobody says otherwise.
fn is_for(change: Change, state: State) -> bool {
    match change {
        Change::Cancel => !state.is_end(),
        Change::Revive => matches!(state, State::Failed | State::Cancelled),
        Change::Remove { force } => force || state != State::Running,
    }
}

/// The action under which an operation on many jobs is entered.
fn of_many(change: Change) -> &'static str {
    match change {
        Change::Cancel => "job.cancel",
        Change::Revive => "job.retry",
        Change::Remove { .. } => "job.remove",
    }
}
