//! A store with something around each of its calls.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use longshore_core::limiter::{Permit, Rule};
use longshore_core::{
    Amended, Can, Change, Claim, Claims, Doc, Ended, Ends, Expect, FailureGroup, Fire, Fired, Hold, Inserted,
    Job, JobFilter, JobId, JobPage, JobSpec, Kept, KindInfo, KindName, Limit, LogEntry, Page, Put,
    QueueChange, QueueInfo, QueueName, Records, Renewal, Renewed, Store, StoreResult, Timestamp, Turned,
    WakeStream,
};

/// What happens around the calls of a store.
pub trait Around: Send + Sync + 'static {
    /// Carries out one call of this name, or does not.
    fn pass<T: Send>(
        &self,
        name: &'static str,
        call: impl Future<Output = StoreResult<T>> + Send,
    ) -> impl Future<Output = StoreResult<T>> + Send;

    /// The page that a listing really asks for.
    fn page(&self, page: Page) -> Page {
        page
    }

    /// What is heard of the bell.
    fn hear(&self, wakes: WakeStream) -> WakeStream {
        wakes
    }

    /// Whether other processes use the store as well, whatever it says itself.
    fn is_shared(&self) -> bool {
        false
    }
}

/// A store inside something else. [`Store::close`] is always passed on.
pub struct Wrapped<A> {
    pub(crate) inner: Arc<dyn Store>,
    pub(crate) around: A,
}

impl<A> Wrapped<A> {
    /// Puts something around a store.
    pub fn new(inner: Arc<dyn Store>, around: A) -> Self {
        Self { inner, around }
    }

    /// The store inside.
    pub fn inner(&self) -> &Arc<dyn Store> {
        &self.inner
    }
}

impl<A> std::ops::Deref for Wrapped<A> {
    type Target = A;

    fn deref(&self) -> &A {
        &self.around
    }
}

#[async_trait]
impl<A: Around> Store for Wrapped<A> {
    async fn insert(&self, jobs: Vec<Arc<JobSpec>>, now: Timestamp) -> StoreResult<Vec<Inserted>> {
        self.around.pass("insert", self.inner.insert(jobs, now)).await
    }

    async fn claim(&self, claim: Claim, now: Timestamp) -> StoreResult<Claims> {
        self.around.pass("claim", self.inner.claim(claim, now)).await
    }

    async fn renew(
        &self,
        renewals: Vec<Renewal>,
        lease: Duration,
        now: Timestamp,
    ) -> StoreResult<Vec<Renewed>> {
        self.around.pass("renew", self.inner.renew(renewals, lease, now)).await
    }

    async fn finish(&self, ends: Ends, now: Timestamp) -> StoreResult<Vec<Ended>> {
        self.around.pass("finish", self.inner.finish(ends, now)).await
    }

    async fn turn(&self, ends: Ends, claim: Claim, now: Timestamp) -> StoreResult<Turned> {
        self.around.pass("turn", self.inner.turn(ends, claim, now)).await
    }

    async fn promote(&self, limit: usize, now: Timestamp) -> StoreResult<Kept> {
        self.around.pass("promote", self.inner.promote(limit, now)).await
    }

    async fn expire(&self, limit: usize, now: Timestamp) -> StoreResult<Kept> {
        self.around.pass("expire", self.inner.expire(limit, now)).await
    }

    async fn settle(&self, limit: usize, now: Timestamp) -> StoreResult<Kept> {
        self.around.pass("settle", self.inner.settle(limit, now)).await
    }

    async fn fire(&self, fire: Fire, now: Timestamp) -> StoreResult<Fired> {
        self.around.pass("fire", self.inner.fire(fire, now)).await
    }

    async fn reclaim(&self, limit: usize, stalls_max: u32, now: Timestamp) -> StoreResult<Kept> {
        self.around.pass("reclaim", self.inner.reclaim(limit, stalls_max, now)).await
    }

    async fn prune(&self, limit: usize, now: Timestamp) -> StoreResult<Kept> {
        self.around.pass("prune", self.inner.prune(limit, now)).await
    }

    async fn amend(&self, ids: Vec<JobId>, change: Change, now: Timestamp) -> StoreResult<Vec<Amended>> {
        self.around.pass("amend", self.inner.amend(ids, change, now)).await
    }

    async fn set_queue(
        &self,
        queue: QueueName,
        change: QueueChange,
        now: Timestamp,
    ) -> StoreResult<QueueInfo> {
        self.around.pass("set_queue", self.inner.set_queue(queue, change, now)).await
    }

