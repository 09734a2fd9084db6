//! Requests that do not arrive and answers that are lost: whoever repeats a request loses and doubles nothing.

use std::collections::BTreeSet;

use bytes::Bytes;
use longshore_clock::Chance;
use longshore_core::{
    Amended, Change, End, Ended, Ends, Expect, JobFilter, Put, Records, Renewal, Renewed, State, Store,
    StoreError, StoreResult, Wake,
};

use crate::desk::{Desk, every};
use crate::draft::{LEASE, START, at, claim_of, done, end_then, id, job, ms, retry, specs};
use crate::{Faults, Faulty, Odds};

/// The next answer is lost, whatever is asked.
const LOST: Odds = Odds { before: 0.0, after: 1.0 };
/// Every third call fails, half of them after they happened.
const ROUGH: Odds = Odds { before: 0.17, after: 0.17 };

const SEEDS: std::ops::Range<u64> = 0..5;

fn faulty(desk: &Desk, seed: u64, odds: Odds) -> Faulty {
    Faults::around(desk.store.clone(), Chance::seeded(seed), odds)
}

/// Repeats a request until it is answered.
async fn insist<T, F: Future<Output = StoreResult<T>>>(request: impl Fn() -> F) -> T {
    loop {
        match request().await {
            Ok(answer) => return answer,
            Err(error) => assert!(error.is_transient(), "{error}"),
        }
    }
}

/// Loses one answer, then asks again on a calm store.
async fn again<T: std::fmt::Debug, F: Future<Output = StoreResult<T>>>(
    store: &Faulty,
    request: impl Fn() -> F,
) -> T {
    store.set(LOST);
    assert!(matches!(request().await, Err(StoreError::Unavailable(_))));
    store.set(Odds::CALM);
    request().await.unwrap()
}

pub(crate) async fn a_request_that_did_not_arrive_changed_nothing(desk: &Desk) {
    let token = desk.bring(crate::stage::Stage::Running).await;
    let before = desk.whole().await;
    let store = faulty(desk, 1, Odds::DOWN);
    assert!(store.insert(specs([job("a")]), START).await.is_err());
    assert!(store.finish(Ends::new(vec![End::by_token(token, done())]), at(2_000)).await.is_err());
    assert!(store.queues().await.is_err());
    assert_eq!((desk.whole().await, store.faults()), (before, 3));
}

pub(crate) async fn an_insert_with_ids_of_ones_own_can_be_repeated(desk: &Desk) {
    let store = faulty(desk, 1, Odds::CALM);
    let answers = again(&store, || store.insert(specs([job("a"), job("b").run_at(at(50))]), START)).await;
    assert!(answers.iter().all(|answer| answer.duplicate));
    assert_eq!(
        answers.iter().map(|answer| answer.state).collect::<Vec<_>>(),
        [State::Ready, State::Scheduled]
    );
    assert_eq!(every(&*desk.store, &JobFilter::default(), 9).await.unwrap().len(), 2);
}

pub(crate) async fn an_end_whose_answer_was_lost_can_be_repeated(desk: &Desk) {
    let store = faulty(desk, 1, Odds::CALM);
    desk.insert(["a", "b"].map(job), START).await;
    let tokens: Vec<_> =
        desk.claim("default", 2, at(1)).await.iter().map(|claimed| claimed.lease.token).collect();
    let first = end_then(tokens[0], done(), specs([job("child")]));
    let ends = Ends::new(vec![first, End::by_token(tokens[1], retry(at(90)))]);
    let answers = again(&store, || store.finish(ends.clone(), at(2))).await;
    assert_eq!(answers, [Ended::Repeated(State::Completed), Ended::Repeated(State::Scheduled)]);
    assert_eq!(desk.job("b").await.errors.len(), 1);
    assert_eq!(desk.list(&JobFilter::default()).await.len(), 3);
}

pub(crate) async fn a_claim_whose_answer_was_lost_comes_back_without_spending_an_attempt(desk: &Desk) {
    let store = faulty(desk, 1, LOST);
    desk.insert([job("a")], START).await;
    assert!(store.claim(claim_of(&[("default", 1)]), START).await.is_err());
    assert_eq!(desk.state("a").await, Some(State::Running));
    assert_eq!(desk.store.reclaim(9, 3, START + LEASE + ms(1)).await.unwrap().moved.len(), 1);
    assert_eq!(desk.take("default", at(90_000)).await.attempt, 1);
}

