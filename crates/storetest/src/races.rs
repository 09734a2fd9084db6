//! Many tasks at once on one store, over every handle that the store allows.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::future::join_all;
use longshore_clock::Chance;
use longshore_core::limiter::Rule;
use longshore_core::{
    Amended, Change, Claim, End, Ended, Ends, Expect, JobFilter, JobId, Put, Refusal, State, Store,
    Timestamp, Unique,
};

use crate::desk::{Desk, every};
use crate::draft::{START, at, claim_of, done, end_then, id, job, ms, specs};

const TASKS: usize = 8;

/// Runs the same work in many tasks, spread over the handles; with what each answered.
async fn together<T, F>(desk: &Desk, work: impl Fn(usize, Arc<dyn Store>) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let handles = desk.handles().await;
    let tasks = (0..TASKS).map(|task| tokio::spawn(work(task, handles[task % handles.len()].clone())));
    let answers = join_all(tasks.collect::<Vec<_>>()).await.into_iter().map(Result::unwrap).collect();
    for second in handles.into_iter().skip(1) {
        second.close().await.unwrap();
    }
    answers
}

/// Leases jobs until none is left; with their ids.
pub(crate) async fn lease_all(_: usize, store: Arc<dyn Store>) -> Vec<JobId> {
    let mut ids = Vec::new();
    loop {
        let more = lease_some(&*store).await;
        if more.is_empty() {
            return ids;
        }
        ids.extend(more);
    }
}

pub(crate) async fn lease_some(store: &dyn Store) -> Vec<JobId> {
    let claimed = store.claim(claim_of(&[("default", 7)]), at(1)).await.unwrap().jobs;
    claimed.iter().map(|claimed| claimed.spec.id.clone()).collect()
}

pub(crate) async fn no_job_is_leased_twice(desk: &Desk) {
    desk.insert((0..400).map(|index| job(&format!("j{index}"))), START).await;
    let given = together(desk, lease_all).await;
    let ids: Vec<_> = given.into_iter().flatten().collect();
    assert_eq!((ids.len(), ids.iter().collect::<HashSet<_>>().len()), (400, 400));
    assert_eq!(desk.count("default", State::Running).await, 400);
}

pub(crate) const INSERTED: usize = 100;

/// Inserts jobs that others insert too, each beside one of its own; with the ids that were created.
pub(crate) async fn insert_shared(task: usize, store: Arc<dyn Store>) -> Vec<JobId> {
    let mut created = Vec::new();
    for index in 0..INSERTED {
        // The same id and the same key: both are checked in one step.
        let shared = job(&format!("shared{index}")).unique(Unique::new(format!("key{index}")));
        let batch = specs([shared, job(&format!("own{task}-{index}"))]);
        let answers = store.insert(batch, at(task as i64)).await.unwrap();
        created.extend(answers.into_iter().filter(|answer| !answer.duplicate).map(|answer| answer.id));
    }
    created
}

pub(crate) async fn inserts_of_one_id_at_once_give_one_job(desk: &Desk) {
    let created = together(desk, insert_shared).await;
    let created: Vec<_> = created.into_iter().flatten().collect();
    assert_eq!(created.len(), INSERTED * (1 + TASKS));
    assert_eq!(created.iter().collect::<HashSet<_>>().len(), created.len());
    assert_eq!(desk.count("default", State::Ready).await, created.len() as u64);
}

pub(crate) async fn one_lease_ends_its_attempt_once(desk: &Desk) {
    desk.insert((0..20).map(|index| job(&format!("j{index}"))), START).await;
    let claimed = desk.claim("default", 20, at(1)).await;
    let end = |(index, claimed): (usize, &longshore_core::Claimed)| {
        end_then(claimed.lease.token, done(), specs([job(&format!("child{index}"))]))
    };
    let ends: Ends = Arc::new(claimed.iter().enumerate().map(end).collect());
    let answers = together(desk, move |_, store| {
        let ends = ends.clone();
        async move { store.finish(ends, at(2)).await.unwrap() }
    })
    .await;
    for index in 0..20 {
        let moved = answers.iter().filter(|answer| answer[index] == Ended::Moved(State::Completed)).count();
        let repeated =
            answers.iter().filter(|answer| answer[index] == Ended::Repeated(State::Completed)).count();
        assert_eq!((moved, repeated), (1, TASKS - 1));
    }
    assert_eq!(desk.count("default", State::Completed).await, 20);
    assert_eq!(desk.count("default", State::Ready).await, 20);
}

