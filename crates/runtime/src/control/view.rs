//! Queues and workers as operators look at them: what the store says, and what follows from it.

use std::collections::{BTreeSet, HashMap};

use longshore_core::limits::{PAGE_JOBS_MAX, WORKER_JOBS_NAMED};
use longshore_core::{
    Health, Job, JobFilter, JobId, KindName, Page, QueueInfo, QueueName, State, StoreResult, Timestamp,
    WorkerId, WorkerInfo,
};
use serde::{Deserialize, Serialize};

use super::Control;
use crate::roster;

/// A worker, and how it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkerView {
    /// As it last told of itself.
    #[serde(flatten)]
    pub info: WorkerInfo,
    /// Whether it has not gone.
    pub alive: bool,
    /// The same in more words.
    pub health: Health,
}

/// A queue, and who serves it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueueView {
    /// As it stands in the store.
    #[serde(flatten)]
    pub info: QueueInfo,
    /// Seconds that the next ready job has waited.
    pub oldest_ready_age: Option<f64>,
    /// The live workers that serve it.
    pub workers: Vec<WorkerView>,
    /// Kinds that none of these workers has a handler for, among the newest thousand of its ready and scheduled jobs.
    pub kinds_without_worker: BTreeSet<KindName>,
}

impl WorkerView {
    fn of(info: WorkerInfo, now: Timestamp) -> Self {
        Self { alive: info.is_alive(now), health: info.health(now), info }
    }
}

impl Control {
    /// Workers seen in the last hour.
    pub async fn workers(&self) -> StoreResult<Vec<WorkerView>> {
        let now = self.now();
        let mut workers = roster::list(&**self.engine().store(), now).await?;
        self.look_at_running(&mut workers).await?;
        Ok(workers.into_iter().map(|info| WorkerView::of(info, now)).collect())
    }

    /// What they run is read from the jobs, which are newer than what they told; with very many, what they told stays.
    async fn look_at_running(&self, workers: &mut [WorkerInfo]) -> StoreResult<()> {
        if workers.is_empty() {
            return Ok(());
        }
        let filter = JobFilter { states: vec![State::Running], ..JobFilter::default() };
        let running = self.engine().store().list(filter, Page { after: None, limit: PAGE_JOBS_MAX }).await?;
        if running.next.is_some() {
            return Ok(());
        }
        for worker in workers {
            let own: Vec<&Job> =
                running.jobs.iter().filter(|job| job.worker.as_ref() == Some(&worker.id)).collect();
            let waits = |job: &&&Job| worker.buffered_jobs.contains(job.id());
            let buffered: Vec<JobId> = own.iter().filter(waits).map(|job| job.id().clone()).collect();
            let begun = own.iter().filter(|job| !waits(job)).map(|job| job.id().clone());
            worker.running_jobs = begun.take(WORKER_JOBS_NAMED).collect();
            worker.running = (own.len() - buffered.len()) as u32;
            worker.buffered = buffered.len() as u32;
            worker.buffered_jobs = buffered;
        }
        Ok(())
    }

    /// The live workers, as they last told of themselves.
    pub async fn live_workers(&self) -> StoreResult<Vec<WorkerInfo>> {
        let now = self.now();
        let mut workers = roster::list(&**self.engine().store(), now).await?;
        workers.retain(|worker| worker.is_alive(now));
        Ok(workers)
    }

    /// How many jobs of a queue each worker holds, read from the jobs themselves.
    pub(crate) async fn held_by_workers(&self, queue: &QueueName) -> StoreResult<HashMap<WorkerId, u32>> {
        let filter =
            JobFilter { queue: Some(queue.clone()), states: vec![State::Running], ..JobFilter::default() };
        let mut held = HashMap::new();
        for job in self.engine().store().list(filter, Page { after: None, limit: PAGE_JOBS_MAX }).await?.jobs
        {
            if let Some(worker) = job.worker {
                *held.entry(worker).or_insert(0) += 1;
            }
        }
        Ok(held)
    }

    /// One worker.
    pub async fn worker(&self, id: &WorkerId) -> StoreResult<Option<WorkerView>> {
        Ok(self.workers().await?.into_iter().find(|worker| worker.info.id == *id))
    }

    /// The kinds that live workers know. While there are none, nobody can tell which kinds there are.
    pub async fn live_kinds(&self) -> StoreResult<BTreeSet<KindName>> {
        Ok(self.live_workers().await?.into_iter().flat_map(|worker| worker.kinds).collect())
    }

    /// One queue with those who serve it.
    pub async fn queue_view(&self, name: &QueueName) -> StoreResult<Option<QueueView>> {
        let Some(info) = self.queue(name).await? else { return Ok(None) };
        let mut workers = self.workers().await?;
        workers.retain(|worker| worker.alive && worker.info.serves(name));
        let states = vec![State::Ready, State::Scheduled];
        let filter = JobFilter { queue: Some(name.clone()), states, ..JobFilter::default() };
        let waiting = self.list(filter, Page { after: None, limit: PAGE_JOBS_MAX }).await?;
        let known: BTreeSet<&KindName> = workers.iter().flat_map(|worker| &worker.info.kinds).collect();
        let mut unknown: BTreeSet<KindName> = waiting.jobs.iter().map(|job| job.spec.kind.clone()).collect();
        unknown.retain(|kind| !known.contains(kind));
        let age = info.oldest_ready_at.map(|since| self.now().since(since).as_secs_f64());
        Ok(Some(QueueView { oldest_ready_age: age, kinds_without_worker: unknown, workers, info }))
    }
}
