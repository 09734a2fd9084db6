//! The end of a torture: the faults stop, what is left is worked off and looked at, and everything goes.

use std::collections::BTreeMap;
use std::sync::Mutex;

use longshore_core::limits::{PAGE_JOBS_MAX, STEP_RECORDS_MAX};
use longshore_core::{
    Change, Counts, Job, JobFilter, JobId, Page, QueueChange, QueueName, State, Store, StoreResult,
};

use super::notes::Notes;
use crate::cast::keeper;
use crate::finale::work;
use crate::lock;
use crate::scene::Scene;

/// If nothing more has ended for so many milliseconds, nothing ever will.
const PATIENCE: i64 = 10_000;

/// Works off what is left, and audits the queues of this history.
pub(super) async fn reach(scene: &Scene, notes: &Mutex<Notes>) -> StoreResult<()> {
    lock(notes).check_rates();
    lock(notes).limits.clear();
    for queue in &scene.plan.queues {
        let change = QueueChange { paused: Some(false), limits: Some(Vec::new()), ..QueueChange::default() };
        scene.store.set_queue(queue.clone(), change, scene.time.now()).await?;
    }
    let (mut left, mut until) = (usize::MAX, 0);
    let jobs = loop {
        keeper::round(scene, &*scene.store).await?;
        work(scene).await?;
        let jobs = all(scene, &*scene.store).await?;
        let idle = jobs.values().filter(|job| !job.state.is_end() && !is_excused(job, &jobs)).count();
        if idle < left {
            (left, until) = (idle, scene.time.passed() + PATIENCE);
        }
        if idle == 0 || scene.time.passed() > until {
            break jobs;
        }
        scene.time.sleep(20).await;
    };
    let mut wrong = Vec::new();
    for job in jobs.values().filter(|job| !job.state.is_end() && !is_excused(job, &jobs)) {
        wrong.push(format!(
            "{} was never worked off; it is {}, and nothing holds it up",
            job.id(),
            job.state
        ));
    }
    for queue in &scene.plan.queues {
        let mut found = Counts::default();
        for job in jobs.values().filter(|job| job.spec.queue == *queue) {
            found.set(job.state, found.get(job.state) + 1);
        }
        let told = scene.store.queue(queue.clone()).await?.map(|info| info.counts).unwrap_or_default();
        if told != found {
            wrong.push(format!("{queue} counts {told:?}, but listing finds {found:?}"));
        }
    }
    let mut notes = lock(notes);
    notes.find_all(wrong);
    notes.compare(&jobs);
    Ok(())
}

/// A blocked job may wait for a parent that has not completed.
fn is_excused(job: &Job, jobs: &BTreeMap<JobId, Job>) -> bool {
    let waits = |id: &JobId| jobs.get(id).is_some_and(|parent| parent.state != State::Completed);
    job.state == State::Blocked && job.spec.options.depends_on.iter().any(|parent| waits(&parent.id))
}

async fn every(store: &dyn Store, queue: &QueueName) -> StoreResult<Vec<Job>> {
    let (mut jobs, mut after) = (Vec::new(), None);
    let filter = JobFilter { queue: Some(queue.clone()), ..JobFilter::default() };
    loop {
        let page = store.list(filter.clone(), Page { after, limit: PAGE_JOBS_MAX }).await?;
        jobs.extend(page.jobs);
        match page.next {
            None => return Ok(jobs),
            next => after = next,
        }
    }
}

async fn all(scene: &Scene, store: &dyn Store) -> StoreResult<BTreeMap<JobId, Job>> {
    let mut jobs = BTreeMap::new();
    for queue in &scene.plan.queues {
        jobs.extend(every(store, queue).await?.into_iter().map(|job| (job.id().clone(), job)));
    }
    Ok(jobs)
}

/// Takes away everything that this history has brought.
pub(super) async fn clear(scene: &Scene, store: &dyn Store) -> StoreResult<()> {
    let ids: Vec<JobId> = all(scene, store).await?.into_keys().collect();
    for some in ids.chunks(STEP_RECORDS_MAX) {
        store.amend(some.to_vec(), Change::Remove { force: true }, scene.time.now()).await?;
    }
    while store.settle(STEP_RECORDS_MAX, scene.time.now()).await?.next.is_some() {}
    for queue in &scene.plan.queues {
        store.remove_queue(queue.clone(), scene.time.now()).await?;
    }
    Ok(())
}
