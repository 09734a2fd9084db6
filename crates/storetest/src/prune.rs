use bytes::Bytes;
use longshore_core::{
    Change, DurationText, Ended, Expect, JobFilter, Kept, QueueChange, Refusal, Retention, State, Timestamp,
    Unique,
};

use crate::desk::Desk;
use crate::draft::{Draft, START, at, cancel, done, done_with, fail, job, json, ms, queue};
use crate::stage::Stage;

const FAR: i64 = 100 * 86_400_000;

fn retention(completed: u64, failed: u64, cancelled: u64) -> QueueChange {
    let [completed, failed, cancelled] =
        [completed, failed, cancelled].map(|millis| DurationText(ms(millis)));
    QueueChange {
        retention: Retention { completed, failed, cancelled, ..Retention::default() }.into(),
        ..QueueChange::default()
    }
}

/// Inserts and completes a job at the start; with its lease's token.
async fn completed(desk: &Desk, draft: Draft) -> longshore_core::LeaseToken {
    let spec = draft.spec();
    desk.store.insert(vec![spec.clone()], START).await.unwrap();
    let token = desk.take(spec.queue.as_str(), START).await.lease.token;
    desk.end(token, done_with("[1]"), START).await;
    token
}

async fn prune(desk: &Desk, now: Timestamp) -> Kept {
    desk.store.prune(100, now).await.unwrap()
}

pub(crate) async fn an_ended_job_goes_when_its_retention_is_over(desk: &Desk) {
    let token = completed(desk, job("a").retention(ms(500))).await;
    assert_eq!(desk.job("a").await.expires_at, Some(at(500)));
    let early = prune(desk, at(499)).await;
    assert_eq!((early.removed, early.moved.len(), early.next), (0, 0, Some(at(500))));
    let kept = prune(desk, at(500)).await;
    assert_eq!((kept.removed, kept.moved.len(), kept.next), (1, 0, None));
    desk.assert_gone("a").await;
    assert_eq!(desk.store.queue(queue("default")).await.unwrap().unwrap().counts.total(), 0);
    assert_eq!(desk.end(token, done_with("[1]"), at(600)).await, Ended::Refused(Refusal::Gone));
    assert!(!desk.insert([job("a").queue("elsewhere")], at(600)).await[0].duplicate);
}

pub(crate) async fn retention_counts_from_the_end_and_is_the_queues_unless_the_job_has_its_own(desk: &Desk) {
    desk.store.set_queue(queue("default"), retention(1_000, 2_000, 3_000), START).await.unwrap();
    let drafts = ["completed", "failed", "cancelled"].map(job);
    desk.insert(drafts.into_iter().chain([job("own").retention(ms(10))]), START).await;
    desk.insert([job("waiting")], START).await;
    for (outcome, claimed) in
        [done(), fail(), cancel(), fail()].into_iter().zip(desk.claim("default", 4, START).await)
    {
        desk.end(claimed.lease.token, outcome, at(100)).await;
    }
    desk.amend("waiting", Change::Cancel, at(200)).await;
    for (name, over) in
        [("completed", 1_100), ("failed", 2_100), ("cancelled", 3_100), ("own", 110), ("waiting", 3_200)]
    {
        assert_eq!(desk.job(name).await.expires_at, Some(at(over)), "{name}");
    }
}

pub(crate) async fn of_more_ended_jobs_than_a_queue_keeps_those_go_that_would_go_first(desk: &Desk) {
    for name in ["default", "other"] {
        let retention = Retention { most: 2, ..Retention::default() };
        let change = QueueChange { retention: retention.into(), ..QueueChange::default() };
        desk.store.set_queue(queue(name), change, START).await.unwrap();
    }
    // The first to be inserted is the last to end.
    let names = ["late", "b", "c", "d", "e"];
    desk.insert(names.map(job), START).await;
    desk.insert(["x", "y"].map(|name| job(name).queue("other")), START).await;
    let mut claimed = desk.claim("default", 5, START).await;
    claimed.rotate_left(1);
    for (index, claimed) in claimed.into_iter().enumerate() {
        desk.end(claimed.lease.token, done(), at(index as i64)).await;
    }
    for claimed in desk.claim("other", 2, START).await {
        desk.end(claimed.lease.token, done(), START).await;
    }
    let kept = desk.store.prune(2, at(10)).await.unwrap();
    assert_eq!((kept.removed, kept.next), (2, Some(at(10))), "one is still too many");
    assert_eq!(prune(desk, at(10)).await.removed, 1);
    let left = desk.list(&JobFilter::default()).await;
    let mut left: Vec<String> = left.iter().map(|job| job.id().to_string()).collect();
    left.sort_unstable();
    assert_eq!(left, ["e", "late", "x", "y"]);
    // Each state counts for itself, and what a child may still read stays.
    desk.insert([job("f"), job("g"), job("child").after(&["e"])], at(20)).await;
    for claimed in desk.claim("default", 2, at(20)).await {
        desk.end(claimed.lease.token, fail(), at(20)).await;
    }
    assert_eq!(prune(desk, at(30)).await.removed, 0);
    // So does what holds a unique key.
    let retention = Retention { most: 0, ..Retention::default() };
    let change = QueueChange { retention: retention.into(), ..QueueChange::default() };
    desk.store.set_queue(queue("keys"), change, START).await.unwrap();
    completed(
        desk,
        job("holder").queue("keys").unique(Unique { ttl: Some(DurationText(ms(90))), ..Unique::new("k") }),
    )
    .await;
    completed(desk, job("other").queue("keys")).await;
    assert_eq!(prune(desk, at(89)).await.removed, 1);
    assert_eq!(desk.state("holder").await, Some(State::Completed));
    assert_eq!(prune(desk, at(90)).await.removed, 1);
}

