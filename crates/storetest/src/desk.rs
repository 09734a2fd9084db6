use std::sync::Arc;

use longshore_core::{
    Amended, Change, Claimed, Durability, End, Ended, Ends, Inserted, Job, JobFilter, LeaseToken, Outcome,
    Page, Progress, QueueInfo, Renewal, Renewed, State, Store, StoreError, StoreResult, Timestamp,
};

use crate::draft::{Draft, LEASE, claim_of, id, queue, specs};
use crate::{Closet, Exam};

/// Where one question is asked: a fresh store, and short ways to use it.
pub(crate) struct Desk {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) exam: Exam,
    /// The question that is asked here.
    pub(crate) question: &'static str,
    closet: Box<dyn Closet>,
}

/// All that a store shows of its jobs and queues.
pub(crate) type Whole = (Vec<QueueInfo>, Vec<Job>);

impl Desk {
    pub(crate) async fn new(exam: Exam, question: &'static str) -> Self {
        let closet = (exam.subject)();
        Self { store: closet.open(&closet.place()).await, exam, question, closet }
    }

    /// Where the data of this question are.
    pub(crate) fn place(&self) -> String {
        self.closet.place()
    }

    /// One more handle, on the data at this place.
    pub(crate) async fn open(&self, place: &str) -> Arc<dyn Store> {
        self.closet.open(place).await
    }

    /// The store, and a second handle on the same data if the store can be shared.
    pub(crate) async fn handles(&self) -> Vec<Arc<dyn Store>> {
        let mut handles = vec![self.store.clone()];
        if self.store.can().shared {
            handles.push(self.open(&self.place()).await);
        }
        handles
    }

    /// Closes the store and opens its data anew, if they outlive the process.
    pub(crate) async fn reopen(&self) -> Option<Arc<dyn Store>> {
        let lasting = self.store.can().durability != Durability::Process;
        self.store.close().await.unwrap();
        if lasting { Some(self.open(&self.place()).await) } else { None }
    }

    pub(crate) async fn insert(
        &self,
        drafts: impl IntoIterator<Item = Draft>,
        now: Timestamp,
    ) -> Vec<Inserted> {
        self.store.insert(specs(drafts), now).await.unwrap()
    }

    pub(crate) async fn claim(&self, name: &str, limit: usize, now: Timestamp) -> Vec<Claimed> {
        self.store.claim(claim_of(&[(name, limit)]), now).await.unwrap().jobs
    }

    /// The ids of a claim, in its order.
    pub(crate) async fn claim_ids(&self, name: &str, limit: usize, now: Timestamp) -> Vec<String> {
        self.claim(name, limit, now).await.iter().map(|claimed| claimed.spec.id.to_string()).collect()
    }

    /// Claims the one job that the queue gives next.
    pub(crate) async fn take(&self, name: &str, now: Timestamp) -> Claimed {
        let mut claimed = self.claim(name, 1, now).await;
        assert_eq!(claimed.len(), 1, "queue {name} has no ready job");
        claimed.remove(0)
    }

    pub(crate) async fn finish(&self, ends: Vec<End>, now: Timestamp) -> StoreResult<Vec<Ended>> {
        self.store.finish(Ends::new(ends), now).await
    }

    pub(crate) async fn end(&self, token: LeaseToken, outcome: Outcome, now: Timestamp) -> Ended {
        only(self.finish(vec![End::by_token(token, outcome)], now).await.unwrap())
    }

    pub(crate) async fn renew(
        &self,
        token: LeaseToken,
        progress: Option<Progress>,
        now: Timestamp,
    ) -> Renewed {
        only(self.store.renew(vec![Renewal { token, progress }], LEASE, now).await.unwrap())
    }

    pub(crate) async fn amend(&self, text: &str, change: Change, now: Timestamp) -> Amended {
        only(self.store.amend(vec![id(text)], change, now).await.unwrap())
    }

    pub(crate) async fn job(&self, text: &str) -> Job {
        self.store.get(id(text)).await.unwrap().unwrap_or_else(|| panic!("there is no job {text}"))
    }

    pub(crate) async fn state(&self, text: &str) -> Option<State> {
        self.store.get(id(text)).await.unwrap().map(|job| job.state)
    }

    pub(crate) async fn count(&self, name: &str, state: State) -> u64 {
        self.store.queue(queue(name)).await.unwrap().map_or(0, |info| info.counts.get(state))
    }

    /// Every job that matches, newest first.
    pub(crate) async fn list(&self, filter: &JobFilter) -> Vec<Job> {
        every(&*self.store, filter, 1_000).await.unwrap()
    }

    pub(crate) async fn whole(&self) -> Whole {
        (self.store.queues().await.unwrap(), self.list(&JobFilter::default()).await)
    }

    /// Asserts that the request was refused as invalid and changed nothing since `before`.
    pub(crate) async fn assert_refused<T: std::fmt::Debug>(&self, before: &Whole, answer: StoreResult<T>) {
        assert!(matches!(answer, Err(StoreError::Invalid(_))), "{answer:?}");
        assert_eq!(*before, self.whole().await, "a refused request changed something");
    }
}

/// The only one.
pub(crate) fn only<T: std::fmt::Debug>(mut many: Vec<T>) -> T {
    assert_eq!(many.len(), 1, "one answer was expected: {many:?}");
    many.remove(0)
}

/// Every job that matches, page after page.
pub(crate) async fn every(store: &dyn Store, filter: &JobFilter, limit: usize) -> StoreResult<Vec<Job>> {
    let (mut jobs, mut after) = (Vec::new(), None);
    loop {
        let page = store.list(filter.clone(), Page { after, limit }).await?;
        assert!(page.jobs.len() <= limit, "a page of {} was asked for, {} came", limit, page.jobs.len());
        jobs.extend(page.jobs);
        if page.next.is_none() {
            return Ok(jobs);
        }
        assert_ne!(page.next, after, "the listing does not move on");
        after = page.next;
    }
}
