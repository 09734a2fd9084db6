use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use longshore_clock::Deadline;
use longshore_core::limit::check_keys;
use longshore_core::{
    Doc, Event, EventName, Expect, Invalid, JobId, JobSpec, KindName, Put, ScheduleName, State, StoreError,
    StoreResult, Timestamp,
};

use serde_json::{Value, json};

use super::{Rule, Schedule, ScheduleRecord, Standing};
use crate::client::Receipt;
use crate::engine::Engine;
use crate::once::OnceKey;

/// Where schedules stand in the store.
const PREFIX: &str = "schedule/";
/// The log that rings when one was changed.
pub(super) const LOG: &str = "schedules";
const LOG_KEPT: usize = 1_000;
const PAGE: usize = 500;
/// How often a change is tried anew that met another one.
const TRIES: usize = 20;
/// Schedules in one store; several processes that add some in the same seconds may pass it a little.
const SCHEDULES_MAX: usize = 10_000;
/// How long a count of them is good, together with what is added here.
const COUNTED_FOR: Duration = Duration::from_secs(10);

/// How many schedules there are.
pub(crate) struct Counted {
    count: usize,
    until: Deadline,
}

/// Why an operation on a schedule did not happen.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// There is no such schedule.
    #[error("there is no schedule {0}")]
    Unknown(ScheduleName),
    /// The store did not do it, or the schedule was refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Invalid> for ScheduleError {
    fn from(error: Invalid) -> Self {
        Self::Store(error.into())
    }
}

/// The way in for schedules. Cheap to clone.
#[derive(Clone)]
pub struct Schedules {
    engine: Engine,
}

pub(super) fn key(name: &ScheduleName) -> String {
    format!("{PREFIX}{name}")
}

/// Reads a stored schedule. One that cannot be read is none: a newer program may have written it.
pub(super) fn read(doc: &Doc) -> Option<ScheduleRecord> {
    serde_json::from_slice(&doc.value)
        .inspect_err(
            |error| tracing::error!(key = doc.key, %error, "a schedule cannot be read and does not fire"),
        )
        .ok()
}

pub(super) fn write(record: &ScheduleRecord) -> StoreResult<Bytes> {
    let text = serde_json::to_vec(record);
    let text = text.map_err(|error| Invalid::new("schedule", "a schedule that JSON can hold", error))?;
    Ok(Bytes::from(text))
}

/// A stored schedule as people see it; one that cannot be read is paused.
fn shown(doc: &Doc) -> Option<ScheduleRecord> {
    let error = match serde_json::from_slice(&doc.value) {
        Ok(record) => return Some(record),
        Err(error) => error,
    };
    let name = ScheduleName::new(doc.key.strip_prefix(PREFIX)?).ok()?;
    let unknown = Schedule::new(name, Rule::every(Duration::ZERO), KindName::new("unknown").ok()?);
    let reason = format!("this version cannot read it: {error}");
    let standing = Standing { paused: true, reason: Some(reason), ..Standing::default() };
    Some(ScheduleRecord { schedule: unknown, standing })
}

/// Every stored schedule that can be read, with the version of its document.
pub(super) async fn all(engine: &Engine) -> StoreResult<Vec<(u64, ScheduleRecord)>> {
    Ok(docs(engine).await?.iter().filter_map(|doc| Some((doc.version, read(doc)?))).collect())
}

async fn docs(engine: &Engine) -> StoreResult<Vec<Doc>> {
    let (mut found, mut after) = (Vec::new(), None::<String>);
    loop {
        let docs = engine.store().doc_list(PREFIX, after.as_deref(), PAGE, engine.now()).await?;
        after = docs.last().map(|doc| doc.key.clone());
        let is_last = docs.len() < PAGE;
        found.extend(docs);
        if is_last {
            return Ok(found);
        }
    }
}

impl Schedules {
    pub(crate) fn new(engine: Engine) -> Self {
        Self { engine }
    }

    /// Adds a schedule, or changes the one with this name; a changed rule begins anew.
    ///
    /// Its jobs belong to its owner; to the caller, if it names none.
    pub async fn put(&self, mut schedule: Schedule) -> Result<ScheduleRecord, ScheduleError> {
        schedule.owner = schedule.owner.or_else(|| self.engine.caller().name().cloned());
        let name = schedule.name.clone();
        let is_known = self.get(&name).await.is_ok();
        let action = if is_known { "schedule.change" } else { "schedule.create" };
        self.engine.audited(action, &name, Box::pin(self.enter(schedule)), of_schedule).await
    }

    /// Repeats a typed job: adds the schedule that kind, rule and args name, or finds it there.
    pub async fn add_repeatable<J: crate::Job>(
        &self,
        rule: Rule,
        job: &J,
    ) -> Result<ScheduleRecord, ScheduleError> {
        self.put(Schedule::repeatable(rule, job)?).await
    }

