//! A store whose answers are noted. Each request is carried to its end, though whoever made it dies.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use longshore_clock::Clock;
use longshore_core::{
    Amended, Can, Change, Claim, Claims, Ended, Ends, Fire, Fired, Inserted, Job, JobFilter, JobId, JobPage,
    JobSpec, Kept, KindInfo, KindName, Limit, Page, QueueChange, QueueInfo, QueueName, Renewal, Renewed,
    Store, StoreError, StoreResult, Timestamp, Turned, WakeStream,
};

use super::notes::Notes;
use crate::lock;

pub(super) struct Noted {
    pub(super) inner: Arc<dyn Store>,
    pub(super) notes: Arc<Mutex<Notes>>,
    pub(super) clock: Clock,
}

impl Noted {
    /// Makes a request, and enters its answer together with the moment at which it was made.
    async fn note<T: Send + 'static, F: Future<Output = StoreResult<T>> + Send + 'static>(
        &self,
        request: impl FnOnce(Arc<dyn Store>) -> F + Send,
        begin: impl FnOnce(&mut Notes) + Send,
        enter: impl FnOnce(&mut Notes, &T, u64, Timestamp) + Send + 'static,
    ) -> StoreResult<T> {
        let asked = {
            let mut notes = lock(&self.notes);
            begin(&mut notes);
            notes.tick()
        };
        let (call, notes, clock) = (request(self.inner.clone()), self.notes.clone(), self.clock.clone());
        let carried = tokio::spawn(async move {
            let answer = call.await?;
            enter(&mut lock(&notes), &answer, asked, clock.now());
            Ok(answer)
        });
        carried.await.unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string())))
    }
}

#[async_trait]
impl Store for Noted {
    async fn insert(&self, jobs: Vec<Arc<JobSpec>>, now: Timestamp) -> StoreResult<Vec<Inserted>> {
        let (asked, noted) = (jobs.clone(), jobs.clone());
        self.note(
            move |store| async move { store.insert(jobs, now).await },
            move |notes| notes.asked(&asked),
            move |notes, answers, _, _| notes.inserted(&noted, answers),
        )
        .await
    }

    async fn claim(&self, claim: Claim, now: Timestamp) -> StoreResult<Claims> {
        self.note(
            move |store| async move { store.claim(claim, now).await },
            |_| {},
            move |notes, claims, asked, at| notes.claimed(&claims.jobs, asked, now, at),
        )
        .await
    }

    async fn renew(
        &self,
        renewals: Vec<Renewal>,
        lease: Duration,
        now: Timestamp,
    ) -> StoreResult<Vec<Renewed>> {
        let noted = renewals.clone();
        self.note(
            move |store| async move { store.renew(renewals, lease, now).await },
            |_| {},
            move |notes, answers, asked, _| notes.renewed(&noted, answers, asked),
        )
        .await
    }

    async fn finish(&self, ends: Ends, now: Timestamp) -> StoreResult<Vec<Ended>> {
        let (begun, noted) = (ends.clone(), ends.clone());
        self.note(
            move |store| async move { store.finish(ends, now).await },
            move |notes| notes.ending(&begun),
            move |notes, answers, asked, _| notes.ended(&noted, answers, asked),
        )
        .await
    }

    async fn turn(&self, ends: Ends, claim: Claim, now: Timestamp) -> StoreResult<Turned> {
        let (begun, noted) = (ends.clone(), ends.clone());
        self.note(
            move |store| async move { store.turn(ends, claim, now).await },
            move |notes| notes.ending(&begun),
            move |notes, turned, asked, at| {
                notes.ended(&noted, &turned.ended, asked);
                notes.claimed(&turned.claims.jobs, asked, now, at);
            },
        )
        .await
    }

    async fn amend(&self, ids: Vec<JobId>, change: Change, now: Timestamp) -> StoreResult<Vec<Amended>> {
        let (begun, noted) = (ids.clone(), ids.clone());
        self.note(
            move |store| async move { store.amend(ids, change, now).await },
            move |notes| notes.amending(&begun, change),
            move |notes, answers, asked, _| notes.amended(&noted, answers, asked),
        )
        .await
    }

    async fn set_queue(
        &self,
        queue: QueueName,
        change: QueueChange,
        now: Timestamp,
    ) -> StoreResult<QueueInfo> {
        let (begun, noted, paused) = (queue.clone(), queue.clone(), change.paused);
        self.note(
            move |store| async move { store.set_queue(queue, change, now).await },
            move |notes| notes.pausing(&begun, paused),
            move |notes, _, asked, _| notes.paused(noted, paused, asked),
        )
        .await
    }

    async fn promote(&self, limit: usize, now: Timestamp) -> StoreResult<Kept> {
        lock(&self.notes).tick();
        self.inner.promote(limit, now).await
    }

    async fn expire(&self, limit: usize, now: Timestamp) -> StoreResult<Kept> {
        lock(&self.notes).tick();
        self.inner.expire(limit, now).await
    }

    async fn settle(&self, limit: usize, now: Timestamp) -> StoreResult<Kept> {
        lock(&self.notes).tick();
        self.inner.settle(limit, now).await
    }

    async fn fire(&self, fire: Fire, now: Timestamp) -> StoreResult<Fired> {
        self.inner.fire(fire, now).await
    }

    async fn reclaim(&self, limit: usize, stalls_max: u32, now: Timestamp) -> StoreResult<Kept> {
        self.note(
            move |store| async move { store.reclaim(limit, stalls_max, now).await },
            move |notes| notes.reclaiming(now),
            move |notes, _, _, _| notes.reclaimed(now),
        )
        .await
    }

    async fn prune(&self, limit: usize, now: Timestamp) -> StoreResult<Kept> {
        lock(&self.notes).tick();
        self.inner.prune(limit, now).await
    }

    async fn set_kind(&self, kind: KindName, limits: Vec<Limit>, now: Timestamp) -> StoreResult<()> {
        self.inner.set_kind(kind, limits, now).await
    }

    async fn kinds(&self) -> StoreResult<Vec<KindInfo>> {
        self.inner.kinds().await
    }

    async fn sort(&self, limit: usize, now: Timestamp) -> StoreResult<Kept> {
        lock(&self.notes).tick();
        self.inner.sort(limit, now).await
    }

    async fn remove_queue(&self, queue: QueueName, now: Timestamp) -> StoreResult<bool> {
        self.inner.remove_queue(queue, now).await
    }

    async fn free_unique(&self, queue: QueueName, key: String, now: Timestamp) -> StoreResult<Option<JobId>> {
        self.inner.free_unique(queue, key, now).await
    }

    async fn unique_owner(
        &self,
        queue: QueueName,
        key: String,
        now: Timestamp,
    ) -> StoreResult<Option<JobId>> {
        self.inner.unique_owner(queue, key, now).await
    }

    async fn get(&self, id: JobId) -> StoreResult<Option<Job>> {
        self.inner.get(id).await
    }

    async fn failures(
        &self,
        queue: QueueName,
        limit: usize,
    ) -> StoreResult<Vec<longshore_core::FailureGroup>> {
        self.inner.failures(queue, limit).await
    }

    async fn holds(&self, id: JobId, now: Timestamp) -> StoreResult<Vec<longshore_core::Hold>> {
        self.inner.holds(id, now).await
    }

    async fn list(&self, filter: JobFilter, page: Page) -> StoreResult<JobPage> {
        self.inner.list(filter, page).await
    }

    async fn queues(&self) -> StoreResult<Vec<QueueInfo>> {
        self.inner.queues().await
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

longshore_storetest::pass_records!(Noted);
