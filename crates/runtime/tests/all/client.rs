//! Callers insert jobs.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use longshore_core::{Backoff, DurationText, EventName, JobId, JobSpec, State, StoreError, StoreResult};
use longshore_runtime::{IntoSeconds, OnceKey, Receipt};

use crate::support::{Room, Task, hear, millis, queue};

#[tokio::test]
async fn what_is_asked_of_a_job_stands_in_its_record() {
    let (room, _) = Room::manual();
    let backoff = Backoff::fixed(2.seconds());
    let receipt = room
        .client
        .enqueue(Task { number: 7 })
        .queue("mail")
        .id("order-17")
        .priority(1.5)
        .after(1.hour())
        .max_attempts(9)
        .backoff(backoff.clone())
        .timeout(5.minutes())
        .tag("nightly")
        .tag("eu")
        .retention(1.minute())
        .await
        .unwrap();
    assert_eq!(
        (receipt.id.to_string(), receipt.state, receipt.duplicate),
        ("order-17".into(), State::Scheduled, false)
    );
    let job = room.job(&receipt.id).await;
    let (spec, options) = (&*job.spec, &*job.spec.options);
    assert_eq!((spec.queue.as_str(), spec.kind.as_str()), ("mail", "task"));
    assert_eq!(spec.args.as_str(), r#"{"number":7}"#);
    assert!((spec.priority.get() - 1.5).abs() < f64::EPSILON);
    assert_eq!(spec.run_at, Some(job.created_at + 1.hour()));
    assert_eq!((options.max_attempts, &options.backoff), (9, &backoff));
    assert_eq!(options.timeout, Some(DurationText(5.minutes())));
    assert_eq!(options.tags, ["nightly", "eu"]);
    assert_eq!(options.retention, Some(DurationText(1.minute())));
}

#[tokio::test]
async fn a_job_of_which_nothing_is_asked_has_the_defaults() {
    let room = Room::new();
    let receipt = room.client.enqueue(Task { number: 1 }).await.unwrap();
    let job = room.job(&receipt.id).await;
    assert_eq!((job.spec.queue.as_str(), receipt.state), ("default", State::Ready));
    assert!(job.spec.options.is_default());
}

#[tokio::test]
async fn a_mistake_is_told_and_inserts_nothing() {
    let room = Room::new();
    let new = || room.client.enqueue(Task { number: 1 });
    for (mistake, field) in [
        (new().queue(""), "queue"),
        (new().id("17"), "id"),
        (new().priority(f64::NAN), "priority"),
        (new().max_attempts(0), "jobs[0].max_attempts"),
        (new().timeout(millis(0)), "jobs[0].timeout"),
        (new().tag("two words"), "jobs[0].tags"),
    ] {
        match mistake.await {
            Err(StoreError::Invalid(invalid)) => assert_eq!(invalid.field, field),
            other => panic!("{field}: {other:?}"),
        }
    }
    assert!(room.control.queues().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_id_that_is_known_creates_nothing_and_is_told_as_a_duplicate() {
    let room = Room::new();
    let mut events = room.engine.hub().subscribe();
    let new = || room.client.enqueue(Task { number: 1 }).id("order-1");
    let first = new().await.unwrap();
    let again = new().await.unwrap();
    assert_eq!(again, Receipt { duplicate: true, ..first.clone() });
    let told = hear(&mut events, EventName::Duplicated).await.event;
    assert_eq!((told.id, told.attempt), (Some(first.id.clone()), Some(0)));
    assert_eq!(told.timestamps.unwrap().created_at, Some(room.job(&first.id).await.created_at.as_secs_f64()));
    assert_eq!(room.count("default", State::Ready).await, 1);
    assert!(matches!(new().queue("other").await, Err(StoreError::IdTaken { .. })));
}

#[tokio::test]
async fn only_what_was_inserted_is_counted() {
    let room = Room::new();
    for _ in 0..3 {
        room.client.enqueue(Task { number: 1 }).id("order-1").await.unwrap();
    }
    assert!(room.client.enqueue(Task { number: 1 }).max_attempts(0).await.is_err());
    room.client.insert(vec![Arc::new(room.spec("calm")), Arc::new(room.spec("calm"))]).await.unwrap();
    assert_eq!(room.engine.meters().queue(&queue("default")).inserted.load(Ordering::Relaxed), 3);
}

async fn once(room: &Room, key: &str, print: &str) -> StoreResult<Vec<Receipt>> {
    let make = |ids: &[JobId]| {
        Ok(ids.iter().map(|id| Arc::new(JobSpec { id: id.clone(), ..room.spec("calm") })).collect())
    };
    room.client.insert_once(&key_of(key, print), 2, make).await
}

fn key_of(name: &str, print: &str) -> OnceKey {
    OnceKey { scope: "test".to_owned(), name: name.to_owned(), print: print.to_owned() }
}

fn ids(receipts: &[Receipt]) -> Vec<JobId> {
    receipts.iter().map(|receipt| receipt.id.clone()).collect()
}

#[tokio::test]
async fn the_same_request_under_the_same_key_gives_the_same_jobs() {
    let room = Room::new();
    let first = once(&room, "key", "print").await.unwrap();
    let again = once(&room, "key", "print").await.unwrap();
    assert_eq!(ids(&first), ids(&again));
    assert!(again.iter().all(|receipt| receipt.duplicate));
    assert_ne!(ids(&once(&room, "other key", "print").await.unwrap()), ids(&first));
    assert_eq!(room.count("default", State::Ready).await, 4);
}

#[tokio::test]
async fn the_same_request_does_not_bring_back_what_was_cancelled() {
    let room = Room::new();
    let first = once(&room, "key", "print").await.unwrap();
    room.control.cancel(&first[0].id).await.unwrap();
    let again = once(&room, "key", "print").await.unwrap();
    assert_eq!(ids(&first), ids(&again));
    assert_eq!((again[0].state, again[1].state), (State::Cancelled, State::Ready));
    assert_eq!(room.job(&first[0].id).await.state, State::Cancelled);
}

#[tokio::test]
async fn another_request_under_the_same_key_is_refused() {
    let room = Room::new();
    once(&room, "key", "print").await.unwrap();
    match once(&room, "key", "another print").await {
        Err(StoreError::Invalid(invalid)) => assert_eq!(invalid.code, "idempotency_conflict"),
        other => panic!("{other:?}"),
    }
    assert_eq!(room.count("default", State::Ready).await, 2);
}

#[tokio::test]
async fn a_key_is_forgotten_after_a_day() {
    let (room, manual) = Room::manual();
    let first = once(&room, "key", "print").await.unwrap();
    manual.advance(24.hours());
    assert_ne!(ids(&once(&room, "key", "another print").await.unwrap()), ids(&first));
}

#[tokio::test]
async fn a_refused_request_leaves_no_key_behind() {
    let room = Room::new();
    let refuse = |_: &[JobId]| Err(StoreError::Closed);
    assert!(room.client.insert_once(&key_of("key", "print"), 1, refuse).await.is_err());
    assert!(once(&room, "key", "another print").await.is_ok());
}

#[tokio::test]
async fn a_request_that_was_cut_off_is_taken_up_again() {
    let door = longshore_clock::Door::system();
    let spy = Arc::new(crate::spy::on(Arc::new(longshore_memory::MemoryStore::new(&door))));
    let room = Room::on(spy.clone(), door);
    spy.fail("insert");
    assert!(once(&room, "key", "print").await.is_err());
    spy.mend();
    let receipts = once(&room, "key", "print").await.unwrap();
    assert!(receipts.iter().all(|receipt| !receipt.duplicate));
    assert_eq!(room.count("default", State::Ready).await, 2);
}

#[tokio::test]
async fn a_repetition_does_not_run_again_what_is_gone() {
    let room = Room::new();
    let first = once(&room, "key", "print").await.unwrap();
    room.control.remove(&first[0].id, false).await.unwrap();
    for again in [
        once(&room, "key", "print").await.unwrap(),
        room.client.recall(&key_of("key", "print")).await.unwrap().unwrap(),
    ] {
        assert_eq!(ids(&first), ids(&again));
        assert!(again.iter().all(|receipt| receipt.duplicate && receipt.state == State::Ready));
    }
    assert_eq!(room.count("default", State::Ready).await, 1);
    assert_eq!(room.client.recall(&key_of("other key", "print")).await.unwrap(), None);
}

#[tokio::test]
async fn an_insert_that_was_refused_leaves_its_key_free() {
    let room = Room::new();
    let taken = room.add("calm").await;
    let make = |_: &[JobId]| {
        Ok(vec![Arc::new(JobSpec { id: taken.clone(), queue: queue("elsewhere"), ..room.spec("calm") })])
    };
    let refused = room.client.insert_once(&key_of("key", "print"), 1, make).await;
    assert!(matches!(refused, Err(StoreError::IdTaken { .. })), "{refused:?}");
    assert!(once(&room, "key", "another print").await.is_ok());
}

#[tokio::test]
async fn a_repetition_answers_with_the_id_that_the_caller_chose() {
    let room = Room::new();
    let chosen = JobId::parse("order-1").unwrap();
    for _ in 0..2 {
        let make = |_: &[JobId]| Ok(vec![Arc::new(JobSpec { id: chosen.clone(), ..room.spec("calm") })]);
        let receipts = room.client.insert_once(&key_of("key", "print"), 1, make).await.unwrap();
        assert_eq!(receipts[0].id, chosen);
    }
}
