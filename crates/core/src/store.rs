use std::collections::HashSet;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_core::Stream;

use crate::limits::{INSERT_JOBS_MAX, PAGE_BYTES_MAX, PAGE_JOBS_MAX};
use crate::{
    Ended, Ends, FailureGroup, Hold, Invalid, Job, JobFilter, JobId, JobSpec, KindInfo, KindName, Lease,
    LeaseToken, Limit, Progress, QueueChange, QueueInfo, QueueName, Reason, Records, State, StoreResult,
    Timestamp, WorkerId,
};

/// Where jobs live. Grouped by who writes: callers insert; workers claim, renew and finish; the keeper promotes,
/// reclaims and prunes; operators amend; everybody looks.
///
/// The contract for every method:
///
/// - One call is one atomic step: it happens or it does not. What was answered is as durable as [`Can::durability`] says.
/// - `now` is the present moment; a store never reads a clock.
/// - Every change of state is a row of [`crate::life::TABLE`].
/// - A request that breaks a limit is refused whole, with [`crate::StoreError::Invalid`], and changes nothing.
/// - A store does not sleep, retry or tell of events; layers around it do.
///
/// `storetest` holds one test for each sentence on this page, and every store passes all of them.
#[async_trait]
pub trait Store: Records + 'static {
    // ---- callers ----

    /// Inserts jobs, all or none, and answers for each in their order.
    ///
    /// An id that exists in the same queue is a duplicate: nothing is created, and the answer names the state of the
    /// job that is there. An id that exists in another queue refuses the whole batch with
    /// [`crate::StoreError::IdTaken`]. A cancelled job does not hold its id: the new job replaces it. A second
    /// occurrence of an id inside the batch is a duplicate of the first.
    ///
    /// After the id, the unique key is looked at, in the same step: while another job holds it ([`crate::Unique`]), the
    /// answer is that job as a duplicate, or that job was replaced.
    ///
    /// A job with parents ([`crate::Options::depends_on`], looked up in the batch, then in the store) is blocked until
    /// each of them has completed or need not be waited for; with none left it is born as if it had none. An unknown
    /// parent refuses the whole batch with the code `unknown_parent`, a circle with `flow_cycle`.
    async fn insert(&self, jobs: Vec<Arc<JobSpec>>, now: Timestamp) -> StoreResult<Vec<Inserted>>;

    // ---- workers ----

    /// Leases up to the wanted number of ready jobs of each lane, lowest priority number first, and in the order in
    /// which they became ready within one priority. A paused queue gives none, and nobody gets a job whose time to live is
    /// over. Counts one attempt on each.
    ///
    /// Limits of queues and kinds ([`crate::Limit`]) are obeyed by all workers together: a job that a limit holds up is
    /// passed over, and holds up no other. Of a queue with limits no more jobs are given than can start at once. Room
    /// in a limit that jobs wait for rings [`Wake::Ready`]; room that comes with time is told as
    /// [`Claims::next`].
    async fn claim(&self, claim: Claim, now: Timestamp) -> StoreResult<Claims>;

    /// Extends leases to `now + lease`, stores progress, and tells which jobs shall stop and which leases are lost.
    /// Answers in order. Progress never falls inside an attempt: a lower percent keeps the higher one.
    async fn renew(
        &self,
        renewals: Vec<Renewal>,
        lease: Duration,
        now: Timestamp,
    ) -> StoreResult<Vec<Renewed>>;

    /// Ends attempts, and inserts the jobs that follow from them in the same step. Answers in order.
    ///
    /// Only the lease that holds the job now may end it. A repeated end with a lease that already ended the attempt
    /// in the same way is answered [`Ended::Repeated`] with the state that this led to, until another attempt at the
    /// job has ended or lost its lease; every other late end is refused and changes nothing. A job
    /// whose cancellation was requested ends as cancelled, unless it failed. A following job whose id exists is
    /// skipped. A completed job has progress 100; a job that goes back to waiting has progress 0. A job that is handed
    /// back keeps its turn in the line; a retried or snoozed one joins its end when it is promoted. The end of a job
    /// that others wait for is marked in the same step for [`settle`](Self::settle), and rings [`Wake::Settle`].
    async fn finish(&self, ends: Ends, now: Timestamp) -> StoreResult<Vec<Ended>>;

    /// [`finish`](Self::finish), then [`claim`](Self::claim). A store may carry both in one commit. A claim that breaks
    /// a limit refuses the whole turn.
    async fn turn(&self, ends: Ends, claim: Claim, now: Timestamp) -> StoreResult<Turned> {
        claim.check()?;
        let ended = if ends.is_empty() { Vec::new() } else { self.finish(ends, now).await? };
        Ok(Turned { ended, claims: self.claim(claim, now).await? })
    }

    // ---- the keeper; each step moves at most `limit` jobs and says when it wants to be called next ----

    /// Makes scheduled jobs ready whose time has come, the earliest first. `next` is the next due time.
    async fn promote(&self, limit: usize, now: Timestamp) -> StoreResult<Kept>;

    /// Fails waiting jobs whose time to live is over, the earliest first. `next` is the next deadline.
    async fn expire(&self, limit: usize, now: Timestamp) -> StoreResult<Kept>;

    /// Draws the consequences of ended jobs for those that wait for them ([`crate::ParentPolicy`]): releases, fails or
    /// cancels the children, and lets go of parents that were only kept for a child. `limit` counts pairs of parent
    /// and child. `next` is at once while there is more to do.
    async fn settle(&self, limit: usize, now: Timestamp) -> StoreResult<Kept>;

    /// Writes a document if it has the expected version, and inserts jobs in the same step: how a schedule fires once
    /// for each of its times, whoever keeps it. The jobs are inserted as by [`insert`](Self::insert).
    async fn fire(&self, fire: Fire, now: Timestamp) -> StoreResult<Fired>;

    /// Takes back leases that ran out: the attempt is given back, the loss counted, and the job is ready again; or
    /// failed with the reason `stalled` once it has lost `stalls_max` leases; or cancelled, if that was
    /// requested. A job taken back keeps its turn in the line. A lease that would last for more than twice as long as it
    /// was given for ends after that time: the clock was set back. Rings [`Wake::Cancel`]. `next` is the earliest
    /// end of a lease.
    async fn reclaim(&self, limit: usize, stalls_max: u32, now: Timestamp) -> StoreResult<Kept>;

    /// Removes results whose own retention is over (marking `result_expired_at`), ended jobs whose retention is over,
    /// and documents that expired; and of a queue with more ended jobs of one state than its retention allows those that
    /// would go first anyway. `next` is the next time something is over. A record stays while a child that has not
    /// ended may read its result, and while it holds a unique key.
    async fn prune(&self, limit: usize, now: Timestamp) -> StoreResult<Kept>;

    // ---- operators ----

    /// Applies one change to each of the named jobs and answers in order. At most
    /// [`crate::limits::STEP_RECORDS_MAX`] ids.
    async fn amend(&self, ids: Vec<JobId>, change: Change, now: Timestamp) -> StoreResult<Vec<Amended>>;

    /// Changes the settings of a queue, creating it if need be, and returns it as it stands. Rings [`Wake::Paused`] or
    /// [`Wake::Ready`] for a queue that was paused or resumed.
    async fn set_queue(
        &self,
        queue: QueueName,
        change: QueueChange,
        now: Timestamp,
    ) -> StoreResult<QueueInfo>;

    /// Sets the limits of a kind, for waiting jobs as well; none takes them off.
    async fn set_kind(&self, kind: KindName, limits: Vec<Limit>, now: Timestamp) -> StoreResult<()>;

    /// The kinds that have limits, by name.
    async fn kinds(&self) -> StoreResult<Vec<KindInfo>>;

    /// Brings waiting jobs into the lines that changed limits and ageing ask for. Until it has nothing left to do, some
    /// of them may wait although a limit has room; none starts that a limit holds up. `next` is at once while there
    /// is more to do.
    async fn sort(&self, limit: usize, now: Timestamp) -> StoreResult<Kept>;

    /// Forgets a queue that has no jobs; tells whether it did.
    async fn remove_queue(&self, queue: QueueName, now: Timestamp) -> StoreResult<bool>;

    /// Takes a unique key from the job that holds it; the job stays. Tells whose it was.
    async fn free_unique(&self, queue: QueueName, key: String, now: Timestamp) -> StoreResult<Option<JobId>>;

    // ---- looks ----

    /// The job that holds a unique key.
    async fn unique_owner(&self, queue: QueueName, key: String, now: Timestamp)
    -> StoreResult<Option<JobId>>;

    /// One job.
    async fn get(&self, id: JobId) -> StoreResult<Option<Job>>;

    /// The limits that have no room for a ready job now, with some of the jobs that fill them; none for any other job.
    async fn holds(&self, id: JobId, now: Timestamp) -> StoreResult<Vec<Hold>>;

    /// The failed jobs of a queue in groups of those that are alike ([`FailureGroup`]): the largest first, at most
    /// `limit` groups.
    async fn failures(&self, queue: QueueName, limit: usize) -> StoreResult<Vec<FailureGroup>>;

    /// A page of the jobs that match, the newest insert first. A page may hold fewer jobs than asked for although
    /// more follow, because one call looks at a bounded number of records, and a page ends with the job that brings
    /// it to [`crate::limits::PAGE_BYTES_MAX`]; only a page without `next` is the last.
    async fn list(&self, filter: JobFilter, page: Page) -> StoreResult<JobPage>;

    /// Every queue that was ever named and not removed, by name, with its counts.
    async fn queues(&self) -> StoreResult<Vec<QueueInfo>>;

    /// One queue.
    async fn queue(&self, name: QueueName) -> StoreResult<Option<QueueInfo>> {
        Ok(self.queues().await?.into_iter().find(|queue| queue.name == name))
    }

    // ---- the door bell ----

    /// Tells of changes made by this and every other process from now on. A hint, never the truth: it may ring for
    /// nothing, and a listener that is slow gets [`Wake::Missed`] instead of what it missed.
    fn wakeups(&self) -> WakeStream;

    /// Whether nobody else has the store open now, as far as is known: what is only for others need not be written then.
    /// Never says so of a store that somebody else opened before.
    fn is_alone(&self) -> bool {
        !self.can().shared
    }

    /// What this store can do beyond the contract.
    fn can(&self) -> Can;

    /// Finishes what was accepted and lets go of files and connections.
    async fn close(&self) -> StoreResult<()>;
}

