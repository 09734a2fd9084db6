use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use longshore_core::{
    Backoff, DurationText, Event, EventName, Inserted, Invalid, JobId, JobSpec, Json, KindName, Options,
    Parent, ParentPolicy, Priority, QueueName, State, StoreError, StoreResult, Times, Timestamp, Unique,
};
use longshore_telemetry::traces;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::control::ControlError;
use crate::engine::Engine;
use crate::job::Job;

/// The way in for callers: inserts jobs. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    pub(crate) engine: Engine,
}

/// What became of one inserted job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Its id.
    pub id: JobId,
    /// Its state.
    pub state: State,
    /// The id was known, or another job holds the unique key (then it is that job's id); nothing was created.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub duplicate: bool,
}

impl From<Inserted> for Receipt {
    fn from(inserted: Inserted) -> Self {
        Self { id: inserted.id, state: inserted.state, duplicate: inserted.duplicate }
    }
}

impl Client {
    /// The client of an engine.
    pub fn new(engine: Engine) -> Self {
        Self { engine }
    }

    /// Starts to enqueue a job; name what you want of it, then await.
    #[expect(clippy::needless_pass_by_value, reason = "a job is handed over")]
    pub fn enqueue<J: Job>(&self, job: J) -> Enqueue<J> {
        Enqueue::new(self.clone(), &job)
    }

    /// A new id.
    pub fn new_id(&self) -> JobId {
        JobId::from_u128(self.engine.door().new_id())
    }

    /// Inserts jobs, all or none, and answers in their order once they are as durable as the store promises.
    pub async fn insert(&self, mut jobs: Vec<Arc<JobSpec>>) -> StoreResult<Vec<Receipt>> {
        // A store that answers without waiting must not let its callers keep others off this thread.
        tokio::task::coop::consume_budget().await;
        self.engine.admit(&mut jobs).await?;
        if let Some(trace) = traces::current() {
            join(&mut jobs, &trace);
        }
        let now = self.engine.now();
        let heard = self.engine.hub().is_heard();
        let told = if heard { jobs.clone() } else { Vec::new() };
        let meters: Vec<_> = jobs.iter().map(|job| self.engine.meters().queue(&job.queue)).collect();
        let mut inserted = self.engine.store().insert(jobs, now).await?;
        for (meters, _) in meters.iter().zip(&inserted).filter(|(_, inserted)| !inserted.duplicate) {
            crate::observe::count(&meters.inserted);
        }
        for (spec, inserted) in told.iter().zip(&inserted) {
            self.tell(spec, inserted, now).await;
        }
        follow_replacements(&mut inserted);
        Ok(inserted.into_iter().map(Receipt::from).collect())
    }

    async fn tell(&self, spec: &Arc<JobSpec>, inserted: &Inserted, now: Timestamp) {
        // An insert that met another job is told with what that one is.
        let met =
            if inserted.duplicate { self.engine.store().get(inserted.id.clone()).await } else { Ok(None) };
        let of = |name| match &met {
            Ok(Some(job)) => Event::of_job(name, now, &job.spec, job.state, job.attempt, job.created_at)
                .times(job.started_at, job.finished_at),
            _ if !inserted.duplicate => Event::of_job(name, now, spec, inserted.state, 0, now),
            // It has gone meanwhile.
            _ => Event {
                id: Some(inserted.id.clone()),
                queue: Some(spec.queue.clone()),
                state: Some(inserted.state),
                timestamps: Some(Times::default()),
                ..Event::new(name, now)
            },
        };
        let by_key = inserted.duplicate && inserted.id != spec.id;
        if let Some(dropped) = inserted.replaced.clone().or_else(|| by_key.then(|| spec.id.clone())) {
            let key: Option<Arc<str>> = spec.options.unique.as_ref().map(|unique| unique.key.as_str().into());
            let job_id = Some(inserted.id.clone());
            self.engine.hub().tell(Event {
                job_id: job_id.clone(),
                debounce_id: key.clone(),
                ..of(EventName::Debounced)
            });
            self.engine.hub().tell(Event {
                job_id,
                deduplication_id: key,
                deduplicated_job_id: Some(dropped),
                ..of(EventName::Deduplicated)
            });
            if by_key {
                return;
            }
        }
        let name = if inserted.duplicate { EventName::Duplicated } else { EventName::Added };
        let job_id = inserted.duplicate.then(|| inserted.id.clone());
        self.engine.hub().tell(Event { job_id, ..of(name) });
    }
}

