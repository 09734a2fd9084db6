//! A store under the eyes of the auditor: each answer is entered in the ledger before anybody else can ask, and the
//! jobs that it speaks of are looked at again.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use async_trait::async_trait;
use longshore_core::limits::PAGE_JOBS_MAX;
use longshore_core::{
    Amended, Can, Change, Claim, Claims, Ended, Ends, Fire, Fired, Inserted, Job, JobFilter, JobId, JobPage,
    JobSpec, Kept, KindInfo, KindName, Limit, Page, QueueChange, QueueInfo, QueueName, Renewal, Renewed,
    Store, StoreResult, Timestamp, Turned, WakeStream,
};

use crate::ledger::Ledger;
use crate::lock;
use crate::tell;
use crate::time::Time;
use crate::trace::Trace;

/// Requests after which the whole store is compared with the model.
const WHOLE_EVERY: u64 = 97;

/// The store, the ledger and the trace.
pub(crate) struct Watched {
    pub(crate) inner: Arc<dyn Store>,
    pub(crate) ledger: Arc<Mutex<Ledger>>,
    pub(crate) trace: Arc<Mutex<Trace>>,
    pub(crate) time: Arc<Time>,
    pub(crate) count: std::sync::atomic::AtomicU64,
}

struct Parked(Thread);

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for a store that answers from another thread, so that nothing else happens before it has answered.
pub(crate) fn wait<T>(call: impl Future<Output = T>) -> T {
    let mut call = pin!(call);
    let waker = Waker::from(Arc::new(Parked(std::thread::current())));
    loop {
        match call.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(answer) => return answer,
            Poll::Pending => std::thread::park(),
        }
    }
}

impl Watched {
    fn tell(&self, line: &str) {
        lock(&self.trace).tell(self.time.passed(), line);
    }

    /// Enters an answer, and compares what the store shows of its jobs.
    fn enter<T>(
        &self,
        what: &str,
        answer: StoreResult<T>,
        enter: impl FnOnce(&mut Ledger, &T) -> String,
    ) -> StoreResult<T> {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                self.tell(&format!("{what} -> {error}"));
                return Err(error);
            }
        };
        let mut ledger = lock(&self.ledger);
        let told = enter(&mut ledger, &answer);
        self.tell(&format!("{what} -> {told}"));
        for id in ledger.take_touched() {
            match wait(self.inner.get(id.clone())) {
                Ok(job) => ledger.verify(&id, job.as_ref()),
                Err(error) => ledger.find(format!("{id} cannot be looked at: {error}")),
            }
        }
        if self.count.fetch_add(1, std::sync::atomic::Ordering::Relaxed).is_multiple_of(WHOLE_EVERY) {
            match wait(every(&*self.inner)) {
                Ok(jobs) => ledger.compare(&jobs),
                Err(error) => ledger.find(format!("the jobs cannot be listed: {error}")),
            }
        }
        Ok(answer)
    }

    fn kept(
        &self,
        name: &str,
        now: Timestamp,
        answer: StoreResult<Kept>,
        enter: impl FnOnce(&mut Ledger, &Kept),
    ) -> StoreResult<Kept> {
        self.enter(name, answer, |ledger, kept| {
            ledger.see(now);
            enter(ledger, kept);
            tell::kept(kept)
        })
    }
}

/// Every job there is.
pub(crate) async fn every(store: &dyn Store) -> StoreResult<Vec<Job>> {
    let (mut jobs, mut after) = (Vec::new(), None);
    loop {
        let page = store.list(JobFilter::default(), Page { after, limit: PAGE_JOBS_MAX }).await?;
        jobs.extend(page.jobs);
        match page.next {
            None => return Ok(jobs),
            next => after = next,
        }
    }
}

#[async_trait]
impl Store for Watched {
    async fn insert(&self, jobs: Vec<Arc<JobSpec>>, now: Timestamp) -> StoreResult<Vec<Inserted>> {
        let answer = wait(self.inner.insert(jobs.clone(), now));
        self.enter(&format!("insert {}", tell::specs(&jobs)), answer, |ledger, answer| {
            ledger.see(now);
            ledger.inserted(&jobs, answer, now);
            tell::inserted(answer)
        })
    }

    async fn claim(&self, claim: Claim, now: Timestamp) -> StoreResult<Claims> {
        let answer = wait(self.inner.claim(claim.clone(), now));
        self.enter(&format!("claim by {}", claim.worker), answer, |ledger, claims| {
            ledger.see(now);
            ledger.claimed(&claim, &claims.jobs, now);
            tell::claims(claims)
        })
    }

    async fn renew(
        &self,
        renewals: Vec<Renewal>,
        lease: Duration,
        now: Timestamp,
    ) -> StoreResult<Vec<Renewed>> {
        let answer = wait(self.inner.renew(renewals.clone(), lease, now));
        let what = format!("renew {}", tell::renewals(&lock(&self.ledger), &renewals));
        self.enter(&what, answer, |ledger, answers| {
            ledger.see(now);
            ledger.renewed(&renewals, lease, answers);
            tell::renewed(answers)
        })
    }

    async fn finish(&self, ends: Ends, now: Timestamp) -> StoreResult<Vec<Ended>> {
        let answer = wait(self.inner.finish(ends.clone(), now));
        let what = format!("finish {}", tell::ends(&lock(&self.ledger), &ends));
        self.enter(&what, answer, |ledger, answers| {
            ledger.see(now);
            ledger.ended(&ends, answers, now);
            tell::ended(answers)
        })
    }

