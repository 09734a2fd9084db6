use std::collections::{BTreeMap, BTreeSet};

use longshore_core::limits::{ERRORS_KEPT, PAGE_JOBS_MAX};
use longshore_core::{
    Counts, FailureGroup, Fingerprint, Job, JobFilter, QueueName, State, Store, StoreResult,
};

use crate::desk::every;

/// Single looks compared with the listing; more would only repeat the same.
const LOOKS: usize = 200;

/// Checks what must be true of a whole store at any quiet moment, and answers with what is not: the counts are what
/// a listing finds, and no record contradicts its state.
///
/// Nobody may write meanwhile, because a listing takes several steps.
pub async fn audit(store: &dyn Store) -> StoreResult<Vec<String>> {
    let jobs = every(store, &JobFilter::default(), PAGE_JOBS_MAX).await?;
    let queues = store.queues().await?;
    let mut findings = Vec::new();

    let mut found: BTreeMap<QueueName, Counts> =
        queues.iter().map(|info| (info.name.clone(), Counts::default())).collect();
    if found.len() != queues.len() || !queues.is_sorted_by_key(|info| &info.name) {
        findings.push("the queues are not listed once each, by name".to_owned());
    }
    let mut ids = BTreeSet::new();
    for job in &jobs {
        findings
            .extend(contradictions(job).into_iter().map(|what| format!("job {} {what}: {job:?}", job.id())));
        if !ids.insert(job.id()) {
            findings.push(format!("job {} is listed twice", job.id()));
        }
        match found.get_mut(&job.spec.queue) {
            Some(counts) => counts.set(job.state, counts.get(job.state) + 1),
            None => findings.push(format!("job {} stands in the unknown queue {}", job.id(), job.spec.queue)),
        }
    }
    for info in &queues {
        if info.counts != found[&info.name] {
            findings.push(format!(
                "queue {} counts {:?}, but listing finds {:?}",
                info.name, info.counts, found[&info.name]
            ));
        }
        let mut groups: BTreeMap<Fingerprint, u64> = BTreeMap::new();
        for group in jobs.iter().filter(|job| job.spec.queue == info.name).filter_map(FailureGroup::of_job) {
            *groups.entry(group.fingerprint).or_default() += 1;
        }
        let counted = store.failures(info.name.clone(), usize::MAX).await?;
        let counted: BTreeMap<_, _> = counted.iter().map(|group| (group.fingerprint, group.jobs)).collect();
        if counted != groups {
            findings.push(format!(
                "queue {} counts the failures {counted:?}, but listing finds {groups:?}",
                info.name
            ));
        }
        // One whose time to live is over waits for nobody any more.
        let mortal = jobs.iter().any(|job| job.spec.queue == info.name && job.deadline_at.is_some());
        let waits = info.counts.get(State::Ready) > 0;
        if info.oldest_ready_at.is_some() != waits && !(waits && mortal) {
            findings.push(format!(
                "queue {} waits since {:?} with counts {:?}",
                info.name, info.oldest_ready_at, info.counts
            ));
        }
    }
    for job in jobs.iter().take(LOOKS) {
        let alone = store.get(job.id().clone()).await?;
        if alone.as_ref() != Some(job) {
            findings.push(format!("job {} is listed as {job:?}, but alone it is {alone:?}", job.id()));
        }
    }
    for state in State::ALL {
        let here =
            every(store, &JobFilter { states: vec![state], ..JobFilter::default() }, PAGE_JOBS_MAX).await?;
        if !here.iter().eq(jobs.iter().filter(|job| job.state == state)) {
            findings.push(format!(
                "the listing of {state} jobs differs from the {state} jobs of the whole listing"
            ));
        }
    }
    Ok(findings)
}

/// Panics with everything that [`audit`] finds.
pub async fn assert_sound(store: &dyn Store) {
    let findings = audit(store).await.unwrap();
    assert!(findings.is_empty(), "the audit found:\n{}", findings.join("\n"));
}

fn contradictions(job: &Job) -> Vec<&'static str> {
    let ended = job.state.is_end();
    let running = job.state == State::Running;
    [
        (running && job.worker.is_none(), "runs without a worker"),
        (running && job.attempt == 0, "runs without an attempt"),
        (running && job.started_at.is_none(), "runs without a start"),
        (job.cancel_requested && !running && !ended, "waits although it was asked to stop"),
        (ended && job.finished_at.is_none(), "ended without a time"),
        (ended && job.attempt > 0 && job.started_at.is_none(), "ended after an attempt without a start"),
        (!ended && job.finished_at.is_some(), "has not ended, yet has an end time"),
        (!ended && job.expires_at.is_some(), "has not ended, yet may go"),
        (job.expires_at.is_some() && job.expires_at < job.finished_at, "goes before its end"),
        (job.state == State::Blocked && job.parents_left == 0, "waits for no parent"),
        (job.parents_left as usize > job.spec.options.depends_on.len(), "waits for more parents than it has"),
        (job.result.is_some() && job.state != State::Completed, "has a result without success"),
        (job.result.is_some() && job.result_expired_at.is_some(), "has a result that expired"),
        (job.state == State::Scheduled && job.run_at.is_none(), "waits for no time"),
        (
            job.state != State::Scheduled && job.run_at.is_some(),
            "has a time to run, yet does not wait for it",
        ),
        (job.state == State::Failed && job.reason.is_none(), "failed for no reason"),
        (job.state == State::Cancelled && job.reason.is_none(), "was cancelled for no reason"),
        (job.progress.percent > 100, "is more than done"),
        (job.errors.len() > ERRORS_KEPT, "keeps too many errors"),
    ]
    .into_iter()
    .filter_map(|(wrong, what)| wrong.then_some(what))
    .collect()
}
