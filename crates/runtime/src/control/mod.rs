mod many;
mod view;

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use longshore_core::limits::STEP_RECORDS_MAX;
use longshore_core::{
    Amended, Can, Change, Event, EventName, FailureGroup, Hold, Job, JobFilter, JobId, JobPage, Json,
    KindInfo, KindName, Limit, Page, QueueChange, QueueInfo, QueueName, State, StoreError, StoreResult,
    Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use self::view::{QueueView, WorkerView};
use crate::engine::Engine;
use crate::resets;

/// The way in for operators, and for everybody who looks. Cheap to clone.
#[derive(Clone)]
pub struct Control {
    engine: Engine,
}

/// Why an operation on one job did not happen.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// There is no such job.
    #[error("there is no job {0}")]
    Unknown(JobId),
    /// The state of the job does not allow it.
    #[error("the job {id} is {state}; {expected}")]
    WrongState {
        /// The job.
        id: JobId,
        /// Its state.
        state: State,
        /// What would have been right.
        expected: &'static str,
    },
    /// It runs, and is only removed by force.
    #[error("the job {0} is running; a running job is only removed with force")]
    Running(JobId),
    /// Jobs of the queue run.
    #[error("queue {queue} has {running} running jobs; stop them first, or use force")]
    QueueBusy {
        /// The queue.
        queue: QueueName,
        /// How many run.
        running: u64,
    },
    /// Another job holds its unique key.
    #[error("the unique key of job {id} is held by job {owner}; cancel or remove that one first")]
    UniqueConflict {
        /// The job.
        id: JobId,
        /// The one that holds the key.
        owner: JobId,
    },
    /// It has completed, and its result cannot be had.
    #[error("the result of job {id} cannot be read: {why}")]
    NoResult {
        /// The job.
        id: JobId,
        /// What is wrong with it.
        why: String,
    },
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What an operation on many jobs did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Jobs that were changed.
    #[serde(alias = "removed", alias = "retried")]
    pub changed: usize,
    /// Their ids, the first thousand of them.
    pub ids: Vec<JobId>,
    /// Jobs that were meant as well and were not changed, the first thousand of them.
    #[serde(default)]
    pub refused: Vec<Refused>,
}

/// A job that an operation on many jobs did not change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The job.
    pub id: JobId,
    /// A stable word for programs: `not_found`, `wrong_state`, `job_running` or `unique_conflict`.
    pub code: Cow<'static, str>,
    /// Why, in one line.
    pub message: String,
}

impl ControlError {
    /// A stable word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unknown(_) => "not_found",
            Self::Running(_) => "job_running",
            Self::WrongState { .. } => "wrong_state",
            Self::QueueBusy { .. } => "queue_busy",
            Self::UniqueConflict { .. } => "unique_conflict",
            Self::NoResult { .. } => "no_result",
            Self::Store(_) => "store",
        }
    }
}

/// The whole system at a glance.
#[derive(Clone, Debug, Serialize)]
pub struct Overview {
    /// Every queue with its counts.
    pub queues: Vec<QueueInfo>,
    /// Workers seen in the last hour.
    pub workers: Vec<WorkerView>,
}

