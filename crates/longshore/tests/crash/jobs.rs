use std::collections::HashSet;
use std::sync::Arc;

use longshore::core::JobSpec;
use longshore::prelude::*;
use longshore::{JobState, Json, KindName};

use crate::yard::{Yard, done, running};

const JOBS: u64 = 10_000;

/// Stores all jobs, a third of which take some time, and a few much longer: on a busy machine they must not all be over
/// before somebody looks.
async fn fill(yard: &Yard) -> HashSet<JobId> {
    let client = yard.engine.client();
    let (noop, sleep) = (KindName::new("test.noop").unwrap(), KindName::new("test.sleep").unwrap());
    let specs: Vec<Arc<JobSpec>> = (0..JOBS)
        .map(|number| {
            let (kind, args) = match number {
                _ if number % 50 == 0 => (&sleep, r#"{"ms":500}"#),
                _ if number % 3 == 0 => (&sleep, r#"{"ms":10}"#),
                _ => (&noop, "null"),
            };
            let args = Json::parse(args).unwrap();
            Arc::new(JobSpec::new(client.new_id(), yard.queue.clone(), kind.clone(), args))
        })
        .collect();
    for batch in specs.chunks(1_000) {
        client.insert(batch.to_vec()).await.unwrap();
    }
    specs.iter().map(|spec| spec.id.clone()).collect()
}

/// Lets workers finish, then looks at every job; the leases that were lost.
async fn finish(yard: &Yard, ids: &HashSet<JobId>) -> u64 {
    let end = yard.work_until(|info| done(info) == JOBS).await;
    assert_eq!(end.counts.total(), JOBS, "{end:?}");
    let jobs = yard.list(None).await;
    for job in jobs.values() {
        assert_eq!((job.state, job.attempt), (JobState::Completed, 1), "{job:?}");
        assert!(job.started_at.is_some() && job.finished_at.is_some(), "{job:?}");
    }
    let listed: HashSet<JobId> = jobs.keys().cloned().collect();
    assert!(listed == *ids, "{} jobs are listed, {} were inserted", listed.len(), ids.len());
    jobs.values().map(|job| u64::from(job.stalls)).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_workers_die_in_the_middle_and_every_job_completes_once() {
    let yard = Yard::open().await;
    let ids = fill(&yard).await;
    let left = yard.kill_after(3_000).await;
    assert!(done(&left) < JOBS, "they were killed too late to prove anything");
    let lost = running(&left);
    // A machine that stands still for a second takes leases from the living as well.
    assert!(finish(&yard, &ids).await >= lost, "each lease of the dead is taken back");
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_die_again_and_again_and_every_job_completes_once() {
    let yard = Yard::open().await;
    let ids = fill(&yard).await;
    for _ in 0..5 {
        let left = yard.kill_after(1_200).await;
        assert!(done(&left) < JOBS, "they were killed too late to prove anything");
    }
    finish(&yard, &ids).await;
}