    async fn enter(&self, schedule: Schedule) -> Result<ScheduleRecord, ScheduleError> {
        schedule.check()?;
        let job = schedule.job(JobId::from_u128(0), None);
        crate::identity::check_key("unique.key", &job)?;
        let limits = self.engine.store().queue(schedule.queue.clone()).await?.map(|info| info.limits);
        let kinds = self.engine.store().kinds().await?;
        let kind = kinds.into_iter().find(|kind| kind.name == schedule.kind).map(|kind| kind.limits);
        check_keys(&job, &limits.unwrap_or_default(), &kind.unwrap_or_default())?;
        let name = schedule.name.clone();
        for _ in 0..TRIES {
            let standing = self.engine.store().doc_get(&key(&name), self.engine.now()).await?;
            if standing.is_none() {
                self.refuse_too_many().await?;
            }
            let before = standing.as_ref().and_then(read);
            let now = self.engine.now();
            let record = ScheduleRecord::put(schedule.clone(), before.as_ref(), now);
            // One that is there may be brought to its end, by `end_at` or `max_fires`.
            let goes_on = before.as_ref().is_some_and(|before| before.is_due_like(&schedule));
            if !goes_on && record.standing.next_at.is_none() {
                return Err(never_due(&schedule, now).into());
            }
            let expect = standing.map_or(Expect::Absent, |doc| Expect::Version(doc.version));
            if self.write(&record, expect).await? {
                return Ok(record);
            }
        }
        Err(busy(&name).into())
    }

    async fn refuse_too_many(&self) -> Result<(), ScheduleError> {
        let clock = &self.engine.door().clock;
        let mut counted = self.engine.shared.schedules.lock().await;
        let known = counted.as_ref().filter(|counted| !counted.until.is_over());
        let count = match known.map(|counted| counted.count) {
            Some(count) if count < SCHEDULES_MAX => count,
            // Counting takes as long as there are many, so it is not done for each.
            _ => docs(&self.engine).await?.len(),
        };
        let until = known.map_or_else(|| clock.after(COUNTED_FOR), |counted| counted.until.clone());
        if count < SCHEDULES_MAX {
            *counted = Some(Counted { count: count + 1, until });
            return Ok(());
        }
        let expected = format!("at most {SCHEDULES_MAX} schedules in a store");
        Err(Invalid::new("schedule", expected, count).code("too_many").into())
    }

    async fn write(&self, record: &ScheduleRecord, expect: Expect) -> StoreResult<bool> {
        let (store, now, name) = (self.engine.store(), self.engine.now(), &record.schedule.name);
        let put = store.doc_put(&key(name), write(record)?, expect, None, now).await?;
        let written = matches!(put, Put::Written(_));
        if written {
            self.ring(name).await;
        }
        Ok(written)
    }

    /// Tells the keepers of every process. One that does not hear it looks by itself after a while.
    async fn ring(&self, name: &ScheduleName) {
        let entry = vec![Bytes::from(name.as_str().to_owned())];
        if let Err(error) = self.engine.store().log_append(LOG, entry, LOG_KEPT).await {
            tracing::debug!(%error, "keepers were not told of a changed schedule");
        }
    }

    /// One schedule.
    pub async fn get(&self, name: &ScheduleName) -> Result<ScheduleRecord, ScheduleError> {
        let doc = self.engine.store().doc_get(&key(name), self.engine.now()).await?;
        doc.as_ref().and_then(shown).ok_or_else(|| ScheduleError::Unknown(name.clone()))
    }

    /// Every schedule, by name. One that this version cannot read is shown paused, with the reason; it can be put anew or
    /// removed.
    pub async fn list(&self) -> StoreResult<Vec<ScheduleRecord>> {
        Ok(docs(&self.engine).await?.iter().filter_map(shown).collect())
    }

    async fn change(
        &self,
        name: &ScheduleName,
        change: impl Fn(&mut ScheduleRecord, Timestamp),
    ) -> Result<ScheduleRecord, ScheduleError> {
        for _ in 0..TRIES {
            let now = self.engine.now();
            let Some(doc) = self.engine.store().doc_get(&key(name), now).await? else { break };
            let Some(mut record) = read(&doc) else { return Err(unreadable(name).into()) };
            change(&mut record, now);
            if self.write(&record, Expect::Version(doc.version)).await? {
                return Ok(record);
            }
        }
        Err(ScheduleError::Unknown(name.clone()))
    }

    /// Makes no more jobs until it is resumed. Times that pass meanwhile are not made up for.
    pub async fn pause(&self, name: &ScheduleName) -> Result<ScheduleRecord, ScheduleError> {
        let pause = self.change(name, |record, now| {
            (record.standing.paused, record.standing.reason) = (true, None);
            record.standing.updated_at = now;
        });
        self.engine.audited("schedule.pause", name, pause, of_schedule).await
    }

