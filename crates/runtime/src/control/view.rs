//! Queues and workers as operators look at them: what the store says, and what follows from it.

use std::collections::BTreeSet;

use longshore_core::limits::PAGE_JOBS_MAX;
use longshore_core::{
    Health, JobFilter, KindName, Page, QueueInfo, QueueName, State, StoreResult, Timestamp, WorkerId,
    WorkerInfo,
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
        let workers = roster::list(&**self.engine().store(), now).await?;
        Ok(workers.into_iter().map(|info| WorkerView::of(info, now)).collect())
    }

    /// One worker.
    pub async fn worker(&self, id: &WorkerId) -> StoreResult<Option<WorkerView>> {
        Ok(self.workers().await?.into_iter().find(|worker| worker.info.id == *id))
    }

    /// The kinds that live workers know. While there are none, nobody can tell which kinds there are.
    pub async fn live_kinds(&self) -> StoreResult<BTreeSet<KindName>> {
        let workers = self.workers().await?;
        Ok(workers.into_iter().filter(|worker| worker.alive).flat_map(|worker| worker.info.kinds).collect())
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
