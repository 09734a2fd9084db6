use longshore_core::{Amended, Change, DurationText, Inserted, State, Unique};

use crate::desk::{Desk, only};
use crate::draft::{Draft, START, at, done, fail, id, job, ms, queue, retry};

fn simple() -> Unique {
    Unique::new("report/7")
}

fn throttle(millis: u64) -> Unique {
    Unique { ttl: Some(DurationText(ms(millis))), ..simple() }
}

fn debounce() -> Unique {
    Unique { replace: true, ..simple() }
}

fn one(name: &str) -> Draft {
    job(name).unique(simple())
}

async fn insert(desk: &Desk, draft: Draft, now: i64) -> Inserted {
    only(desk.insert([draft], at(now)).await)
}

/// Whether the insert made a job of its own.
async fn is_new(desk: &Desk, name: &str, unique: Unique, now: i64) -> bool {
    let answer = insert(desk, job(name).unique(unique), now).await;
    assert_eq!(answer.id == id(name), !answer.duplicate);
    !answer.duplicate
}

async fn owner(desk: &Desk, now: i64) -> Option<String> {
    let owner = desk.store.unique_owner(queue("default"), "report/7".to_owned(), at(now)).await.unwrap();
    owner.map(|owner| owner.to_string())
}

pub(crate) async fn a_second_job_with_the_key_is_answered_with_the_first(desk: &Desk) {
    insert(desk, one("first"), 0).await;
    let before = desk.whole().await;
    let answer = insert(desk, one("second"), 1).await;
    let first = Inserted { id: id("first"), state: State::Ready, duplicate: true, replaced: None };
    assert_eq!(answer, first);
    assert_eq!(desk.whole().await, before);
    assert_eq!(owner(desk, 2).await.as_deref(), Some("first"));
}

pub(crate) async fn a_key_is_unique_in_its_queue_only(desk: &Desk) {
    insert(desk, one("here"), 0).await;
    assert!(!insert(desk, one("there").queue("other"), 1).await.duplicate);
}

pub(crate) async fn one_batch_gives_one_job_for_a_key(desk: &Desk) {
    let answers = desk.insert([one("a"), one("b"), job("c"), one("a")], START).await;
    let told: Vec<_> = answers.iter().map(|answer| (answer.id.to_string(), answer.duplicate)).collect();
    let expected = [("a", false), ("a", true), ("c", false), ("a", true)];
    assert_eq!(told, expected.map(|(name, duplicate)| (name.to_owned(), duplicate)));
}

pub(crate) async fn the_id_is_looked_at_before_the_key(desk: &Desk) {
    insert(desk, one("owner"), 0).await;
    insert(desk, job("other"), 0).await;
    assert_eq!(insert(desk, one("other"), 1).await.id, id("other"));
}

pub(crate) async fn a_key_is_held_until_its_job_has_ended(desk: &Desk) {
    insert(desk, one("first"), 0).await;
    let token = desk.take("default", at(1)).await.lease.token;
    assert!(!is_new(desk, "x", simple(), 2).await, "while it runs");
    desk.end(token, retry(at(50)), at(3)).await;
    assert!(!is_new(desk, "x", simple(), 4).await, "while it waits for another attempt");
    desk.store.promote(10, at(50)).await.unwrap();
    let token = desk.take("default", at(51)).await.lease.token;
    desk.end(token, fail(), at(52)).await;
    assert_eq!(owner(desk, 53).await, None);
    assert!(is_new(desk, "second", simple(), 53).await);
}

pub(crate) async fn a_cancelled_or_removed_job_frees_its_key(desk: &Desk) {
    insert(desk, one("first"), 0).await;
    desk.amend("first", Change::Cancel, at(1)).await;
    assert!(is_new(desk, "second", simple(), 2).await);
    desk.amend("second", Change::Remove { force: false }, at(3)).await;
    assert!(is_new(desk, "third", simple(), 4).await);
}

pub(crate) async fn a_key_with_a_ttl_is_held_that_long_whatever_becomes_of_its_job(desk: &Desk) {
    assert!(is_new(desk, "first", throttle(100), 0).await);
    let token = desk.take("default", at(1)).await.lease.token;
    desk.end(token, done(), at(2)).await;
    assert!(!is_new(desk, "x", throttle(100), 99).await, "after its end");
    assert!(is_new(desk, "second", throttle(100), 100).await, "after the window");
    assert!(!is_new(desk, "y", simple(), 150).await, "the window is that of the job that holds the key");
    assert!(is_new(desk, "third", throttle(100), 200).await, "although the second has not ended");
    desk.amend("third", Change::Remove { force: false }, at(201)).await;
    assert!(is_new(desk, "fourth", simple(), 202).await, "a removed record frees the key");
}

