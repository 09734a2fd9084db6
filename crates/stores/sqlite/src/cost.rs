//! What steps cost, counted in instructions of SQLite's machine: the same on every machine, and far more for a scan or a
//! sort than for a look at an index.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use longshore_clock::Door;
use longshore_core::{
    Amended, Change, Claim, Claimed, End, Ends, JobError, JobFilter, JobId, JobSpec, Json, KindName,
    LaneWant, Options, Outcome, Page, QueueName, Reason, State, Store, Timestamp, Unique, WorkerId,
};
use rusqlite::Connection;

use crate::{SqliteConfig, SqliteStore};

static INSTRUCTIONS: AtomicU64 = AtomicU64::new(0);

/// Counts what this connection does from now on.
pub(crate) fn watched(mut conn: Connection) -> Connection {
    let count = || {
        INSTRUCTIONS.fetch_add(1, Ordering::Relaxed);
        false
    };
    conn.progress_handler(1, Some(count)).unwrap();
    conn
}

fn now() -> Timestamp {
    Timestamp::from_millis(1_772_366_400_000)
}

fn later(seconds: u64) -> Timestamp {
    now() + std::time::Duration::from_secs(seconds)
}

fn queue() -> QueueName {
    QueueName::new("q").unwrap()
}

/// A store with so many jobs in each of several states.
struct Full {
    store: SqliteStore,
    _dir: tempfile::TempDir,
    made: u128,
}

impl Full {
    async fn with(each: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store =
            SqliteStore::open(&SqliteConfig::new(dir.path().join("cost.db")), &Door::system()).unwrap();
        let mut full = Self { store, _dir: dir, made: 0 };
        for outcome in [done(), fail()] {
            let mut left = each;
            while left > 0 {
                let some = left.min(1_000);
                full.insert(some, |_| {}).await;
                let claimed = full.claim(some).await;
                full.end(claimed, &outcome).await;
                left -= some;
            }
        }
        full.insert(each, |_| {}).await;
        full.insert(each, |spec| spec.run_at = Some(later(3_600))).await;
        full.insert(each, |spec| unique(spec, &format!("held/{}", spec.id))).await;
        full
    }

    fn spec(&mut self) -> JobSpec {
        self.made += 1;
        let kind = KindName::new("k").unwrap();
        JobSpec::new(JobId::from_u128(self.made), queue(), kind, Json::default())
    }

    async fn insert(&mut self, count: usize, dress: impl Fn(&mut JobSpec)) -> Vec<JobId> {
        let mut ids = Vec::new();
        let mut specs = Vec::new();
        for _ in 0..count {
            let mut spec = self.spec();
            dress(&mut spec);
            ids.push(spec.id.clone());
            specs.push(Arc::new(spec));
        }
        for part in specs.chunks(5_000) {
            self.store.insert(part.to_vec(), now()).await.unwrap();
        }
        ids
    }

    async fn claim(&self, limit: usize) -> Vec<Claimed> {
        let lanes = vec![LaneWant { queue: queue(), limit, slots: limit }];
        let claim =
            Claim { worker: WorkerId::new("w").unwrap(), lanes, lease: std::time::Duration::from_secs(30) };
        let jobs = self.store.claim(claim, now()).await.unwrap().jobs;
        assert_eq!(jobs.len(), limit);
        jobs
    }

    async fn end(&self, claimed: Vec<Claimed>, outcome: &Outcome) {
        let ends: Vec<End> = claimed.into_iter().map(|one| End::new(one.lease, outcome.clone())).collect();
        self.store.finish(Ends::new(ends), now()).await.unwrap();
    }

    async fn amend(&self, id: JobId, change: Change) {
        let done = self.store.amend(vec![id], change, now()).await.unwrap();
        assert!(matches!(done[0], Amended::Moved { .. }), "{done:?}");
    }

