//! A sound store with one defect planted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use longshore_core::{
    Amended, Can, Change, Claim, Claimed, Claims, End, Ended, Ends, Fire, Fired, Inserted, Job, JobFilter,
    JobId, JobPage, JobSpec, Kept, KindInfo, KindName, Lease, LeaseToken, Limit, Options, Outcome, Page,
    QueueChange, QueueInfo, QueueName, Renewal, Renewed, State, Store, StoreResult, Timestamp, Turned,
    WakeStream,
};

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Defect {
    /// A late end is carried out with the lease that holds the job now.
    LateEnd,
    /// A job that runs is given to somebody else as well.
    GivesTwice,
    /// Children are never told of their parents.
    NeverSettles,
    /// Claims look at no limits.
    BreaksLimits,
    /// Claims do not look whether a queue is paused.
    ClaimsPaused,
    /// The last job of a batch is acknowledged and not stored.
    LosesLast,
    /// Scheduled jobs become ready a second early.
    PromotesEarly,
    /// Leases are taken back before they run out.
    ReclaimsEarly,
    /// Records go before their retention is over.
    PrunesEarly,
    /// A queue keeps one ended job less than it was told to.
    KeepsTooFew,
    /// Lost leases are renewed.
    RenewsLost,
    /// Unique keys are not looked at.
    ForgetsKeys,
    /// Parents are not looked at.
    ReleasesEarly,
}

/// A store with a defect.
pub(crate) struct Planted {
    inner: Arc<dyn Store>,
    defect: Defect,
    /// The jobs given by the last claim that gave some, and the lease that holds each place.
    given: Mutex<(Option<Copied>, HashMap<u64, LeaseToken>)>,
}

struct Copied(Arc<JobSpec>, LeaseToken, u32, u32, Timestamp);

impl Planted {
    pub(crate) fn new(inner: Arc<dyn Store>, defect: Defect) -> Self {
        Self { inner, defect, given: Mutex::default() }
    }

    fn is(&self, defect: Defect) -> bool {
        self.defect == defect
    }

    /// Moves the clock that the store is told, for one defect.
    fn ahead(&self, defect: Defect, now: Timestamp, by: u64) -> Timestamp {
        if self.is(defect) { now + Duration::from_millis(by) } else { now }
    }

    fn twist(&self, spec: &Arc<JobSpec>) -> Arc<JobSpec> {
        let mut options = Options::clone(&spec.options);
        if self.is(Defect::ForgetsKeys) {
            options.unique = None;
        }
        if self.is(Defect::ReleasesEarly) {
            options.depends_on.clear();
        }
        let mut spec = JobSpec::clone(spec);
        spec.options = Arc::new(options);
        Arc::new(spec)
    }

    /// Changes the queues around a claim, and back afterwards.
    async fn around_claim(&self, claim: &Claim, now: Timestamp) -> StoreResult<Claims> {
        let mut before = Vec::new();
        if self.is(Defect::BreaksLimits) || self.is(Defect::ClaimsPaused) {
            for lane in &claim.lanes {
                before.extend(self.inner.queue(lane.queue.clone()).await?);
            }
        }
        for info in &before {
            let change = if self.is(Defect::BreaksLimits) {
                QueueChange { limits: Some(Vec::new()), ..QueueChange::default() }
            } else {
                QueueChange { paused: Some(false), ..QueueChange::default() }
            };
            self.inner.set_queue(info.name.clone(), change, now).await?;
        }
        let claims = self.inner.claim(claim.clone(), now).await?;
        for info in before {
            let change = QueueChange {
                limits: Some(info.limits),
                paused: Some(info.paused),
                ..QueueChange::default()
            };
            self.inner.set_queue(info.name, change, now).await?;
        }
        Ok(claims)
    }
}

#[async_trait]
impl Store for Planted {
    async fn insert(&self, mut jobs: Vec<Arc<JobSpec>>, now: Timestamp) -> StoreResult<Vec<Inserted>> {
        if self.is(Defect::ForgetsKeys) || self.is(Defect::ReleasesEarly) {
            jobs = jobs.iter().map(|spec| self.twist(spec)).collect();
        }
        let lost = (self.is(Defect::LosesLast) && jobs.len() == 3).then(|| jobs.pop()).flatten();
        let mut answers = self.inner.insert(jobs, now).await?;
        answers.extend(lost.map(|spec| {
            let state = longshore_core::life::born(spec.run_at, now);
            Inserted { id: spec.id.clone(), state, duplicate: false, replaced: None }
        }));
        Ok(answers)
    }