pub(crate) async fn extend_makes_the_window_begin_anew(desk: &Desk) {
    let extend = Unique { extend: true, ..throttle(100) };
    assert!(is_new(desk, "first", throttle(100), 0).await);
    assert!(!is_new(desk, "x", extend.clone(), 90).await);
    assert!(!is_new(desk, "x", extend, 180).await);
    assert!(!is_new(desk, "x", throttle(100), 279).await);
    assert!(is_new(desk, "second", throttle(100), 280).await);
}

pub(crate) async fn a_record_stays_while_it_holds_its_key(desk: &Desk) {
    insert(desk, job("first").unique(throttle(500)).retention(ms(10)), 0).await;
    let token = desk.take("default", at(1)).await.lease.token;
    desk.end(token, done(), at(2)).await;
    assert_eq!(desk.store.prune(10, at(499)).await.unwrap().removed, 0);
    assert!(!is_new(desk, "x", throttle(500), 499).await);
    assert_eq!(desk.store.prune(10, at(500)).await.unwrap().removed, 1);
}

pub(crate) async fn a_scheduled_job_can_be_replaced(desk: &Desk) {
    insert(desk, job("first").unique(debounce()).run_at(at(100)), 0).await;
    let answer = insert(desk, job("second").unique(debounce()).run_at(at(150)), 50).await;
    let second =
        Inserted { id: id("second"), state: State::Scheduled, duplicate: false, replaced: Some(id("first")) };
    assert_eq!(answer, second);
    assert_eq!(desk.state("first").await, None);
    assert_eq!(owner(desk, 60).await.as_deref(), Some("second"));
    let kept = desk.store.promote(10, at(150)).await.unwrap();
    assert_eq!(kept.moved.len(), 1);
    assert_eq!(insert(desk, job("third").unique(debounce()).run_at(at(300)), 151).await.id, id("second"));
}

pub(crate) async fn a_replacement_keeps_the_window(desk: &Desk) {
    let window =
        |name: &str, due| job(name).unique(Unique { replace: true, ..throttle(100) }).run_at(at(due));
    insert(desk, window("first", 90), 0).await;
    assert_eq!(insert(desk, window("second", 95), 50).await.replaced, Some(id("first")));
    assert!(is_new(desk, "third", throttle(100), 100).await, "the window counts from the first insert");
}

pub(crate) async fn a_job_that_waits_for_no_time_is_not_replaced(desk: &Desk) {
    insert(desk, job("first").unique(debounce()), 0).await;
    let answer = insert(desk, job("second").unique(debounce()).run_at(at(100)), 1).await;
    assert_eq!((answer.id, answer.duplicate, answer.replaced), (id("first"), true, None));
}

pub(crate) async fn a_key_can_be_taken_from_its_job_which_stays(desk: &Desk) {
    insert(desk, one("first"), 0).await;
    let free = || desk.store.free_unique(queue("default"), "report/7".to_owned(), at(1));
    assert_eq!(free().await.unwrap(), Some(id("first")));
    assert_eq!(free().await.unwrap(), None);
    assert_eq!(desk.state("first").await, Some(State::Ready));
    assert!(is_new(desk, "second", simple(), 2).await);
    desk.amend("first", Change::Remove { force: false }, at(3)).await;
    assert_eq!(owner(desk, 4).await.as_deref(), Some("second"), "the first has nothing to give back");
}

pub(crate) async fn a_job_is_not_revived_while_another_holds_its_key(desk: &Desk) {
    insert(desk, one("first"), 0).await;
    desk.amend("first", Change::Cancel, at(1)).await;
    insert(desk, one("second"), 2).await;
    let before = desk.whole().await;
    let answer = desk.amend("first", Change::Revive, at(3)).await;
    assert_eq!(answer, Amended::UniqueConflict(id("second")));
    assert_eq!(desk.whole().await, before);
    desk.amend("second", Change::Cancel, at(4)).await;
    desk.amend("first", Change::Revive, at(5)).await;
    assert_eq!(owner(desk, 6).await.as_deref(), Some("first"), "a revived job holds its key again");
}