pub(crate) async fn parents_that_end_at_once_release_each_child_once(desk: &Desk) {
    const CHILDREN: usize = 50;
    let parents = (0..2 * CHILDREN).map(|index| job(&format!("p{index}")));
    desk.insert(parents, START).await;
    let child = |index: usize| {
        let (one, other) = (format!("p{index}"), format!("p{}", CHILDREN + index));
        job(&format!("c{index}")).queue("children").after(&[&one, &other])
    };
    desk.insert((0..CHILDREN).map(child), START).await;
    let tokens: Arc<Vec<_>> = Arc::new(
        desk.claim("default", 2 * CHILDREN, at(1)).await.into_iter().map(|job| job.lease.token).collect(),
    );
    let released = together(desk, move |task, store| {
        let tokens = tokens.clone();
        async move {
            let mut released = Vec::new();
            for token in tokens.iter().skip(task).step_by(TASKS) {
                store.finish(Arc::new(vec![End::by_token(*token, done())]), at(2)).await.unwrap();
                released.extend(store.settle(7, at(2)).await.unwrap().moved);
            }
            released.extend(store.settle(1_000, at(3)).await.unwrap().moved);
            released.into_iter().map(|moved| moved.spec.id.clone()).collect::<Vec<_>>()
        }
    })
    .await;
    let mut released: Vec<JobId> = released.into_iter().flatten().collect();
    released.extend(
        desk.store.settle(1_000, at(4)).await.unwrap().moved.iter().map(|moved| moved.spec.id.clone()),
    );
    let once: HashSet<_> = released.iter().collect();
    assert_eq!((released.len(), once.len()), (CHILDREN, CHILDREN));
    assert_eq!(desk.count("children", State::Ready).await, CHILDREN as u64);
}

pub(crate) async fn a_cancel_and_an_end_at_once_agree(desk: &Desk) {
    const JOBS: usize = 60;
    desk.insert((0..JOBS).map(|index| job(&format!("j{index}"))), START).await;
    let tokens: Arc<Vec<_>> = Arc::new(
        desk.claim("default", JOBS, at(1)).await.into_iter().map(|claimed| claimed.lease.token).collect(),
    );
    let answers = together(desk, move |task, store| {
        let tokens = tokens.clone();
        async move {
            let (mut asked, mut ended) = (BTreeMap::new(), BTreeMap::new());
            for index in (task / 2..JOBS).step_by(TASKS / 2) {
                if task % 2 == 0 {
                    let answer =
                        store.amend(vec![id(&format!("j{index}"))], Change::Cancel, at(2)).await.unwrap();
                    asked.insert(index, matches!(answer[0], Amended::Asked(_)));
                } else {
                    let ends = Ends::new(vec![End::by_token(tokens[index], done())]);
                    ended.insert(index, store.finish(ends, at(2)).await.unwrap().remove(0));
                }
            }
            (asked, ended)
        }
    })
    .await;
    let (asked, ended): (Vec<_>, Vec<_>) = answers.into_iter().unzip();
    let asked: BTreeMap<usize, bool> = asked.into_iter().flatten().collect();
    let ended: BTreeMap<usize, Ended> = ended.into_iter().flatten().collect();
    for index in 0..JOBS {
        let state = if asked[&index] { State::Cancelled } else { State::Completed };
        assert_eq!(ended[&index], Ended::Moved(state), "j{index} was asked to stop: {}", asked[&index]);
        assert_eq!(desk.state(&format!("j{index}")).await, Some(state));
    }
}

/// A clock that every task moves on with each look, so that leases run out while others work.
fn tick(clock: &AtomicI64, by: i64) -> Timestamp {
    at(clock.fetch_add(by, Ordering::Relaxed))
}

pub(crate) async fn jobs_that_are_claimed_lost_and_taken_back_at_once_end_exactly_once(desk: &Desk) {
    const JOBS: u64 = 150;
    desk.insert((0..JOBS).map(|index| job(&format!("j{index}"))), START).await;
    let (clock, completed) = (Arc::new(AtomicI64::new(1)), Arc::new(AtomicU64::new(0)));
    let answers = together(desk, move |task, store| {
        let (clock, completed, chance) = (clock.clone(), completed.clone(), Chance::seeded(task as u64));
        async move {
            let mut ended = Vec::new();
            while completed.load(Ordering::Relaxed) < JOBS {
                if task == 0 {
                    store.reclaim(20, u32::MAX, tick(&clock, 40)).await.unwrap();
                    tokio::task::yield_now().await;
                    continue;
                }
                let claim = Claim { lease: ms(200), ..claim_of(&[("default", 3)]) };
                for claimed in store.claim(claim, tick(&clock, 1)).await.unwrap().jobs {
                    if chance.below(3) == 0 {
                        continue; // this worker dies
                    }
                    let ends = Ends::new(vec![End::new(claimed.lease, done())]);
                    match store.finish(ends, tick(&clock, 1)).await.unwrap()[0] {
                        Ended::Moved(State::Completed) => {
                            completed.fetch_add(1, Ordering::Relaxed);
                            ended.push(claimed.spec.id.clone());
                        }
                        Ended::Refused(Refusal::LeaseLost) => {}
                        ref other => panic!("{other:?}"),
                    }
                }
                tokio::task::yield_now().await;
            }
            ended
        }
    })
    .await;
    let ended: Vec<_> = answers.into_iter().flatten().collect();
    assert_eq!((ended.len() as u64, ended.iter().collect::<HashSet<_>>().len() as u64), (JOBS, JOBS));
    assert_eq!(desk.count("default", State::Completed).await, JOBS);
    assert!(desk.list(&JobFilter::default()).await.iter().all(|job| job.attempt == 1));
}