/// What a store can do beyond the contract. The exam adds the tests that a fact switches on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Can {
    /// What an answered write survives.
    pub durability: Durability,
    /// Several processes may use the same store at once.
    pub shared: bool,
    /// Wake-ups reach other processes by push.
    pub push: bool,
}

/// What an answered write survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Nothing: it lives in this process.
    Process,
    /// `kill -9` of every process, but the last moments may be lost when the power fails.
    Kill,
    /// A power failure too.
    Power,
}

/// What became of one inserted job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inserted {
    /// Its id.
    pub id: JobId,
    /// Its state now.
    pub state: State,
    /// The id existed, or another job holds the unique key (then it is that job's id); nothing was created.
    pub duplicate: bool,
    /// The scheduled job that held the unique key, and was removed in favour of this one.
    pub replaced: Option<JobId>,
}

/// A document to be written, and jobs to be inserted if it could be.
#[derive(Clone, Debug)]
pub struct Fire {
    /// The key of the document.
    pub key: String,
    /// The version that it must have.
    pub expect: u64,
    /// What it shall hold.
    pub value: bytes::Bytes,
    /// The jobs.
    pub jobs: Vec<Arc<JobSpec>>,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fired {
    /// The document was written, and the jobs were inserted.
    Done {
        /// The version of the document now.
        version: u64,
        /// As from [`Store::insert`].
        inserted: Vec<Inserted>,
    },
    /// The document has another version, or is not there; nothing changed.
    Conflict,
}

/// How many jobs of one queue a worker can take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneWant {
    /// The queue.
    pub queue: QueueName,
    /// At most this many.
    pub limit: usize,
    /// How many of them can start at once; the others are read ahead.
    pub slots: usize,
}

