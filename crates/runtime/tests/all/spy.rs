use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use longshore_core::limiter::{Permit, Rule};
use longshore_core::{
    Amended, Can, Change, Claim, Claimed, Doc, Ended, Ends, Expect, Inserted, Job, JobFilter, JobId, JobPage,
    JobSpec, Kept, LogEntry, Page, Put, QueueChange, QueueInfo, QueueName, Records, Renewal, Renewed, Store,
    StoreError, StoreResult, Timestamp, Turned, WakeStream,
};
use tokio::sync::watch;

use crate::support::soon;

/// A store that counts its calls by name, and does worse than it could where a test wants it to.
pub(crate) struct Spy {
    inner: Arc<dyn Store>,
    calls: watch::Sender<BTreeMap<&'static str, u64>>,
    failing: Mutex<BTreeSet<&'static str>>,
    stuck: Mutex<BTreeSet<&'static str>>,
    late: watch::Sender<BTreeSet<&'static str>>,
    page_jobs_max: usize,
}

impl Spy {
    pub(crate) fn on(inner: Arc<dyn Store>) -> Self {
        let (calls, failing, stuck) = (watch::Sender::default(), Mutex::default(), Mutex::default());
        Self { inner, calls, failing, stuck, late: watch::Sender::default(), page_jobs_max: usize::MAX }
    }

    /// With pages that hold so few jobs.
    pub(crate) fn short_pages(self, page_jobs_max: usize) -> Self {
        Self { page_jobs_max, ..self }
    }

    /// Calls of this name fail from now on, before they reach the store.
    pub(crate) fn fail(&self, name: &'static str) {
        self.failing.lock().unwrap().insert(name);
    }

    /// Calls of this name are counted from now on, and never answered.
    pub(crate) fn hold(&self, name: &'static str) {
        self.stuck.lock().unwrap().insert(name);
    }

    /// Calls of this name reach the store from now on, and are answered once it is mended.
    pub(crate) fn delay(&self, name: &'static str) {
        self.late.send_modify(|late| {
            late.insert(name);
        });
    }

    /// No call fails any more or is late.
    pub(crate) fn mend(&self) {
        self.failing.lock().unwrap().clear();
        self.late.send_modify(BTreeSet::clear);
    }

    pub(crate) fn calls(&self) -> BTreeMap<&'static str, u64> {
        self.calls.borrow().clone()
    }

    /// Waits for so many more calls of this name to have been answered.
    pub(crate) async fn more(&self, name: &'static str, count: u64) {
        let mut calls = self.calls.subscribe();
        let wanted = calls.borrow_and_update().get(name).copied().unwrap_or(0) + count;
        let reached = calls.wait_for(|calls| calls.get(name).is_some_and(|so_far| *so_far >= wanted));
        soon(reached).await.unwrap();
    }

    async fn pass<T>(
        &self,
        name: &'static str,
        call: impl Future<Output = StoreResult<T>> + Send,
    ) -> StoreResult<T> {
        let fails = self.failing.lock().unwrap().contains(name);
        let answer = if fails { Err(StoreError::Unavailable(format!("{name} fails"))) } else { call.await };
        let stuck = self.stuck.lock().unwrap().contains(name);
        self.calls.send_modify(|calls| *calls.entry(name).or_default() += 1);
        if stuck {
            std::future::pending::<()>().await;
        }
        self.late.subscribe().wait_for(|late| !late.contains(name)).await.unwrap();
        answer
    }
}

#[async_trait]
impl Store for Spy {
    async fn insert(&self, jobs: Vec<Arc<JobSpec>>, now: Timestamp) -> StoreResult<Vec<Inserted>> {
        self.pass("insert", self.inner.insert(jobs, now)).await
    }

    async fn claim(&self, claim: Claim, now: Timestamp) -> StoreResult<Vec<Claimed>> {
        self.pass("claim", self.inner.claim(claim, now)).await
    }