/// Makes jobs part of a trace, unless they are part of one. Options that they share stay shared.
fn join(jobs: &mut [Arc<JobSpec>], trace: &Arc<str>) {
    let mut last: Option<(Arc<Options>, Arc<Options>)> = None;
    for job in jobs.iter_mut().filter(|job| job.options.traceparent.is_none()) {
        let joined = match &last {
            Some((before, joined)) if Arc::ptr_eq(before, &job.options) => joined.clone(),
            _ => Arc::new(Options { traceparent: Some(trace.clone()), ..(*job.options).clone() }),
        };
        last = Some((job.options.clone(), joined.clone()));
        Arc::make_mut(job).options = joined;
    }
}

/// A job that a later one of its batch has replaced is not there any more; its caller is told of the one that is.
fn follow_replacements(inserted: &mut [Inserted]) {
    for later in 1..inserted.len() {
        let Some(replaced) = inserted[later].replaced.clone() else { continue };
        let (before, rest) = inserted.split_at_mut(later);
        for gone in before.iter_mut().filter(|earlier| earlier.id == replaced) {
            *gone = Inserted { duplicate: true, replaced: gone.replaced.take(), ..rest[0].clone() };
        }
    }
}

/// The unique key of a job that is the only one of its kind with its args.
fn own_key(spec: &JobSpec) -> String {
    let digest: [u8; 32] = Sha256::digest(spec.args.as_str().as_bytes()).into();
    let (half, _) = digest.split_at(16);
    let number = half.iter().fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
    format!("{}/{number:032x}", spec.kind)
}

/// A job on its way in.
#[must_use = "nothing is enqueued until this is awaited"]
pub struct Enqueue<J> {
    client: Client,
    spec: Result<JobSpec, Invalid>,
    options: Options,
    job: PhantomData<fn() -> J>,
}

impl<J: Job> Enqueue<J> {
    fn new(client: Client, job: &J) -> Self {
        let spec = || {
            let args = Json::from_value(job)
                .map_err(|error| Invalid::new("args", "a value that JSON can hold", error))?;
            Ok(JobSpec::new(client.new_id(), QueueName::new(J::QUEUE)?, KindName::new(J::KIND)?, args))
        };
        Self { spec: spec(), options: Options::default(), client, job: PhantomData }
    }

    /// Inserts the job, waits for its end at most so long, and gives its result. A job that has not completed by then goes
    /// on: the error is [`ControlError::WrongState`] and names it.
    pub async fn result(self, patience: Duration) -> Result<J::Output, ControlError> {
        let control = self.client.engine.control();
        let receipt = self.await?;
        control.wait(&receipt.id, patience).await?;
        control.result::<J>(&receipt.id).await
    }

    fn with(mut self, set: impl FnOnce(&mut JobSpec) -> Result<(), Invalid>) -> Self {
        self.spec = self.spec.and_then(|mut spec| set(&mut spec).map(|()| spec));
        self
    }

    /// Into this queue.
    pub fn queue(self, name: &str) -> Self {
        let name = QueueName::new(name);
        self.with(|spec| name.map(|name| spec.queue = name))
    }

    /// Under an id of the caller's choice.
    pub fn id(self, id: &str) -> Self {
        let id = JobId::parse(id);
        self.with(|spec| id.map(|id| spec.id = id))
    }

