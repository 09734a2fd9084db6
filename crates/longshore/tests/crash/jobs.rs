use std::collections::HashSet;
use std::sync::Arc;

use longshore::clock::Clock;
use longshore::core::JobSpec;
use longshore::prelude::*;
use longshore::{JobFilter, JobState, Json, KindName, Page};

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

/// A flow of one parent and many children, all with one tag.
fn flow(tag: &str, size: usize) -> String {
    let job = |number: usize| {
        let parents = if number == 0 { vec![] } else { vec![format!("{tag}-0")] };
        serde_json::json!({
            "id": format!("{tag}-{number}"), "kind": "test.noop", "queue": "q", "tags": [tag], "depends_on": parents,
        })
    };
    serde_json::to_string(&(0..size).map(job).collect::<Vec<_>>()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_dies_in_an_insert_has_inserted_all_or_nothing() {
    const SIZE: usize = 400;
    let yard = Yard::open().await;
    let (mut whole, mut none) = (0, 0);
    for round in 0..6_u64 {
        let (mut server, url) = yard.site.serve(&["--no-worker"]);
        let (sender, answered) = std::sync::mpsc::channel();
        let inserts = std::thread::spawn(move || {
            for number in 0.. {
                let tag = format!("r{round}-{number}");
                let sent = crate::support::try_post(&format!("{url}/api/v1/jobs"), &flow(&tag, SIZE));
                let _ = sender.send((tag, sent));
                if sent != Some(202) {
                    return;
                }
            }
        });
        let mut told = vec![answered.recv().unwrap(), answered.recv().unwrap()];
        // At another moment of the next insert each time.
        Clock::system().sleep(std::time::Duration::from_millis(round * 3)).await;
        server.kill();
        inserts.join().unwrap();
        told.extend(answered.iter());
        for (tag, sent) in told {
            let filter = JobFilter { tags: vec![tag.clone()], ..JobFilter::default() };
            let page = Page { after: None, limit: 1_000 };
            let found = yard.engine.control().list(filter, page).await.unwrap().jobs.len();
            assert!(
                found == SIZE || found == 0 && sent != Some(202),
                "{found} jobs of {tag}, answered {sent:?}"
            );
            whole += usize::from(found == SIZE);
            none += usize::from(found == 0);
        }
    }
    assert!(whole >= 12 && none > 0, "{whole} whole, {none} not there: nobody died in the middle");
}
