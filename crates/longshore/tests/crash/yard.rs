use std::collections::HashMap;
use std::time::Duration;

use longshore::clock::Clock;
use longshore::core::Job as Record;
use longshore::prelude::*;
use longshore::{JobFilter, JobState, Page, QueueInfo, QueueName};

use crate::support::{Running, Site, signal_all};

const WORKERS: usize = 4;
/// Nothing here takes so long unless it is broken.
const PATIENCE: Duration = Duration::from_secs(150);

/// A store file, and workers that die.
pub(crate) struct Yard {
    pub(crate) site: Site,
    pub(crate) engine: Engine,
    pub(crate) queue: QueueName,
}

/// Whether every thread of a process has heard that it is to stop; until then some may go on.
fn stands_still(process: &Running) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{}/task", process.id())).unwrap();
    threads.flatten().all(|thread| {
        // One that has ended meanwhile does nothing any more.
        std::fs::read_to_string(thread.path().join("stat"))
            .map_or(true, |stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T')))
    })
}

impl Yard {
    pub(crate) async fn open() -> Self {
        // Short, so that nobody has to wait for the leases of the dead. And a job that was under way each time that all
        // workers were killed is no poison.
        let settings = [("LEASE", "1s"), ("MAX_STALLS", "1000"), ("LOG_LEVEL", "error")];
        let site = settings
            .into_iter()
            .fold(Site::new(), |site, (name, text)| site.with(&format!("LONGSHORE_{name}"), text));
        let engine =
            longshore::open(&format!("sqlite:{}", site.path("longshore.db").display())).await.unwrap();
        Self { site, engine, queue: QueueName::new("q").unwrap() }
    }

    pub(crate) fn start_workers(&self) -> Vec<Running> {
        (0..WORKERS).map(|_| self.site.start(&["worker", "start", "q", "--test-kinds"])).collect()
    }

    /// Looks until the queue is as it should be.
    pub(crate) async fn until(&self, is_so: impl Fn(&QueueInfo) -> bool) -> QueueInfo {
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

    /// Starts the workers, and kills them when `more` further jobs are done and some are under way.
    pub(crate) async fn kill_after(&self, more: u64) -> QueueInfo {
        let before = done(&self.until(|_| true).await);
        let mut workers = self.start_workers();
        loop {
            let seen = self
                .until(|info| {
                    info.counts.get(JobState::Ready) == 0 || done(info) >= before + more && running(info) > 0
                })
                .await;
            assert!(
                seen.counts.get(JobState::Ready) > 0,
                "nobody looked in time to kill them in the middle: {seen:?}"
            );
            // They stand still while we look, so that what was under way still is when they die.
            signal_all(&workers, "STOP");
            while !workers.iter().all(stands_still) {
                tokio::task::yield_now().await;
            }
            let left = self.until(|_| true).await;
            if running(&left) > 0 {
                workers.iter_mut().for_each(Running::kill);
                return left;
            }
            signal_all(&workers, "CONT");
        }
    }

    /// Lets new workers go on until the queue is as it should be, and then leave.
    pub(crate) async fn work_until(&self, is_so: impl Fn(&QueueInfo) -> bool) -> QueueInfo {
        let mut workers = self.start_workers();
        let end = self.until(is_so).await;
        for worker in &mut workers {
            // One that has only begun to start would die of it.
            worker.line_with("serves ");
            worker.signal("TERM");
        }
        assert!(workers.iter_mut().all(|worker| worker.end() == 0));
        assert_eq!(self.site.json(&["store", "check"])["ok"], true);
        end
    }

    /// Every job of the queue in a state, or in any.
    pub(crate) async fn list(&self, state: Option<JobState>) -> HashMap<JobId, Record> {
        let (mut found, mut after) = (HashMap::new(), None);
        loop {
            let filter = JobFilter {
                queue: Some(self.queue.clone()),
                states: state.into_iter().collect(),
                ..JobFilter::default()
            };
            let page = self.engine.control().list(filter, Page { after, limit: 1_000 }).await.unwrap();
            for job in page.jobs {
                let twice = found.insert(job.id().clone(), job);
                assert!(twice.is_none(), "it is listed twice: {twice:?}");
            }
            after = page.next;
            if after.is_none() {
                return found;
            }
        }
    }
}

pub(crate) fn done(info: &QueueInfo) -> u64 {
    info.counts.get(JobState::Completed)
}

pub(crate) fn running(info: &QueueInfo) -> u64 {
    info.counts.get(JobState::Running)
}