    /// Makes jobs again, from now on.
    pub async fn resume(&self, name: &ScheduleName) -> Result<ScheduleRecord, ScheduleError> {
        let resume = self.change(name, |record, now| {
            let was_paused = std::mem::take(&mut record.standing.paused);
            (record.standing.reason, record.standing.updated_at) = (None, now);
            if was_paused {
                let anchor = record.standing.anchor_at;
                let next = record.standing.next_at.filter(|next| *next > now);
                record.standing.next_at = next.or_else(|| record.schedule.after(anchor, now));
                record.close();
            }
        });
        self.engine.audited("schedule.resume", name, resume, of_schedule).await
    }

    /// Removes a schedule. The jobs that it made stay.
    pub async fn remove(&self, name: &ScheduleName) -> Result<(), ScheduleError> {
        self.engine.audited("schedule.remove", name, self.take_away(name), |()| Value::Null).await
    }

    async fn take_away(&self, name: &ScheduleName) -> Result<(), ScheduleError> {
        let (store, now) = (self.engine.store(), self.engine.now());
        if !store.doc_delete(&key(name), Expect::Anything, now).await? {
            return Err(ScheduleError::Unknown(name.clone()));
        }
        self.ring(name).await;
        Ok(())
    }

    async fn readable(&self, name: &ScheduleName) -> Result<ScheduleRecord, ScheduleError> {
        let doc = self.engine.store().doc_get(&key(name), self.engine.now()).await?;
        let doc = doc.ok_or_else(|| ScheduleError::Unknown(name.clone()))?;
        Ok(read(&doc).ok_or_else(|| unreadable(name))?)
    }

    /// Makes its job now, whatever the rule says; neither its next time nor its counts change.
    pub async fn run_now(&self, name: &ScheduleName) -> Result<Receipt, ScheduleError> {
        let run = async {
            let record = self.readable(name).await?;
            let client = self.engine.client();
            let spec = record.schedule.job(client.new_id(), Some(self.engine.now()));
            let receipt = client.insert(vec![Arc::new(spec)]).await.map_err(StoreError::of_one_job)?.pop();
            Ok(receipt.ok_or(StoreError::Closed)?)
        };
        self.engine.audited("schedule.run", name, run, |receipt: &Receipt| json!({ "job": receipt.id })).await
    }

    /// The same for a request that may be repeated: under the same key it makes one job.
    pub async fn run_now_once(&self, name: &ScheduleName, key: &OnceKey) -> Result<Receipt, ScheduleError> {
        let client = self.engine.client();
        if let Some(mut receipts) = client.recall(key).await? {
            return Ok(receipts.pop().ok_or(StoreError::Closed)?);
        }
        let run = async {
            let (record, now) = (self.readable(name).await?, self.engine.now());
            let make = |ids: &[JobId]| {
                Ok(ids.iter().map(|id| Arc::new(record.schedule.job(id.clone(), Some(now)))).collect())
            };
            let inserted = client.insert_once(key, 1, make).await.map_err(StoreError::of_one_job);
            Ok(inserted?.pop().ok_or(StoreError::Closed)?)
        };
        self.engine.audited("schedule.run", name, run, |receipt: &Receipt| json!({ "job": receipt.id })).await
    }
}

/// What cannot be read must not be overwritten by chance.
fn unreadable(name: &ScheduleName) -> Invalid {
    Invalid::new("schedule", "one that this version can read; put it anew, or remove it", name)
}

/// Why a new schedule would never make a job.
fn never_due(schedule: &Schedule, now: Timestamp) -> Invalid {
    if let Some(end) = schedule.end_at.filter(|end| *end <= now) {
        return Invalid::new("end_at", format!("a time after now ({now})"), end).code("never_fires");
    }
    let field = if matches!(schedule.rule, Rule::Cron { .. }) { "cron" } else { "every" };
    let expected = "a rule that is due between start_at and end_at, within time_ranges";
    Invalid::new(field, expected, &schedule.rule).code("never_fires")
}

/// What is entered of a schedule.
fn of_schedule(record: &ScheduleRecord) -> Value {
    let ScheduleRecord { schedule, standing } = record;
    json!({ "queue": schedule.queue, "kind": schedule.kind, "rule": schedule.rule.to_string(), "next_at": standing.next_at })
}

fn busy(name: &ScheduleName) -> StoreError {
    StoreError::Unavailable(format!("schedule {name} is changed by too many at once"))
}

/// Tells that a schedule made a job.
pub(super) fn tell(engine: &Engine, spec: &Arc<JobSpec>, state: State, now: Timestamp) {
    if !engine.hub().is_heard() {
        return;
    }
    let schedule = spec.options.schedule.as_ref().map(|name| name.as_str().into());
    let (queue, kind, id) = (Some(spec.queue.clone()), Some(spec.kind.clone()), Some(spec.id.clone()));
    engine.hub().tell(Event { queue, kind, id, schedule, ..Event::new(EventName::ScheduleFired, now) });
    engine.hub().tell(Event::of_job(EventName::Added, now, spec, state, 0, now));
}