    async fn set_kind(&self, kind: KindName, limits: Vec<Limit>, now: Timestamp) -> StoreResult<()> {
        self.around.pass("set_kind", self.inner.set_kind(kind, limits, now)).await
    }

    async fn kinds(&self) -> StoreResult<Vec<KindInfo>> {
        self.around.pass("kinds", self.inner.kinds()).await
    }

    async fn sort(&self, limit: usize, now: Timestamp) -> StoreResult<Kept> {
        self.around.pass("sort", self.inner.sort(limit, now)).await
    }

    async fn remove_queue(&self, queue: QueueName, now: Timestamp) -> StoreResult<bool> {
        self.around.pass("remove_queue", self.inner.remove_queue(queue, now)).await
    }

    async fn free_unique(&self, queue: QueueName, key: String, now: Timestamp) -> StoreResult<Option<JobId>> {
        self.around.pass("free_unique", self.inner.free_unique(queue, key, now)).await
    }

    async fn unique_owner(
        &self,
        queue: QueueName,
        key: String,
        now: Timestamp,
    ) -> StoreResult<Option<JobId>> {
        self.around.pass("unique_owner", self.inner.unique_owner(queue, key, now)).await
    }

    async fn get(&self, id: JobId) -> StoreResult<Option<Job>> {
        self.around.pass("get", self.inner.get(id)).await
    }

    async fn holds(&self, id: JobId, now: Timestamp) -> StoreResult<Vec<Hold>> {
        self.around.pass("holds", self.inner.holds(id, now)).await
    }

    async fn failures(&self, queue: QueueName, limit: usize) -> StoreResult<Vec<FailureGroup>> {
        self.around.pass("failures", self.inner.failures(queue, limit)).await
    }

    async fn list(&self, filter: JobFilter, page: Page) -> StoreResult<JobPage> {
        self.around.pass("list", self.inner.list(filter, self.around.page(page))).await
    }

    async fn queues(&self) -> StoreResult<Vec<QueueInfo>> {
        self.around.pass("queues", self.inner.queues()).await
    }

    async fn queue(&self, name: QueueName) -> StoreResult<Option<QueueInfo>> {
        self.around.pass("queue", self.inner.queue(name)).await
    }

    fn wakeups(&self) -> WakeStream {
        self.around.hear(self.inner.wakeups())
    }

    fn is_alone(&self) -> bool {
        !self.around.is_shared() && self.inner.is_alone()
    }

    fn can(&self) -> Can {
        let can = self.inner.can();
        Can { shared: can.shared || self.around.is_shared(), ..can }
    }

    async fn close(&self) -> StoreResult<()> {
        self.inner.close().await
    }
}

#[async_trait]
impl<A: Around> Records for Wrapped<A> {
    async fn doc_get(&self, key: &str, now: Timestamp) -> StoreResult<Option<Doc>> {
        self.around.pass("doc_get", self.inner.doc_get(key, now)).await
    }

    async fn doc_put(
        &self,
        key: &str,
        value: Bytes,
        expect: Expect,
        ttl: Option<Duration>,
        now: Timestamp,
    ) -> StoreResult<Put> {
        self.around.pass("doc_put", self.inner.doc_put(key, value, expect, ttl, now)).await
    }

    async fn doc_delete(&self, key: &str, expect: Expect, now: Timestamp) -> StoreResult<bool> {
        self.around.pass("doc_delete", self.inner.doc_delete(key, expect, now)).await
    }

    async fn doc_list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
        now: Timestamp,
    ) -> StoreResult<Vec<Doc>> {
        self.around.pass("doc_list", self.inner.doc_list(prefix, after, limit, now)).await
    }

    async fn log_append(&self, log: &str, entries: Vec<Bytes>, keep: usize) -> StoreResult<u64> {
        self.around.pass("log_append", self.inner.log_append(log, entries, keep)).await
    }

    async fn log_read(&self, log: &str, after: u64, limit: usize) -> StoreResult<Vec<LogEntry>> {
        self.around.pass("log_read", self.inner.log_read(log, after, limit)).await
    }

    async fn log_end(&self, log: &str) -> StoreResult<u64> {
        self.around.pass("log_end", self.inner.log_end(log)).await
    }

    async fn limit(&self, key: &str, rule: Rule, cost: u32, now: Timestamp) -> StoreResult<Permit> {
        self.around.pass("limit", self.inner.limit(key, rule, cost, now)).await
    }
}