    async fn renew(
        &self,
        renewals: Vec<Renewal>,
        lease: Duration,
        now: Timestamp,
    ) -> StoreResult<Vec<Renewed>> {
        self.pass("renew", self.inner.renew(renewals, lease, now)).await
    }

    async fn finish(&self, ends: Ends, now: Timestamp) -> StoreResult<Vec<Ended>> {
        self.pass("finish", self.inner.finish(ends, now)).await
    }

    async fn turn(&self, ends: Ends, claim: Claim, now: Timestamp) -> StoreResult<Turned> {
        self.pass("turn", self.inner.turn(ends, claim, now)).await
    }

    async fn promote(&self, limit: usize, now: Timestamp) -> StoreResult<Kept> {
        self.pass("promote", self.inner.promote(limit, now)).await
    }

    async fn reclaim(&self, limit: usize, stalls_max: u32, now: Timestamp) -> StoreResult<Kept> {
        self.pass("reclaim", self.inner.reclaim(limit, stalls_max, now)).await
    }

    async fn prune(&self, limit: usize, now: Timestamp) -> StoreResult<Kept> {
        self.pass("prune", self.inner.prune(limit, now)).await
    }

    async fn amend(&self, ids: Vec<JobId>, change: Change, now: Timestamp) -> StoreResult<Vec<Amended>> {
        self.pass("amend", self.inner.amend(ids, change, now)).await
    }

    async fn set_queue(
        &self,
        queue: QueueName,
        change: QueueChange,
        now: Timestamp,
    ) -> StoreResult<QueueInfo> {
        self.pass("set_queue", self.inner.set_queue(queue, change, now)).await
    }

    async fn remove_queue(&self, queue: QueueName, now: Timestamp) -> StoreResult<bool> {
        self.pass("remove_queue", self.inner.remove_queue(queue, now)).await
    }

    async fn get(&self, id: JobId) -> StoreResult<Option<Job>> {
        self.pass("get", self.inner.get(id)).await
    }

    async fn list(&self, filter: JobFilter, page: Page) -> StoreResult<JobPage> {
        let page = Page { limit: page.limit.min(self.page_jobs_max), ..page };
        self.pass("list", self.inner.list(filter, page)).await
    }

    async fn queues(&self) -> StoreResult<Vec<QueueInfo>> {
        self.pass("queues", self.inner.queues()).await
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
impl Records for Spy {
    async fn doc_get(&self, key: &str, now: Timestamp) -> StoreResult<Option<Doc>> {
        self.pass("doc_get", self.inner.doc_get(key, now)).await
    }

    async fn doc_put(
        &self,
        key: &str,
        value: Bytes,
        expect: Expect,
        ttl: Option<Duration>,
        now: Timestamp,
    ) -> StoreResult<Put> {
        self.pass("doc_put", self.inner.doc_put(key, value, expect, ttl, now)).await
    }

    async fn doc_delete(&self, key: &str, expect: Expect, now: Timestamp) -> StoreResult<bool> {
        self.pass("doc_delete", self.inner.doc_delete(key, expect, now)).await
    }

    async fn doc_list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
        now: Timestamp,
    ) -> StoreResult<Vec<Doc>> {
        self.pass("doc_list", self.inner.doc_list(prefix, after, limit, now)).await
    }

    async fn log_append(&self, log: &str, entries: Vec<Bytes>, keep: usize) -> StoreResult<u64> {
        self.pass("log_append", self.inner.log_append(log, entries, keep)).await
    }

    async fn log_read(&self, log: &str, after: u64, limit: usize) -> StoreResult<Vec<LogEntry>> {
        self.pass("log_read", self.inner.log_read(log, after, limit)).await
    }

    async fn log_end(&self, log: &str) -> StoreResult<u64> {
        self.pass("log_end", self.inner.log_end(log)).await
    }

    async fn limit(&self, key: &str, rule: Rule, cost: u32, now: Timestamp) -> StoreResult<Permit> {
        self.pass("limit", self.inner.limit(key, rule, cost, now)).await
    }
}
