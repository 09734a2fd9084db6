//! `kill -9` in the middle: no job is lost, and none ends twice.

#![expect(clippy::unwrap_used, reason = "what goes wrong here fails the test")]

mod support;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use longshore::clock::Clock;
use longshore::core::JobSpec;
use longshore::prelude::*;
use longshore::{JobFilter, JobState, Json, KindName, Page, QueueInfo, QueueName};
use support::{Running, Site};

const JOBS: u64 = 10_000;
const WORKERS: usize = 4;
/// Nothing here takes so long unless it is broken.
const PATIENCE: Duration = Duration::from_secs(150);

struct Yard {
    site: Site,
    engine: Engine,
    queue: QueueName,
    ids: HashSet<JobId>,
}

impl Yard {
    /// A store with all jobs in it, a third of which take some time.
    async fn open() -> Self {
        // Short, so that nobody has to wait for the leases of the dead.
        let site = Site::new().with("LONGSHORE_LEASE", "1s").with("LONGSHORE_LOG_LEVEL", "error");
        let engine =
            longshore::open(&format!("sqlite:{}", site.path("longshore.db").display())).await.unwrap();
        let (client, queue) = (engine.client(), QueueName::new("q").unwrap());
        let (noop, sleep) = (KindName::new("test.noop").unwrap(), KindName::new("test.sleep").unwrap());
        let specs: Vec<Arc<JobSpec>> = (0..JOBS)
            .map(|number| {
                let (kind, args) = if number % 3 == 0 { (&sleep, r#"{"ms":3}"#) } else { (&noop, "null") };
                Arc::new(JobSpec::new(
                    client.new_id(),
                    queue.clone(),
                    kind.clone(),
                    Json::parse(args).unwrap(),
                ))
            })
            .collect();
        let ids = specs.iter().map(|spec| spec.id.clone()).collect();
        for batch in specs.chunks(1_000) {
            client.insert(batch.to_vec()).await.unwrap();
        }
        Self { site, engine, queue, ids }
    }

    fn start_workers(&self) -> Vec<Running> {
        let workers: Vec<Running> =
            (0..WORKERS).map(|_| self.site.start(&["worker", "start", "q", "--test-kinds"])).collect();
        workers
    }

    /// Looks until the queue is as it should be.
    async fn until(&self, is_so: impl Fn(&QueueInfo) -> bool) -> QueueInfo {
        let clock = Clock::system();
        let deadline = clock.after(PATIENCE);
        let mut events = self.engine.hub().subscribe();
        loop {
            let info = self.engine.control().queue(&self.queue).await.unwrap().unwrap();
            if is_so(&info) {
                return info;
            }
            assert!(!deadline.is_over(), "it never came to that: {info:?}");
            tokio::select! {
                _ = events.next() => {}
                () = clock.sleep(Duration::from_millis(5)) => {}
            }
        }
    }

    /// Starts four workers, and kills them when `more` further jobs are done and some are under way.
    async fn kill_after(&self, more: u64) -> QueueInfo {
        let done = |info: &QueueInfo| info.counts.get(JobState::Completed);
        let before = done(&self.until(|_| true).await);
        let mut workers = self.start_workers();
        self.until(|info| done(info) >= before + more && info.counts.get(JobState::Running) > 0).await;
        workers.iter_mut().for_each(Running::kill);
        let left = self.until(|_| true).await;
        assert!(done(&left) < JOBS, "they were killed too late to prove anything");
        left
    }

    /// Lets four workers finish, then looks at every job.
    async fn finish(self) -> u64 {
        let mut workers = self.start_workers();
        let end = self.until(|info| info.counts.get(JobState::Completed) == JOBS).await;
        assert_eq!(end.counts.total(), JOBS, "{end:?}");
        for worker in &mut workers {
            worker.signal("TERM");
        }
        assert!(workers.iter_mut().all(|worker| worker.end() == 0));

        let (mut seen, mut stalls, mut after) = (HashSet::new(), 0, None);
        loop {
            let filter = JobFilter { queue: Some(self.queue.clone()), ..JobFilter::default() };
            let page = self.engine.control().list(filter, Page { after, limit: 1_000 }).await.unwrap();
            for job in page.jobs {
                assert_eq!((job.state, job.attempt), (JobState::Completed, 1), "{job:?}");
                assert!(job.started_at.is_some() && job.finished_at.is_some(), "{job:?}");
                stalls += u64::from(job.stalls);
                assert!(seen.insert(job.id().clone()), "{} is listed twice", job.id());
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert!(seen == self.ids, "{} jobs are listed, {} were inserted", seen.len(), self.ids.len());
        assert_eq!(self.site.json(&["store", "check"])["ok"], true);
        stalls
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_workers_die_in_the_middle_and_every_job_completes_once() {
    let yard = Yard::open().await;
    let left = yard.kill_after(3_000).await;
    let lost = left.counts.get(JobState::Running);
    assert!(lost > 0, "the dead held no lease: {left:?}");
    // A machine that stands still for a second takes leases from the living as well.
    assert!(yard.finish().await >= lost, "each lease of the dead is taken back");
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_die_again_and_again_and_every_job_completes_once() {
    let yard = Yard::open().await;
    for _ in 0..5 {
        yard.kill_after(1_200).await;
    }
    yard.finish().await;
}
