use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use longshore_core::{
    Backoff, DurationText, Event, EventName, Expect, Inserted, Invalid, JobId, JobSpec, Json, KindName,
    Options, Priority, Put, QueueName, State, StoreError, StoreResult, Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::engine::Engine;
use crate::job::Job;

/// How long an idempotency key is remembered.
const REMEMBERED: Duration = Duration::from_secs(86_400);

/// The way in for callers: inserts jobs. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    engine: Engine,
}

/// What became of one inserted job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// Its id.
    pub id: JobId,
    /// Its state.
    pub state: State,
    /// The id was known; nothing was created.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub duplicate: bool,
}

impl From<Inserted> for Receipt {
    fn from(inserted: Inserted) -> Self {
        Self { id: inserted.id, state: inserted.state, duplicate: inserted.duplicate }
    }
}

/// What is remembered under an idempotency key.
#[derive(Serialize, Deserialize)]
struct Remembered {
    /// Recognises the request.
    print: String,
    /// The ids given to its jobs.
    ids: Vec<JobId>,
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
    pub async fn insert(&self, jobs: Vec<Arc<JobSpec>>) -> StoreResult<Vec<Receipt>> {
        // A store that answers without waiting must not let its callers keep others off this thread.
        tokio::task::coop::consume_budget().await;
        let now = self.engine.now();
        let heard = self.engine.hub().is_heard();
        let told = if heard { jobs.clone() } else { Vec::new() };
        let meters: Vec<_> = jobs.iter().map(|job| self.engine.meters().queue(&job.queue)).collect();
        let inserted = self.engine.store().insert(jobs, now).await?;
        for (meters, _) in meters.iter().zip(&inserted).filter(|(_, inserted)| !inserted.duplicate) {
            crate::observe::count(&meters.inserted);
        }
        for (spec, inserted) in told.iter().zip(&inserted) {
            self.tell(spec, inserted, now);
        }
        Ok(inserted.into_iter().map(Receipt::from).collect())
    }

    fn tell(&self, spec: &JobSpec, inserted: &Inserted, now: Timestamp) {
        let name = match (inserted.duplicate, inserted.state) {
            (true, _) => EventName::Duplicated,
            (false, State::Ready) => EventName::Added,
            (false, _) => EventName::Delayed,
        };
        self.engine.hub().tell(Event::of_job(name, now, spec, inserted.state, 0, now));
    }

    /// Inserts jobs under an idempotency key: the same request (recognised by `print`) gives the same jobs for a day,
    /// however often it comes, and even if the first one was cut off. Another request under the same key is refused
    /// with the code `idempotency_conflict`.
    ///
    /// `make` makes the jobs from ids; it must make the same jobs from the same ids.
    pub async fn insert_once(
        &self,
        key: &str,
        print: &str,
        count: usize,
        make: impl Fn(&[JobId]) -> StoreResult<Vec<Arc<JobSpec>>>,
    ) -> StoreResult<Vec<Receipt>> {
        let now = self.engine.now();
        let fresh = Remembered { print: print.to_owned(), ids: (0..count).map(|_| self.new_id()).collect() };
        // Refused jobs must not leave a key behind.
        make(&fresh.ids)?;
        let key_name = format!("idempotency/{key}");
        let value = Bytes::from(serde_json::to_vec(&fresh).unwrap_or_default());
        let put =
            self.engine.store().doc_put(&key_name, value, Expect::Absent, Some(REMEMBERED), now).await?;
        let Put::Conflict(doc) = put else { return self.insert(make(&fresh.ids)?).await };
        let kept: Option<Remembered> = doc.and_then(|doc| serde_json::from_slice(&doc.value).ok());
        match kept {
            // Ids make the insert itself repeatable, so a crash between the two steps loses nothing.
            Some(kept) if kept.print == print => self.insert_rest(make(&kept.ids)?).await,
            _ => {
                let expected = "a key that no other request has used in the last 24 h";
                let error = Invalid::new("Idempotency-Key", expected, key);
                Err(StoreError::Invalid(error.code("idempotency_conflict")))
            }
        }
    }

    /// Inserts those jobs that do not exist. A cancelled job does exist here: who repeats a request does not ask for it
    /// again.
    async fn insert_rest(&self, jobs: Vec<Arc<JobSpec>>) -> StoreResult<Vec<Receipt>> {
        let (mut receipts, mut rest) = (Vec::new(), Vec::new());
        for job in jobs {
            let standing = self.engine.store().get(job.id.clone()).await?;
            if standing.is_none() {
                rest.push(job.clone());
            }
            let state = standing.map(|standing| standing.state);
            receipts.push(state.map(|state| Receipt { id: job.id.clone(), state, duplicate: true }));
        }
        let mut inserted = if rest.is_empty() { Vec::new() } else { self.insert(rest).await? }.into_iter();
        Ok(receipts.into_iter().filter_map(|known| known.or_else(|| inserted.next())).collect())
    }
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

    /// How long the record stays after the end.
    pub fn retention(mut self, retention: Duration) -> Self {
        self.options.retention = Some(DurationText(retention));
        self
    }
}

impl<J: Job> IntoFuture for Enqueue<J> {
    type Output = StoreResult<Receipt>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let mut spec = self.spec?;
            if !self.options.is_default() {
                spec.options = Arc::new(self.options);
            }
            let receipts = self.client.insert(vec![Arc::new(spec)]).await?;
            receipts.into_iter().next().ok_or(StoreError::Closed)
        })
    }
}