impl Control {
    pub(crate) fn new(engine: Engine) -> Self {
        Self { engine }
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// One job.
    pub async fn job(&self, id: &JobId) -> Result<Job, ControlError> {
        self.engine.look(id).await?.ok_or_else(|| ControlError::Unknown(id.clone()))
    }

    /// One job, as soon as it has ended, or as it stands after `patience`.
    pub async fn wait(&self, id: &JobId, patience: Duration) -> Result<Job, ControlError> {
        let clock = &self.engine.door().clock;
        let over = clock.after(patience);
        let mut events = self.engine.hub().watch(id);
        loop {
            let job = self.job(id).await?;
            if job.state.is_end() || over.is_over() {
                return Ok(job);
            }
            loop {
                // Looks again once a second as well: an event from another node may be lost.
                let again = over.clone().sooner(clock.after(Duration::from_secs(1)));
                tokio::select! {
                    event = events.next() => match event {
                        Some(told) if !is_news(told.event.event) => {}
                        _ => break,
                    },
                    () = again.wait() => break,
                }
            }
        }
    }

    /// What a completed job returned, read as its kind of job says.
    pub async fn result<J: crate::Job>(&self, id: &JobId) -> Result<J::Output, ControlError> {
        let job = self.job(id).await?;
        if job.state != State::Completed {
            let expected = "only a completed job has a result";
            return Err(ControlError::WrongState { id: id.clone(), state: job.state, expected });
        }
        let none = |why: String| ControlError::NoResult { id: id.clone(), why };
        if job.result_expired_at.is_some() {
            return Err(none("it was removed by retention".to_owned()));
        }
        job.result.unwrap_or_default().to().map_err(|error| none(error.to_string()))
    }

    /// A page of the jobs that match, the newest first.
    pub async fn list(&self, filter: JobFilter, page: Page) -> StoreResult<JobPage> {
        page.check()?;
        let Some(filter) = self.engine.caller().narrow(filter) else { return Ok(JobPage::default()) };
        // A store may return short pages while it looks through many records; callers get full ones.
        let (mut found, mut bytes) = (JobPage::default(), 0);
        let mut next = page.after;
        for _ in 0..20 {
            let step = Page { after: next, limit: page.limit - found.jobs.len() };
            let part = self.engine.store().list(filter.clone(), step).await?;
            bytes += part.jobs.iter().map(Job::bytes).sum::<usize>();
            found.jobs.extend(part.jobs);
            next = part.next;
            if next.is_none() || page.is_full(found.jobs.len(), bytes) {
                break;
            }
        }
        found.next = next;
        Ok(found)
    }

    /// Cancels a job: at once while it waits; a running one is asked to stop. Asking again is fine.
    pub async fn cancel(&self, id: &JobId) -> Result<Job, ControlError> {
        let cancel = self.amend_one(id, Change::Cancel);
        self.engine.audited("job.cancel", id, cancel, of_job).await
    }

    /// Makes a failed or cancelled job ready again, with all its attempts; or blocked, if a parent has not completed.
    pub async fn retry(&self, id: &JobId) -> Result<Job, ControlError> {
        let retry = self.amend_one(id, Change::Revive);
        self.engine.audited("job.retry", id, retry, of_job).await
    }

    /// Removes the record of a job that does not run, or of any with `force`.
    pub async fn remove(&self, id: &JobId, force: bool) -> Result<Job, ControlError> {
        let remove = self.amend_one(id, Change::Remove { force });
        self.engine.audited("job.remove", id, remove, of_job).await
    }

    async fn amend_one(&self, id: &JobId, change: Change) -> Result<Job, ControlError> {
        let answer = self.amend(vec![id.clone()], change).await?.pop();
        amended(id, change, answer.unwrap_or(Amended::Unknown))
    }

    async fn amend(&self, ids: Vec<JobId>, change: Change) -> StoreResult<Vec<Amended>> {
        let now = self.engine.now();
        let answers = if self.engine.caller().is_bound() {
            self.amend_own(ids, change, now).await?
        } else {
            self.engine.store().amend(ids, change, now).await?
        };
        for answer in &answers {
            if let Amended::Moved { job, to: Some(to @ State::Cancelled), .. } = answer {
                self.engine.meters().queue(&job.spec.queue).ended(*to, now.since(job.created_at));
            }
        }
        if self.engine.hub().is_heard() {
            for answer in &answers {
                if let Amended::Moved { job, from, to } = answer {
                    let (name, from) = match (to, change) {
                        (None, _) => (EventName::Removed, None),
                        (_, Change::Cancel) => (EventName::Cancelled, None),
                        // It is told when its last parent has completed.
                        (Some(State::Blocked), _) => continue,
                        _ => (EventName::Ready, Some(*from)),
                    };
                    let event = Event::of_job(
                        name,
                        now,
                        &job.spec,
                        to.unwrap_or(job.state),
                        job.attempt,
                        job.created_at,
                    );
                    let event = event.times(job.started_at, job.finished_at);
                    self.engine.hub().tell(Event { reason: job.reason, from, ..event });
                }
            }
        }
        Ok(answers)
    }

    /// The same for a caller to whom the jobs of others are unknown.
    async fn amend_own(&self, ids: Vec<JobId>, change: Change, now: Timestamp) -> StoreResult<Vec<Amended>> {
        let mut answers = Vec::with_capacity(ids.len());
        for id in ids {
            let amended = match self.engine.look(&id).await? {
                None => None,
                Some(_) => self.engine.store().amend(vec![id], change, now).await?.pop(),
            };
            answers.push(amended.unwrap_or(Amended::Unknown));
        }
        Ok(answers)
    }

    /// Stops a queue from handing out jobs, on every node. Running jobs go on.
    pub async fn pause(&self, queue: &QueueName) -> StoreResult<QueueInfo> {
        self.set_paused(queue, true).await
    }

    /// Lets a queue hand out jobs again.
    pub async fn resume(&self, queue: &QueueName) -> StoreResult<QueueInfo> {
        self.set_paused(queue, false).await
    }

    /// Changes the settings of a queue on every node, and returns it as it stands.
    pub async fn set_queue(&self, queue: &QueueName, change: QueueChange) -> StoreResult<QueueInfo> {
        let paused = change.paused;
        let now = self.engine.now();
        let (name, action) = match paused {
            Some(true) => (EventName::QueuePaused, "queue.pause"),
            Some(false) => (EventName::QueueResumed, "queue.resume"),
            None => (EventName::QueueChanged, "queue.change"),
        };
        let set = self.engine.store().set_queue(queue.clone(), change, now);
        let tell = |info: &QueueInfo| if paused.is_some() { Value::Null } else { settings(info) };
        let info = self.engine.audited(action, queue, set, tell).await?;
        let data = if paused.is_some() {
            Json::from_value(&info.counts)
        } else {
            Json::from_value(&settings(&info))
        };
        self.tell_of(queue, Event { data: data.ok(), ..Event::new(name, now) });
        Ok(info)
    }

    /// Tells what happened to a queue, and who did it.
    fn tell_of(&self, queue: &QueueName, event: Event) {
        let (queue, actor) = (Some(queue.clone()), self.engine.caller().name().cloned());
        self.engine.hub().tell(Event { queue, actor, ..event });
    }

    /// Sets the limits of a kind in all queues; none takes them off.
    pub async fn set_kind(&self, kind: &KindName, limits: Vec<Limit>) -> StoreResult<()> {
        let told = json!({ "limits": limits });
        let set = self.engine.store().set_kind(kind.clone(), limits, self.engine.now());
        self.engine.audited("kind.change", kind, set, |()| told).await
    }

    /// Closes the breaker of a kind by hand wherever there is one: here at once, in other processes at the next beat of one of
    /// their workers.
    pub async fn reset_breaker(&self, kind: &KindName) -> StoreResult<()> {
        let mark = Bytes::from(self.engine.door().chance.bits().to_string());
        let ask = async {
            resets::ask(&**self.engine.store(), kind, mark.clone(), self.engine.now()).await?;
            self.engine.shared.guards.reset_by(kind, mark);
            Ok(())
        };
        self.engine.audited("breaker.reset", kind, ask, |()| Value::Null).await
    }

    /// The kinds that have limits.
    pub async fn kinds(&self) -> StoreResult<Vec<KindInfo>> {
        self.engine.store().kinds().await
    }

    /// The failed jobs of a queue in groups of those that are alike, the largest first, at most 1000 groups.
    pub async fn failures(&self, queue: &QueueName) -> StoreResult<Vec<FailureGroup>> {
        self.engine.store().failures(queue.clone(), STEP_RECORDS_MAX).await
    }

    /// Whether a job that the caller may not know of keeps others waiting.
    pub(crate) async fn is_pending(&self, id: &JobId) -> StoreResult<bool> {
        let job = self.engine.store().get(id.clone()).await?;
        Ok(job.is_some_and(|job| job.state != State::Completed))
    }

    /// The limits that have no room for a ready job now, with those who fill them as far as the caller may know of them.
    pub(crate) async fn holds(&self, id: &JobId) -> StoreResult<Vec<Hold>> {
        let mut holds = self.engine.store().holds(id.clone(), self.engine.now()).await?;
        if self.engine.caller().is_bound() {
            for hold in &mut holds {
                let mut known = Vec::new();
                for id in std::mem::take(&mut hold.held_by) {
                    known.extend(self.engine.look(&id).await?.map(|_| id));
                }
                hold.held_by = known;
            }
        }
        Ok(holds)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.engine.now()
    }

    /// The job that holds a unique key of a queue.
    pub async fn unique_owner(&self, queue: &QueueName, key: &str) -> StoreResult<Option<JobId>> {
        self.engine.store().unique_owner(queue.clone(), key.to_owned(), self.engine.now()).await
    }

    /// Takes a unique key from the job that holds it, which stays; tells whose it was.
    pub async fn free_unique(&self, queue: &QueueName, key: &str) -> StoreResult<Option<JobId>> {
        let free = self.engine.store().free_unique(queue.clone(), key.to_owned(), self.engine.now());
        let tell = |held: &Option<JobId>| json!({ "queue": queue, "held_by": held });
        self.engine.audited("unique.free", key, free, tell).await
    }

    async fn set_paused(&self, queue: &QueueName, paused: bool) -> StoreResult<QueueInfo> {
        self.set_queue(queue, QueueChange { paused: Some(paused), ..QueueChange::default() }).await
    }

    /// Every queue.
    pub async fn queues(&self) -> StoreResult<Vec<QueueInfo>> {
        self.engine.store().queues().await
    }

    /// One queue.
    pub async fn queue(&self, name: &QueueName) -> StoreResult<Option<QueueInfo>> {
        self.engine.store().queue(name.clone()).await
    }

    /// The whole system at a glance.
    pub async fn overview(&self) -> StoreResult<Overview> {
        Ok(Overview { queues: self.queues().await?, workers: self.workers().await? })
    }

    /// What the store can do beyond the contract.
    pub fn can(&self) -> Can {
        self.engine.store().can()
    }

    /// Names the store, whoever asks and whenever: made by chance when somebody asks for the first time.
    pub async fn store_id(&self) -> StoreResult<String> {
        let (store, now, key) = (self.engine.store(), self.engine.now(), "store/id");
        let read = |doc: longshore_core::Doc| String::from_utf8_lossy(&doc.value).into_owned();
        if let Some(doc) = store.doc_get(key, now).await? {
            return Ok(read(doc));
        }
        let id = format!("{:016x}", self.engine.door().chance.bits());
        match store.doc_put(key, id.clone().into(), longshore_core::Expect::Absent, None, now).await? {
            longshore_core::Put::Conflict(Some(doc)) => Ok(read(doc)),
            _ => Ok(id),
        }
    }

    /// Whether the store takes writes now: writes a document as large as a handful of jobs, because a disk that is as good
    /// as full has room for less. It goes by itself.
    pub async fn check_writable(&self) -> StoreResult<()> {
        let (now, key) = (self.engine.now(), "health/probe");
        let value = Bytes::from(vec![b'x'; 64 * 1_024]);
        let ttl = Some(Duration::from_secs(60));
        self.engine.store().doc_put(key, value, longshore_core::Expect::Anything, ttl, now).await?;
        Ok(())
    }
}

/// The job that a change was made to, or why it was not.
fn amended(id: &JobId, change: Change, answer: Amended) -> Result<Job, ControlError> {
    let id = id.clone();
    let expected = match change {
        Change::Cancel => "only a job that has not ended can be cancelled",
        Change::Revive => "only a failed or cancelled job can be retried",
        Change::Remove { .. } => "a running job is only removed with force",
    };
    match answer {
        Amended::Moved { job, .. } | Amended::Asked(job) => Ok(*job),
        Amended::WrongState(State::Running) if matches!(change, Change::Remove { .. }) => {
            Err(ControlError::Running(id))
        }
        Amended::WrongState(state) => Err(ControlError::WrongState { id, state, expected }),
        Amended::UniqueConflict(owner) => Err(ControlError::UniqueConflict { id, owner }),
        Amended::Unknown => Err(ControlError::Unknown(id)),
    }
}

/// What an operator sets on a queue, as it is now.
fn settings(info: &QueueInfo) -> Value {
    json!({
        "limits": info.limits, "retention": info.retention, "ageing": info.ageing,
        "scan_interval": info.scan_interval,
    })
}

/// What is entered of a job.
fn of_job(job: &Job) -> Value {
    json!({ "queue": job.spec.queue, "kind": job.spec.kind, "owner": job.spec.owner })
}

/// Whether somebody who waits for the end of a job has to look at its record after this event.
fn is_news(name: EventName) -> bool {
    name.is_end() || matches!(name, EventName::Removed | EventName::Gap)
}
