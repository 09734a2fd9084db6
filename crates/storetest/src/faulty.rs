use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use longshore_clock::Chance;
use longshore_core::limiter::{Permit, Rule};
use longshore_core::{
    Amended, Can, Change, Claim, Claimed, Doc, Ended, Ends, Expect, Inserted, Job, JobFilter, JobId, JobPage,
    JobSpec, Kept, LogEntry, Page, Put, QueueChange, QueueInfo, QueueName, Records, Renewal, Renewed, Store,
    StoreError, StoreResult, Timestamp, Turned, WakeStream,
};

/// How often a faulty store fails, as fractions of all calls.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Odds {
    /// The call fails before it reaches the store: nothing happened.
    pub before: f64,
    /// The call reaches the store and its answer is lost: it happened, and the caller does not know.
    pub after: f64,
}

impl Odds {
    /// Nothing fails.
    pub const CALM: Self = Self { before: 0.0, after: 0.0 };
    /// Everything fails: the store is down.
    pub const DOWN: Self = Self { before: 1.0, after: 0.0 };
}

/// A store that is not always available. Chance decides which calls fail with
/// [`StoreError::Unavailable`], before they reach the store inside or after; the same seed decides the same way.
///
/// The bell, [`Store::can`] and [`Store::close`] never fail.
pub struct Faulty {
    inner: Arc<dyn Store>,
    chance: Chance,
    odds: Mutex<Odds>,
    faults: AtomicU64,
}

impl Faulty {
    /// Wraps a store.
    pub fn new(inner: Arc<dyn Store>, chance: Chance, odds: Odds) -> Self {
        Self { inner, chance, odds: Mutex::new(odds), faults: AtomicU64::new(0) }
    }

    /// Changes how often it fails from now on.
    pub fn set(&self, odds: Odds) {
        *self.odds.lock().unwrap_or_else(PoisonError::into_inner) = odds;
    }

    /// How many calls have failed so far.
    pub fn faults(&self) -> u64 {
        self.faults.load(Ordering::Relaxed)
    }

    /// The store inside, which never fails.
    pub fn inner(&self) -> &Arc<dyn Store> {
        &self.inner
    }

    async fn pass<T>(&self, call: impl Future<Output = StoreResult<T>> + Send) -> StoreResult<T> {
        let odds = *self.odds.lock().unwrap_or_else(PoisonError::into_inner);
        let draw = self.chance.unit();
        if draw < odds.before {
            return Err(self.fault("the request did not arrive"));
        }
        let answer = call.await?;
        if draw < odds.before + odds.after {
            return Err(self.fault("the answer was lost"));
        }
        Ok(answer)
    }

    fn fault(&self, what: &str) -> StoreError {
        self.faults.fetch_add(1, Ordering::Relaxed);
        StoreError::Unavailable(what.to_owned())
    }
}

impl std::fmt::Debug for Faulty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Faulty")
            .field("odds", &self.odds)
            .field("faults", &self.faults)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for Faulty {
    async fn insert(&self, jobs: Vec<Arc<JobSpec>>, now: Timestamp) -> StoreResult<Vec<Inserted>> {
        self.pass(self.inner.insert(jobs, now)).await
    }

    async fn claim(&self, claim: Claim, now: Timestamp) -> StoreResult<Vec<Claimed>> {
        self.pass(self.inner.claim(claim, now)).await
    }

    async fn renew(
        &self,
        renewals: Vec<Renewal>,
        lease: Duration,
        now: Timestamp,
    ) -> StoreResult<Vec<Renewed>> {
        self.pass(self.inner.renew(renewals, lease, now)).await
    }

    async fn finish(&self, ends: Ends, now: Timestamp) -> StoreResult<Vec<Ended>> {
        self.pass(self.inner.finish(ends, now)).await
    }

    async fn turn(&self, ends: Ends, claim: Claim, now: Timestamp) -> StoreResult<Turned> {
        self.pass(self.inner.turn(ends, claim, now)).await
    }

    async fn promote(&self, limit: usize, now: Timestamp) -> StoreResult<Kept> {
        self.pass(self.inner.promote(limit, now)).await
    }

    async fn reclaim(&self, limit: usize, stalls_max: u32, now: Timestamp) -> StoreResult<Kept> {
        self.pass(self.inner.reclaim(limit, stalls_max, now)).await
    }

    async fn prune(&self, limit: usize, now: Timestamp) -> StoreResult<Kept> {
        self.pass(self.inner.prune(limit, now)).await
    }

    async fn amend(&self, ids: Vec<JobId>, change: Change, now: Timestamp) -> StoreResult<Vec<Amended>> {
        self.pass(self.inner.amend(ids, change, now)).await
    }

    async fn set_queue(
        &self,
        queue: QueueName,
        change: QueueChange,
        now: Timestamp,
    ) -> StoreResult<QueueInfo> {
        self.pass(self.inner.set_queue(queue, change, now)).await
    }

    async fn remove_queue(&self, queue: QueueName, now: Timestamp) -> StoreResult<bool> {
        self.pass(self.inner.remove_queue(queue, now)).await
    }

    async fn get(&self, id: JobId) -> StoreResult<Option<Job>> {
        self.pass(self.inner.get(id)).await
    }

    async fn list(&self, filter: JobFilter, page: Page) -> StoreResult<JobPage> {
        self.pass(self.inner.list(filter, page)).await
    }

    async fn queues(&self) -> StoreResult<Vec<QueueInfo>> {
        self.pass(self.inner.queues()).await
    }

    async fn queue(&self, name: QueueName) -> StoreResult<Option<QueueInfo>> {
        self.pass(self.inner.queue(name)).await
    }

    fn wakeups(&self) -> WakeStream {
        self.inner.wakeups()
    }

    fn is_alone(&self) -> bool {
        self.inner.is_alone()
    }

    fn can(&self) -> Can {
        self.inner.can()
    }

    async fn close(&self) -> StoreResult<()> {
        self.inner.close().await
    }
}

#[async_trait]
impl Records for Faulty {
    async fn doc_get(&self, key: &str, now: Timestamp) -> StoreResult<Option<Doc>> {
        self.pass(self.inner.doc_get(key, now)).await
    }

    async fn doc_put(
        &self,
        key: &str,
        value: Bytes,
        expect: Expect,
        ttl: Option<Duration>,
        now: Timestamp,
    ) -> StoreResult<Put> {
        self.pass(self.inner.doc_put(key, value, expect, ttl, now)).await
    }

    async fn doc_delete(&self, key: &str, expect: Expect, now: Timestamp) -> StoreResult<bool> {
        self.pass(self.inner.doc_delete(key, expect, now)).await
    }

    async fn doc_list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
        now: Timestamp,
    ) -> StoreResult<Vec<Doc>> {
        self.pass(self.inner.doc_list(prefix, after, limit, now)).await
    }

    async fn log_append(&self, log: &str, entries: Vec<Bytes>, keep: usize) -> StoreResult<u64> {
        self.pass(self.inner.log_append(log, entries, keep)).await
    }

    async fn log_read(&self, log: &str, after: u64, limit: usize) -> StoreResult<Vec<LogEntry>> {
        self.pass(self.inner.log_read(log, after, limit)).await
    }

    async fn log_end(&self, log: &str) -> StoreResult<u64> {
        self.pass(self.inner.log_end(log)).await
    }

    async fn limit(&self, key: &str, rule: Rule, cost: u32, now: Timestamp) -> StoreResult<Permit> {
        self.pass(self.inner.limit(key, rule, cost, now)).await
    }
}