pub(crate) async fn a_renewal_whose_answer_was_lost_can_be_repeated(desk: &Desk) {
    let store = faulty(desk, 1, Odds::CALM);
    let token = desk.bring(crate::stage::Stage::Running).await;
    let answers =
        again(&store, || store.renew(vec![Renewal { token, progress: None }], LEASE, at(2_000))).await;
    assert_eq!(answers, [Renewed::Held { until: at(2_000) + LEASE, cancel: false }]);
}

pub(crate) async fn a_change_whose_answer_was_lost_can_be_repeated(desk: &Desk) {
    let store = faulty(desk, 1, Odds::CALM);
    desk.insert(["a", "b"].map(job), START).await;
    desk.take("default", at(1)).await;
    let ids = vec![id("a"), id("b")];
    let answers = again(&store, || store.amend(ids.clone(), Change::Cancel, at(2))).await;
    assert!(matches!(&answers[0], Amended::Asked(_)));
    assert_eq!(answers[1], Amended::WrongState(State::Cancelled));
    assert_eq!(
        again(&store, || store.amend(vec![id("b")], Change::Remove { force: false }, at(3))).await,
        [Amended::Unknown]
    );
}

pub(crate) async fn a_compare_and_set_whose_answer_was_lost_shows_its_own_write(desk: &Desk) {
    let store = faulty(desk, 1, Odds::CALM);
    let value = Bytes::from_static(b"mine");
    let answer = again(&store, || store.doc_put("a", value.clone(), Expect::Absent, None, START)).await;
    assert!(matches!(answer, Put::Conflict(Some(standing)) if standing.value == value));
}

pub(crate) async fn the_bell_rings_for_a_change_whose_answer_was_lost(desk: &Desk) {
    use futures_util::StreamExt;
    let store = faulty(desk, 1, LOST);
    let mut bell = store.wakeups();
    assert!(store.insert(specs([job("a")]), START).await.is_err());
    let ring = tokio::time::timeout(std::time::Duration::from_secs(10), bell.next()).await;
    assert!(matches!(ring, Ok(Some(Wake::Ready(_) | Wake::Missed))), "{ring:?}");
}

/// A day's work on a store that fails every third time: callers, workers and the keeper repeat until they are
/// answered. In the end every job and every job that followed from one completed once.
pub(crate) async fn nothing_is_lost_or_doubled_on_a_rough_day(desk: &Desk) {
    for seed in SEEDS {
        let store = faulty(desk, seed, ROUGH);
        let queue = format!("day{seed}");
        let names: Vec<String> = (0..40).map(|index| format!("{queue} job{index}")).collect();
        for pair in names.chunks(2) {
            let batch = specs(pair.iter().map(|name| job(name).queue(&queue)));
            assert_eq!(insist(|| store.insert(batch.clone(), START)).await.len(), pair.len());
        }
        let ended = work(&store, &queue, names.len() * 2).await;
        let expected: BTreeSet<String> =
            names.iter().flat_map(|name| [name.clone(), format!("{name} child")]).collect();
        assert_eq!(ended, expected, "seed {seed}");
        assert!(store.faults() > 20, "the day was not rough");
        assert_eq!(desk.count(&queue, State::Completed).await, 80, "seed {seed}");
        assert_eq!(desk.store.queue(crate::draft::queue(&queue)).await.unwrap().unwrap().counts.total(), 80);
    }
}

/// Works until so many jobs have ended; with their names, none of them twice.
async fn work(store: &Faulty, queue: &str, jobs: usize) -> BTreeSet<String> {
    let mut ended = BTreeSet::new();
    let mut now = 0;
    while ended.len() < jobs {
        now += 1_000;
        // An answer that was lost leaves leases that nobody knows; the keeper takes them back.
        insist(|| store.reclaim(10, u32::MAX, at(now))).await;
        let claim = longshore_core::Claim { lease: ms(5_000), ..claim_of(&[(queue, 4)]) };
        let Ok(claims) = store.claim(claim, at(now)).await else { continue };
        let claimed = claims.jobs;
        let names: Vec<String> = claimed.iter().map(|claimed| claimed.spec.id.to_string()).collect();
        let ends: Vec<End> = claimed
            .into_iter()
            .map(|claimed| {
                let name = claimed.spec.id.to_string();
                let child = format!("{name} child");
                let then = if name.ends_with("child") { vec![] } else { specs([job(&child).queue(queue)]) };
                end_then(claimed.lease.token, done(), then)
            })
            .collect();
        let ends = Ends::new(ends);
        for (name, answer) in names.into_iter().zip(insist(|| store.finish(ends.clone(), at(now))).await) {
            assert!(
                matches!(answer, Ended::Moved(State::Completed) | Ended::Repeated(State::Completed)),
                "{name}: {answer:?}"
            );
            assert!(ended.insert(name.clone()), "{name} ended twice");
        }
    }
    ended
}