    /// Lower runs first; 5 is the default.
    pub fn priority(self, priority: f64) -> Self {
        let priority = Priority::new(priority);
        self.with(|spec| priority.map(|priority| spec.priority = priority))
    }

    /// Not before this much time has passed.
    pub fn after(self, delay: Duration) -> Self {
        let at = self.client.engine.now() + delay;
        self.at(at)
    }

    /// Not before this time.
    pub fn at(self, at: Timestamp) -> Self {
        self.with(|spec| {
            spec.run_at = Some(at);
            Ok(())
        })
    }

    /// Tries in all.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.options.max_attempts = attempts;
        self
    }

    /// The wait before each further try.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.options.backoff = backoff;
        self
    }

    /// Longest one attempt may take.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = Some(DurationText(timeout));
        self
    }

    /// A word to find the job by; may be given several times.
    pub fn tag(mut self, tag: &str) -> Self {
        self.options.tags.push(tag.to_owned());
        self
    }

    /// How long the job may wait in all, over all its attempts, before it expires.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.options.ttl = Some(DurationText(ttl));
        self
    }

    /// Be the only job of its queue with this key until it has ended.
    pub fn unique(self, key: &str) -> Self {
        self.with_unique(Unique::new(key))
    }

    /// Be the only job of this kind with these args in its queue for so long, whatever becomes of it.
    pub fn unique_for(self, window: Duration) -> Self {
        let key = match &self.spec {
            Ok(spec) => own_key(spec),
            Err(_) => return self,
        };
        self.with_unique(Unique { ttl: Some(DurationText(window)), ..Unique::new(key) })
    }

    /// As [`Unique`] says.
    pub fn with_unique(mut self, unique: Unique) -> Self {
        self.options.unique = Some(unique);
        self
    }

    /// Waits until this job has completed.
    pub fn after_job(mut self, parent: &JobId) -> Self {
        self.options.depends_on.push(Parent::new(parent.clone()));
        self
    }

    /// The same, and its handler finds that job's result under this name.
    pub fn after_named(mut self, name: &str, parent: &JobId) -> Self {
        self.options.depends_on.push(Parent { id: parent.clone(), name: Some(name.to_owned()) });
        self
    }

    /// What happens when a job that it waits for does not complete.
    pub fn on_parent_failure(mut self, policy: ParentPolicy) -> Self {
        self.options.on_parent_failure = policy;
        self
    }

    /// No attempt is stopped for taking long.
    pub fn no_timeout(mut self) -> Self {
        self.options.timeout = None;
        self
    }

    /// What the job counts as under limits with a key, instead of what stands in its args.
    pub fn limit_key(mut self, key: &str) -> Self {
        self.options.limit_key = Some(key.to_owned());
        self
    }

    /// How long the result stays after the end, if not as long as the record.
    pub fn result_retention(mut self, retention: Duration) -> Self {
        self.options.result_retention = Some(DurationText(retention));
        self
    }

    /// How long the record stays after the end.
    pub fn retention(mut self, retention: Duration) -> Self {
        self.options.retention = Some(DurationText(retention));
        self
    }
}

impl<J> Enqueue<J> {
    /// What was asked for, without inserting it: for a transaction of the caller's own. On behalf of an owner it is that
    /// owner's job; nobody looks whether its id and its parents are theirs.
    pub fn into_spec(self) -> Result<JobSpec, Invalid> {
        let mut spec = self.spec?;
        if !self.options.is_default() {
            spec.options = Arc::new(self.options);
        }
        self.client.engine.caller().own(&mut spec);
        Ok(spec)
    }
}

impl<J: Job> IntoFuture for Enqueue<J> {
    type Output = StoreResult<Receipt>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let client = self.client.clone();
            let receipts = client.insert(vec![Arc::new(self.into_spec()?)]).await?;
            receipts.into_iter().next().ok_or(StoreError::Closed)
        })
    }
}