    async fn turn(&self, ends: Ends, claim: Claim, now: Timestamp) -> StoreResult<Turned> {
        let answer = wait(self.inner.turn(ends.clone(), claim.clone(), now));
        let what = format!("turn of {} {}", claim.worker, tell::ends(&lock(&self.ledger), &ends));
        self.enter(&what, answer, |ledger, turned| {
            ledger.see(now);
            ledger.ended(&ends, &turned.ended, now);
            ledger.claimed(&claim, &turned.claims.jobs, now);
            format!("{}, {}", tell::ended(&turned.ended), tell::claims(&turned.claims))
        })
    }

    async fn promote(&self, limit: usize, now: Timestamp) -> StoreResult<Kept> {
        let answer = wait(self.inner.promote(limit, now));
        self.kept("promote", now, answer, |ledger, kept| ledger.promoted(kept, limit, now))
    }

    async fn expire(&self, limit: usize, now: Timestamp) -> StoreResult<Kept> {
        let answer = wait(self.inner.expire(limit, now));
        self.kept("expire", now, answer, |ledger, kept| ledger.expired(kept, limit, now))
    }

    async fn settle(&self, limit: usize, now: Timestamp) -> StoreResult<Kept> {
        let answer = wait(self.inner.settle(limit, now));
        self.kept("settle", now, answer, |ledger, kept| ledger.settled(kept, now))
    }

    async fn fire(&self, fire: Fire, now: Timestamp) -> StoreResult<Fired> {
        self.inner.fire(fire, now).await
    }

    async fn reclaim(&self, limit: usize, stalls_max: u32, now: Timestamp) -> StoreResult<Kept> {
        let answer = wait(self.inner.reclaim(limit, stalls_max, now));
        self.kept("reclaim", now, answer, |ledger, kept| ledger.reclaimed(kept, limit, stalls_max, now))
    }

    async fn prune(&self, limit: usize, now: Timestamp) -> StoreResult<Kept> {
        let answer = wait(self.inner.prune(limit, now));
        self.kept("prune", now, answer, |ledger, kept| {
            if kept.removed == 0 {
                return;
            }
            let mut gone = ledger.ended_jobs();
            gone.retain(|id| matches!(wait(self.inner.get(id.clone())), Ok(None)));
            ledger.pruned(&gone, now);
        })
    }

    async fn amend(&self, ids: Vec<JobId>, change: Change, now: Timestamp) -> StoreResult<Vec<Amended>> {
        let answer = wait(self.inner.amend(ids.clone(), change, now));
        self.enter(&format!("{change:?} {}", crate::ledger::line(&ids)), answer, |ledger, answers| {
            ledger.see(now);
            ledger.amended(&ids, change, answers, now);
            tell::amended(answers)
        })
    }

    async fn set_queue(
        &self,
        queue: QueueName,
        change: QueueChange,
        now: Timestamp,
    ) -> StoreResult<QueueInfo> {
        let answer = wait(self.inner.set_queue(queue.clone(), change.clone(), now));
        self.enter(&format!("set queue {queue}"), answer, |ledger, info| {
            ledger.see(now);
            ledger.set_queue(&queue, info, change.paused);
            format!("paused {}, limits {}", info.paused, tell::limits(&info.limits))
        })
    }

    async fn set_kind(&self, kind: KindName, limits: Vec<Limit>, now: Timestamp) -> StoreResult<()> {
        let answer = wait(self.inner.set_kind(kind.clone(), limits.clone(), now));
        self.enter(&format!("set kind {kind}"), answer, |ledger, ()| {
            ledger.see(now);
            ledger.set_kind(&kind, &limits);
            tell::limits(&limits)
        })
    }

    async fn kinds(&self) -> StoreResult<Vec<KindInfo>> {
        self.inner.kinds().await
    }

    async fn sort(&self, limit: usize, now: Timestamp) -> StoreResult<Kept> {
        let answer = wait(self.inner.sort(limit, now));
        self.kept("sort", now, answer, |_, _| {})
    }

    async fn remove_queue(&self, queue: QueueName, now: Timestamp) -> StoreResult<bool> {
        let answer = wait(self.inner.remove_queue(queue.clone(), now));
        self.enter(&format!("remove queue {queue}"), answer, |ledger, gone| {
            ledger.see(now);
            ledger.removed_queue(&queue, *gone);
            gone.to_string()
        })
    }

    async fn free_unique(&self, queue: QueueName, key: String, now: Timestamp) -> StoreResult<Option<JobId>> {
        let answer = wait(self.inner.free_unique(queue.clone(), key.clone(), now));
        self.enter(&format!("free {key} in {queue}"), answer, |ledger, owner| {
            ledger.see(now);
            ledger.freed(&queue, &key, owner.as_ref(), now);
            crate::ledger::line(owner)
        })
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
        wait(self.inner.get(id))
    }

    async fn failures(
        &self,
        queue: QueueName,
        limit: usize,
    ) -> StoreResult<Vec<longshore_core::FailureGroup>> {
        wait(self.inner.failures(queue, limit))
    }

    async fn holds(&self, id: JobId, now: Timestamp) -> StoreResult<Vec<longshore_core::Hold>> {
        wait(self.inner.holds(id, now))
    }

    async fn list(&self, filter: JobFilter, page: Page) -> StoreResult<JobPage> {
        wait(self.inner.list(filter, page))
    }

    async fn queues(&self) -> StoreResult<Vec<QueueInfo>> {
        wait(self.inner.queues())
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
        wait(self.inner.close())
    }
}

longshore_storetest::pass_records!(Watched);