pub(crate) async fn a_queue_is_listed_although_a_claim_named_it_first(desk: &Desk) {
    for index in 0..50 {
        let name = format!("q{index}");
        let claim = desk.store.claim(claim_of(&[(&name, 1)]), START);
        let insert = desk.store.insert(specs([job(&name).queue(&name)]), START);
        let (claimed, inserted) = tokio::join!(claim, insert);
        claimed.unwrap();
        inserted.unwrap();
    }
    assert_eq!(desk.store.queues().await.unwrap().len(), 50);
}

pub(crate) const LIVED: i64 = 40;

/// Takes so many steps of every sort, by chance; tells how many it took.
pub(crate) async fn live(task: usize, store: Arc<dyn Store>) -> i64 {
    let chance = Chance::seeded(100 + task as u64);
    for step in 0..LIVED {
        let name = format!("j{}", chance.below(30));
        match chance.below(8) {
            0..=1 => drop(store.insert(specs([job(&name)]), at(step)).await.unwrap()),
            2 => drop(store.insert(specs([job(&name).run_at(at(step + 5))]), at(step)).await.unwrap()),
            3 => {
                let claimed = store.claim(claim_of(&[("default", 2)]), at(step)).await.unwrap().jobs;
                let ends: Vec<End> =
                    claimed.into_iter().map(|claimed| End::new(claimed.lease, done())).collect();
                store.finish(Ends::new(ends), at(step)).await.unwrap();
            }
            4 => drop(store.promote(3, at(step)).await.unwrap()),
            5 => drop(store.amend(vec![id(&name)], Change::Cancel, at(step)).await.unwrap()),
            6 => {
                let claim = Claim { lease: ms(1), ..claim_of(&[("default", 1)]) };
                store.claim(claim, at(step)).await.unwrap();
                store.reclaim(9, 1, at(step + 2)).await.unwrap();
            }
            _ => {
                drop(store.amend(vec![id(&name)], Change::Remove { force: true }, at(step)).await.unwrap());
            }
        }
    }
    LIVED
}

pub(crate) async fn counts_are_right_whoever_wrote(desk: &Desk) {
    together(desk, live).await;
    // The audit at the end of each question counts.
    assert_eq!(
        every(&*desk.store, &JobFilter::default(), 7).await.unwrap().len(),
        desk.whole().await.1.len()
    );
}

/// Counts up a number in a document; tells how often.
pub(crate) async fn count_up(_: usize, store: Arc<dyn Store>) -> u64 {
    const EACH: u64 = 20;
    for _ in 0..EACH {
        loop {
            let standing = store.doc_get("count", START).await.unwrap();
            let count =
                standing.as_ref().map_or(0, |doc| u64::from_be_bytes(doc.value[..].try_into().unwrap()));
            let expect = standing.map_or(Expect::Absent, |doc| Expect::Version(doc.version));
            let value = Bytes::copy_from_slice(&(count + 1).to_be_bytes());
            if let Put::Written(_) = store.doc_put("count", value, expect, None, START).await.unwrap() {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    EACH
}

pub(crate) async fn compare_and_set_loses_no_write(desk: &Desk) {
    let counted = together(desk, count_up).await;
    let value = desk.store.doc_get("count", START).await.unwrap().unwrap().value;
    assert_eq!(value[..], counted.iter().sum::<u64>().to_be_bytes());
}

pub(crate) async fn entries_appended_at_once_have_places_of_their_own(desk: &Desk) {
    together(desk, async |task, store| {
        for step in 0..20 {
            let entries = [0, 1].map(|half| Bytes::from(format!("{task}-{step}-{half}"))).to_vec();
            store.log_append("log", entries, 1_000).await.unwrap();
        }
    })
    .await;
    let entries = desk.store.log_read("log", 0, 1_000).await.unwrap();
    let places: Vec<u64> = entries.iter().map(|entry| entry.position).collect();
    assert_eq!(places, (1..=40 * TASKS as u64).collect::<Vec<_>>());
    for pair in entries.chunks(2) {
        let batch = |value: &Bytes| String::from_utf8_lossy(value).rsplit_once('-').unwrap().0.to_owned();
        assert_eq!(batch(&pair[0].value), batch(&pair[1].value), "an append is one step");
    }
}

pub(crate) const ALLOWED: u32 = 25;

/// Asks a limiter more often than all together may; tells how often it was allowed.
pub(crate) async fn ask_limiter(_: usize, store: Arc<dyn Store>) -> u32 {
    let rule = Rule::Sliding { max: ALLOWED, interval: ms(1_000) };
    let mut allowed = 0;
    for _ in 0..10 {
        allowed += u32::from(store.limit("key", rule, 1, at(1)).await.unwrap().allowed);
    }
    allowed
}

pub(crate) async fn all_share_the_count_of_a_limiter(desk: &Desk) {
    let allowed = together(desk, ask_limiter).await;
    assert_eq!(allowed.iter().sum::<u32>(), ALLOWED);
}