/// What a worker asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Who asks.
    pub worker: WorkerId,
    /// What it can take, at most [`crate::limits::INSERT_JOBS_MAX`] in all. A queue is named once.
    pub lanes: Vec<LaneWant>,
    /// How long the leases shall last.
    pub lease: Duration,
}

impl Claim {
    /// Checks that each queue is named once, that the sum is within its limit, and that the lease lasts.
    pub fn check(&self) -> Result<(), Invalid> {
        let wanted: usize = self.lanes.iter().map(|lane| lane.limit).sum();
        if wanted > INSERT_JOBS_MAX {
            return Err(Invalid::new("lanes", format!("at most {INSERT_JOBS_MAX} jobs in all"), wanted)
                .code("too_many"));
        }
        let mut named = HashSet::new();
        if let Some(twice) = self.lanes.iter().find(|lane| !named.insert(&lane.queue)) {
            return Err(Invalid::new("lanes", "each queue once", &twice.queue));
        }
        if self.lease.is_zero() {
            return Err(Invalid::new("lease", "a duration above zero", "0"));
        }
        Ok(())
    }
}

/// A job with the lease on it.
#[derive(Debug, PartialEq)]
pub struct Claimed {
    /// The right to the attempt.
    pub lease: Lease,
    /// What was asked.
    pub spec: Arc<JobSpec>,
    /// The number of this attempt, from 1.
    pub attempt: u32,
    /// Leases lost before.
    pub stalls: u32,
    /// When the job was inserted.
    pub created_at: Timestamp,
}

/// A worker's wish to keep a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// Which.
    pub token: LeaseToken,
    /// How far the handler is, if that changed.
    pub progress: Option<Progress>,
}

