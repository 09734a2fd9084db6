//! Flows, limits and schedules while workers die.

use std::collections::HashSet;
use std::sync::Arc;

use longshore::core::{JobSpec, Limit, Parent, QueueChange};
use longshore::{JobState, Json, KindName, Options, Timestamp};

use crate::yard::{Yard, done};

const FLOWS: usize = 100;
const LEAVES: usize = 3;
const TENANTS: usize = 8;
const AT_ONCE: usize = 6;

/// A job of a tenant that takes some time.
fn job(yard: &Yard, number: usize, parents: &[&JobSpec]) -> JobSpec {
    let kind = KindName::new("test.sleep").unwrap();
    let args = Json::parse(r#"{"ms":12}"#).unwrap();
    let mut spec = JobSpec::new(yard.engine.client().new_id(), yard.queue.clone(), kind, args);
    spec.options = Arc::new(Options {
        limit_key: Some(format!("tenant {}", number % TENANTS)),
        depends_on: parents.iter().map(|parent| Parent::new(parent.id.clone())).collect(),
        ..Options::default()
    });
    spec
}

/// What may never be, at any moment: more jobs at once than there may be, of all or of one tenant.
async fn look(yard: &Yard) {
    let running = yard.list(Some(JobState::Running)).await;
    assert!(running.len() <= AT_ONCE, "{} run at once", running.len());
    let mut keys = HashSet::new();
    for job in running.values() {
        assert!(keys.insert(job.spec.options.limit_key.clone()), "two of a tenant run at once: {running:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_and_the_order_of_flows_hold_while_workers_die() {
    let yard = Yard::open().await;
    let limits = vec![
        Limit { concurrency: Some(AT_ONCE as u32), ..Limit::default() },
        Limit { key: Some("args".to_owned()), concurrency: Some(1), ..Limit::default() },
    ];
    let change = QueueChange { limits: Some(limits), ..QueueChange::default() };
    yard.engine.control().set_queue(&yard.queue, change).await.unwrap();
    for flow in 0..FLOWS {
        let leaves: Vec<JobSpec> = (0..LEAVES).map(|leaf| job(&yard, flow + leaf, &[])).collect();
        let merge = job(&yard, flow, &leaves.iter().collect::<Vec<_>>());
        let last = job(&yard, flow + 1, &[&merge, &leaves[0]]);
        let flow = leaves.into_iter().chain([last, merge]).map(Arc::new).collect();
        yard.engine.client().insert(flow).await.unwrap();
    }
    let all = (FLOWS * (LEAVES + 2)) as u64;
    for _ in 0..3 {
        let left = yard.kill_after(all / 5).await;
        assert!(done(&left) < all, "they were killed too late to prove anything: {left:?}");
        look(&yard).await;
    }
    let watched = async {
        loop {
            look(&yard).await;
        }
    };
    tokio::select! {
        end = yard.work_until(|info| done(info) == all) => assert_eq!(end.counts.total(), all),
        () = watched => {}
    }
    let jobs = yard.list(None).await;
    for job in jobs.values() {
        assert_eq!((job.state, job.attempt), (JobState::Completed, 1), "{job:?}");
        for parent in &job.spec.options.depends_on {
            let parent = &jobs[&parent.id];
            assert!(job.started_at >= parent.finished_at, "it did not wait: {job:?} for {parent:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_time_of_a_schedule_is_fired_twice_or_left_out_while_workers_die() {
    let yard = Yard::open().await;
    let every = &["--every", "200ms", "--misfire", "all", "--overlap", "parallel"];
    yard.site.ok(&[&["schedule", "add", "beat", "--kind", "test.noop", "--queue", "q"], &every[..]].concat());
    yard.site.enqueue(&["test.noop", "--queue", "q"]);
    for _ in 0..3 {
        let mut workers = yard.start_workers();
        let before = done(&yard.until(|_| true).await);
        yard.until(|info| done(info) >= before + 4).await;
        workers.iter_mut().for_each(crate::support::Running::kill);
    }
    let before = done(&yard.until(|_| true).await);
    yard.work_until(|info| done(info) >= before + 4).await;
    let mut times: Vec<i64> = yard
        .list(None)
        .await
        .values()
        .filter_map(|job| job.spec.options.nominal_at.map(Timestamp::as_millis))
        .collect();
    times.sort_unstable();
    assert!(times.len() > 12, "{times:?}");
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] == 200), "{times:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_holds_over_three_processes() {
    const JOBS: usize = 30;
    let yard = Yard::open().await;
    yard.site.ok(&["queue", "set", "q", "--rate-limit", "5"]);
    let client = yard.engine.client();
    let kind = KindName::new("test.noop").unwrap();
    let job = || Arc::new(JobSpec::new(client.new_id(), yard.queue.clone(), kind.clone(), Json::default()));
    let workers: Vec<_> = (0..3).map(|_| yard.site.worker(&["q", "--test-kinds"])).collect();
    client.insert((0..JOBS).map(|_| job()).collect()).await.unwrap();
    yard.until(|info| done(info) == JOBS as u64).await;
    drop(workers);
    let jobs = yard.list(None).await;
    let created = jobs.values().map(|job| job.created_at.as_millis()).min().unwrap();
    let mut starts: Vec<i64> = jobs.values().map(|job| job.started_at.unwrap().as_millis()).collect();
    starts.sort_unstable();
    // The bucket was full, and from then on one comes in every 200 ms.
    for (start, number) in starts.iter().skip(5).zip(1..) {
        assert!(start - created >= 200 * number, "{number} after the first five: {starts:?}");
    }
}