    /// Every step that there is, and what it cost.
    async fn costs(&mut self) -> Vec<(String, u64)> {
        let mut costs = Vec::new();
        let mut last = INSTRUCTIONS.load(Ordering::Relaxed);
        let mut note = |step: &str| {
            let so_far = INSTRUCTIONS.load(Ordering::Relaxed);
            costs.push((step.to_owned(), so_far - last));
            last = so_far;
        };
        let ids = self.insert(10, |_| {}).await;
        note("insert of ten");
        self.insert(1, |spec| unique(spec, "new")).await;
        note("insert with a free key");
        self.insert(1, |spec| unique(spec, "new")).await;
        note("insert with a key that is held");
        let claimed = self.claim(10).await;
        note("claim of ten");
        self.end(claimed, &done()).await;
        note("ten ends that completed");
        let claimed = self.claim(10).await;
        self.end(claimed, &fail()).await;
        note("claim and ten ends that failed");
        self.amend(ids[9].clone(), Change::Cancel).await;
        note("cancel");
        self.amend(ids[9].clone(), Change::Revive).await;
        note("retry");
        self.amend(ids[9].clone(), Change::Remove { force: false }).await;
        note("remove");
        self.store.get(ids[8].clone()).await.unwrap();
        note("one record");
        self.store.queues().await.unwrap();
        note("counts");
        for state in State::ALL {
            let filter = JobFilter { queue: Some(queue()), states: vec![state], ..JobFilter::default() };
            self.store.list(filter, Page { after: None, limit: 50 }).await.unwrap();
            note(&format!("a page of {state}"));
        }
        self.store.failures(queue(), 100).await.unwrap();
        note("groups of failures");
        self.store.promote(1_000, now()).await.unwrap();
        self.store.reclaim(1_000, 3, now()).await.unwrap();
        self.store.prune(1_000, now()).await.unwrap();
        self.store.expire(1_000, now()).await.unwrap();
        note("a round of the keeper with nothing to do");
        self.store.unique_owner(queue(), "new".to_owned(), now()).await.unwrap();
        note("owner of a key");
        costs
    }
}

fn unique(spec: &mut JobSpec, key: &str) {
    spec.options = Arc::new(Options { unique: Some(Unique::new(key)), ..Options::default() });
}

fn done() -> Outcome {
    Outcome::Done { result: None }
}

fn fail() -> Outcome {
    Outcome::Fail { error: JobError::new("broken"), reason: Reason::Error }
}

#[tokio::test]
async fn no_step_costs_more_with_fifty_times_as_many_jobs() {
    let few = Full::with(200).await.costs().await;
    let many = Full::with(10_000).await.costs().await;
    for ((step, few), (_, many)) in few.iter().zip(&many) {
        println!("{step}: {few}, with fifty times as many jobs {many}");
    }
    for ((step, few), (_, many)) in few.iter().zip(&many) {
        assert!(*few > 0, "{step} was not counted");
        // A page may have to look at ten thousand records to find its own.
        let most = if step.starts_with("a page") { 200_000 } else { few * 3 / 2 + 50 };
        assert!(*many <= most, "{step}: {few}, with fifty times as many jobs {many}");
    }
}

#[tokio::test]
async fn a_listing_finds_every_job_of_a_state_whichever_way_it_looks() {
    let full = Full::with(6_000).await;
    let counts = full.store.queue(queue()).await.unwrap().unwrap().counts;
    assert_eq!(counts.get(State::Ready), 12_000, "enough to be looked for among all jobs");
    for states in State::ALL.map(|state| vec![state]).into_iter().chain([vec![State::Ready, State::Failed]]) {
        let filter = JobFilter { queue: Some(queue()), states: states.clone(), ..JobFilter::default() };
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = full.store.list(filter.clone(), Page { after, limit: 700 }).await.unwrap();
            found.extend(page.jobs.iter().map(|job| job.id().clone()));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let wanted: u64 = states.iter().map(|state| counts.get(*state)).sum();
        let once: std::collections::HashSet<_> = found.iter().collect();
        assert_eq!((found.len() as u64, once.len()), (wanted, found.len()), "{states:?}");
    }
}