/// What became of the wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewed {
    /// The lease lasts until then.
    Held {
        /// The new end of the lease.
        until: Timestamp,
        /// An operator asked the job to stop.
        cancel: bool,
    },
    /// The lease is gone; stop working on it.
    Lost,
}

/// What a fused finish and claim did.
#[derive(Debug)]
pub struct Turned {
    /// As from [`Store::finish`].
    pub ended: Vec<Ended>,
    /// As from [`Store::claim`].
    pub claims: Claims,
}

/// What a claim gave.
#[derive(Debug, Default, PartialEq)]
pub struct Claims {
    /// The jobs with the leases on them.
    pub jobs: Vec<Claimed>,
    /// When to ask again although nobody rings, because a rate has room for one more start then.
    pub next: Option<Timestamp>,
    /// The queues among those asked for that have limits, so that nothing is read ahead of them.
    pub limited: Vec<QueueName>,
}

/// A job that the keeper moved.
#[derive(Clone, Debug, PartialEq)]
pub struct Moved {
    /// What was asked.
    pub spec: Arc<JobSpec>,
    /// Its state before.
    pub from: State,
    /// Its state now.
    pub state: State,
    /// Why.
    pub reason: Option<Reason>,
    /// Its attempts so far.
    pub attempt: u32,
    /// When it was inserted.
    pub created_at: Timestamp,
    /// When its latest attempt started.
    pub started_at: Option<Timestamp>,
}

/// What a step of the keeper did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kept {
    /// The jobs it moved to another state.
    pub moved: Vec<Moved>,
    /// The records it removed.
    pub removed: usize,
    /// When it wants to be called next: at once if the limit was reached, never if none.
    pub next: Option<Timestamp>,
}

/// What an operator does to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Waiting: cancelled at once. Running: its worker is asked to stop. Ended: refused.
    Cancel,
    /// Failed or cancelled: ready again, or blocked if a parent has not completed, with attempt, stalls, progress,
    /// result and time to live anew; its errors stay. Refused in other states, and while another job holds its
    /// unique key.
    Revive,
    /// Not running: the record goes. Running: refused, unless `force` is set, which revokes the lease.
    Remove {
        /// Remove it even while it runs.
        force: bool,
    },
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq)]
pub enum Amended {
    /// The job moved; none as the state after means that its record is gone.
    Moved {
        /// The job as it stands, or as it last stood.
        job: Box<Job>,
        /// The state before.
        from: State,
        /// The state after.
        to: Option<State>,
    },
    /// The job runs, and its worker is asked to stop. Also the answer to asking again.
    Asked(Box<Job>),
    /// Its state does not allow the change; nothing changed.
    WrongState(State),
    /// This other job holds its unique key; nothing changed.
    UniqueConflict(JobId),
    /// There is no such job.
    Unknown,
}

/// Which page of a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Where the page before ended.
    pub after: Option<Cursor>,
    /// At most this many jobs, up to [`crate::limits::PAGE_JOBS_MAX`].
    pub limit: usize,
}

impl Page {
    /// Checks the limit: 1 to [`PAGE_JOBS_MAX`].
    pub fn check(&self) -> Result<(), Invalid> {
        if (1..=PAGE_JOBS_MAX).contains(&self.limit) {
            return Ok(());
        }
        Err(Invalid::new("limit", format!("a whole number from 1 to {PAGE_JOBS_MAX}"), self.limit))
    }

    /// Whether nothing more goes on a page with so many jobs of so many [bytes](Job::bytes).
    pub fn is_full(&self, jobs: usize, bytes: usize) -> bool {
        jobs >= self.limit || bytes >= PAGE_BYTES_MAX
    }
}

/// A place in a listing. Only the store that made it can read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor(pub u64);

/// A page of a listing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JobPage {
    /// The jobs.
    pub jobs: Vec<Job>,
    /// Where to go on; none if this was the last page.
    pub next: Option<Cursor>,
}

/// A ring of the door bell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wake {
    /// This queue may have ready jobs, or was resumed.
    Ready(QueueName),
    /// This queue was paused; jobs of it that were claimed and have not started should go back.
    Paused(QueueName),
    /// A job was scheduled; it may be due before what the keeper waits for.
    Due,
    /// A job of a flow has ended, and others are to be told.
    Settle,
    /// Limits or ageing were changed, and waiting jobs are to be sorted.
    Sort,
    /// A running job was asked to stop, or lost its lease.
    Cancel,
    /// This log has new entries.
    Log(String),
    /// Something was missed; look at everything.
    Missed,
}

/// The stream of rings.
pub type WakeStream = Pin<Box<dyn Stream<Item = Wake> + Send>>;