    async fn claim(&self, claim: Claim, now: Timestamp) -> StoreResult<Claims> {
        let mut claims = self.around_claim(&claim, now).await?;
        let mut given = self.given.lock().unwrap();
        for job in &claims.jobs {
            given.1.insert(job.lease.token.place(), job.lease.token);
        }
        if self.is(Defect::GivesTwice)
            && claims.jobs.is_empty()
            && let Some(Copied(spec, token, attempt, stalls, created_at)) = given.0.take()
            && claim.lanes.iter().any(|lane| lane.queue == spec.queue && lane.limit > 0)
        {
            let lease =
                Lease { token: LeaseToken::new(token.place(), token.nonce() + 1), until: now + claim.lease };
            claims.jobs.push(Claimed { lease, spec, attempt, stalls, created_at });
        }
        if let Some(job) = claims.jobs.last() {
            given.0 =
                Some(Copied(job.spec.clone(), job.lease.token, job.attempt, job.stalls, job.created_at));
        }
        Ok(claims)
    }

    async fn renew(
        &self,
        renewals: Vec<Renewal>,
        lease: Duration,
        now: Timestamp,
    ) -> StoreResult<Vec<Renewed>> {
        let answers = self.inner.renew(renewals, lease, now).await?;
        let twist = |answer| match answer {
            Renewed::Lost if self.is(Defect::RenewsLost) => {
                Renewed::Held { until: now + lease, cancel: false }
            }
            other => other,
        };
        Ok(answers.into_iter().map(twist).collect())
    }

    async fn finish(&self, ends: Ends, now: Timestamp) -> StoreResult<Vec<Ended>> {
        let mut answers = self.inner.finish(ends.clone(), now).await?;
        if !self.is(Defect::LateEnd) {
            return Ok(answers);
        }
        for (end, answer) in ends.iter().zip(&mut answers) {
            let held = self.given.lock().unwrap().1.get(&end.token().place()).copied();
            let done = matches!(end.outcome, Outcome::Done { .. });
            if let (Ended::Refused(_), Some(held), true) = (&*answer, held, done) {
                let again = End::by_token(held, end.outcome.clone());
                let mut late = self.inner.finish(Arc::new(vec![again]), now).await?;
                if matches!(late[0], Ended::Moved(State::Completed)) {
                    *answer = late.remove(0);
                }
            }
        }
        Ok(answers)
    }

    async fn turn(&self, ends: Ends, claim: Claim, now: Timestamp) -> StoreResult<Turned> {
        claim.check()?;
        let ended = self.finish(ends, now).await?;
        Ok(Turned { ended, claims: self.claim(claim, now).await? })
    }

    async fn promote(&self, limit: usize, now: Timestamp) -> StoreResult<Kept> {
        self.inner.promote(limit, self.ahead(Defect::PromotesEarly, now, 1_000)).await
    }

    async fn expire(&self, limit: usize, now: Timestamp) -> StoreResult<Kept> {
        self.inner.expire(limit, now).await
    }

    async fn settle(&self, limit: usize, now: Timestamp) -> StoreResult<Kept> {
        if self.is(Defect::NeverSettles) { Ok(Kept::default()) } else { self.inner.settle(limit, now).await }
    }

    async fn fire(&self, fire: Fire, now: Timestamp) -> StoreResult<Fired> {
        self.inner.fire(fire, now).await
    }

    async fn reclaim(&self, limit: usize, stalls_max: u32, now: Timestamp) -> StoreResult<Kept> {
        self.inner.reclaim(limit, stalls_max, self.ahead(Defect::ReclaimsEarly, now, 200)).await
    }

    async fn prune(&self, limit: usize, now: Timestamp) -> StoreResult<Kept> {
        self.inner.prune(limit, self.ahead(Defect::PrunesEarly, now, 10_000)).await
    }

    async fn amend(&self, ids: Vec<JobId>, change: Change, now: Timestamp) -> StoreResult<Vec<Amended>> {
        self.inner.amend(ids, change, now).await
    }

    async fn set_queue(
        &self,
        queue: QueueName,
        mut change: QueueChange,
        now: Timestamp,
    ) -> StoreResult<QueueInfo> {
        let told = change.retention;
        if let Some(most) = change.retention.most.as_mut().filter(|_| self.is(Defect::KeepsTooFew)) {
            *most = most.saturating_sub(1);
        }
        let info = self.inner.set_queue(queue, change, now).await?;
        Ok(QueueInfo { retention: told.over(info.retention), ..info })
    }

    async fn set_kind(&self, kind: KindName, limits: Vec<Limit>, now: Timestamp) -> StoreResult<()> {
        self.inner.set_kind(kind, limits, now).await
    }

    async fn kinds(&self) -> StoreResult<Vec<KindInfo>> {
        self.inner.kinds().await
    }

    async fn sort(&self, limit: usize, now: Timestamp) -> StoreResult<Kept> {
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

    fn can(&self) -> Can {
        self.inner.can()
    }

    async fn close(&self) -> StoreResult<()> {
        self.inner.close().await
    }
}

longshore_storetest::pass_records!(Planted);