pub(crate) async fn a_changed_retention_is_for_jobs_that_end_from_now_on(desk: &Desk) {
    desk.store.set_queue(queue("default"), retention(1_000, 1_000, 1_000), START).await.unwrap();
    completed(desk, job("before")).await;
    desk.store.set_queue(queue("default"), retention(5, 5, 5), START).await.unwrap();
    completed(desk, job("after")).await;
    assert_eq!(desk.job("before").await.expires_at, Some(at(1_000)));
    assert_eq!(desk.job("after").await.expires_at, Some(at(5)));
}

pub(crate) async fn every_way_to_an_end_is_pruned_and_nothing_else_is(desk: &Desk) {
    desk.bring_all().await;
    let staying = Stage::ALL.into_iter().filter(|stage| !stage.state().is_end()).count();
    let kept = prune(desk, at(FAR)).await;
    assert_eq!((kept.removed, kept.next), (Stage::ALL.len() - staying, None));
    let left = desk.list(&JobFilter::default()).await;
    assert_eq!((left.len(), left.iter().any(|job| job.state.is_end())), (staying, false));
}

pub(crate) async fn a_revived_job_does_not_go_at_its_old_time(desk: &Desk) {
    desk.bring(Stage::ReadyByRevive).await;
    assert_eq!(prune(desk, at(FAR)).await, Kept::default());
    assert_eq!(desk.state(&Stage::ReadyByRevive.name()).await, Some(State::Ready));
}

pub(crate) async fn a_result_goes_when_its_own_retention_is_over(desk: &Desk) {
    completed(desk, job("a").retention(ms(900)).result_retention(ms(300))).await;
    assert_eq!(prune(desk, at(299)).await.next, Some(at(300)));
    assert_eq!(desk.job("a").await.result, Some(json("[1]")));
    let kept = prune(desk, at(310)).await;
    assert_eq!((kept.moved.len(), kept.next), (0, Some(at(900))));
    let job = desk.job("a").await;
    assert_eq!((job.state, job.result, job.result_expired_at), (State::Completed, None, Some(at(310))));
    assert_eq!(prune(desk, at(900)).await.removed, 1);
    desk.assert_gone("a").await;
}

pub(crate) async fn a_result_does_not_outlive_its_record(desk: &Desk) {
    completed(desk, job("a").retention(ms(300)).result_retention(ms(900))).await;
    assert_eq!(prune(desk, START).await.next, Some(at(300)));
    assert_eq!((prune(desk, at(300)).await.removed, prune(desk, at(300)).await.next), (1, None));
}

pub(crate) async fn documents_that_expired_are_removed(desk: &Desk) {
    for (key, ttl) in [("short", Some(ms(100))), ("long", Some(ms(200))), ("staying", None)] {
        desk.store.doc_put(key, Bytes::from_static(b"x"), Expect::Anything, ttl, START).await.unwrap();
    }
    assert_eq!(prune(desk, at(99)).await.next, Some(at(100)));
    let kept = prune(desk, at(100)).await;
    assert_eq!((kept.removed, kept.next), (1, Some(at(200))));
    assert_eq!(prune(desk, at(FAR)).await, Kept { removed: 1, ..Kept::default() });
    assert!(desk.store.doc_get("staying", at(FAR)).await.unwrap().is_some());
}

pub(crate) async fn at_most_the_limit_is_removed_at_once(desk: &Desk) {
    for index in 0..5 {
        completed(desk, job(&format!("j{index}")).retention(ms(10))).await;
    }
    for (removed, more) in [(2, true), (2, true), (1, false)] {
        let kept = desk.store.prune(2, at(50)).await.unwrap();
        assert_eq!(kept.removed, removed);
        assert_eq!(kept.next.is_some_and(|next| next <= at(50)), more, "{:?}", kept.next);
    }
}

pub(crate) async fn jobs_and_documents_share_the_limit(desk: &Desk) {
    for index in 0..2 {
        completed(desk, job(&format!("j{index}")).retention(ms(10))).await;
        let (key, value) = (format!("d{index}"), Bytes::from_static(b"x"));
        desk.store.doc_put(&key, value, Expect::Anything, Some(ms(10)), START).await.unwrap();
    }
    for (removed, more) in [(3, true), (1, false)] {
        let kept = desk.store.prune(3, at(50)).await.unwrap();
        assert_eq!((kept.removed, kept.next.is_some_and(|next| next <= at(50))), (removed, more));
    }
}

pub(crate) async fn with_nothing_that_expires_nothing_is_wanted(desk: &Desk) {
    desk.insert([job("a")], START).await;
    assert_eq!(prune(desk, at(FAR)).await, Kept::default());
}
