//! What is told of jobs agrees with what is so.

use std::collections::HashMap;
use std::sync::Arc;

use longshore_core::{
    DurationText, EventName, Job as Record, JobId, Parent, ParentPolicy, Reason, State, Times, Unique,
};
use longshore_runtime::{IntoSeconds, Outcome, Queue, Worker, WorkerConfig};

use crate::support::{HOUR, Room, Shift, calm, hear, keep, millis, settle};

async fn why(room: &Room, id: &JobId) -> Vec<(String, String)> {
    let why = room.control.why(id).await.unwrap();
    why.reasons.into_iter().map(|reason| (reason.code.to_string(), reason.message)).collect()
}

#[tokio::test]
async fn why_knows_a_child_that_was_retried_after_its_parent_had_ended() {
    let room = Room::new();
    keep(&room.engine, HOUR);
    let shift = Shift::start(room.worker().handle("bad", async || Err::<(), _>(Outcome::fail("no"))));
    let mut spec = room.spec("bad");
    Arc::make_mut(&mut spec.options).max_attempts = 1;
    let parent = room.insert(spec).await;
    let mut children = Vec::new();
    for policy in [ParentPolicy::Wait, ParentPolicy::Fail, ParentPolicy::Cancel] {
        let mut spec = room.spec("calm");
        let options = Arc::make_mut(&mut spec.options);
        (options.depends_on, options.on_parent_failure) = (vec![Parent::new(parent.clone())], policy);
        children.push(room.insert(spec).await);
    }
    room.ended(&parent).await;
    for child in &children[1..] {
        let ended = room.ended(child).await;
        let shown: serde_json::Value = serde_json::to_value(&ended).unwrap();
        let message = &shown["error"]["message"];
        assert_eq!(*message == "a job that it waited for did not complete", ended.state == State::Failed);
        room.control.retry(child).await.unwrap();
        assert_eq!(room.job(child).await.reason, Some(Reason::ByOperator));
    }
    for child in children {
        assert_eq!(room.job(&child).await.state, State::Blocked);
        let message = format!("parent {parent} is failed; this job waits until a retry of it completes");
        assert_eq!(why(&room, &child).await, [("parent".to_owned(), message)]);
    }
    shift.drain().await;
}

#[tokio::test]
async fn a_worker_that_is_not_heard_of_may_have_gone() {
    let (room, manual) = Room::manual();
    let mut events = room.engine.hub().subscribe();
    let shift = Shift::start(room.worker().handle("calm", async || Ok::<_, Outcome>(())));
    hear(&mut events, EventName::WorkerUp).await;
    shift.crash().await;
    let id = room.add("calm").await;
    assert!(why(&room, &id).await.is_empty(), "it was heard of a moment ago");
    let ttl = WorkerConfig::default().ttl;
    manual.advance(ttl * 3 / 4);
    let told = why(&room, &id).await;
    assert_eq!(told[0].0, "silent_worker");
    assert!(told[0].1.contains("was last heard of"), "{told:?}");
    manual.advance(ttl);
    assert_eq!(why(&room, &id).await[0].0, "no_worker");
}

#[tokio::test]
async fn a_kind_that_another_worker_knows_is_put_off_for_a_moment_only() {
    let (room, manual) = Room::manual();
    keep(&room.engine, HOUR);
    let mut events = room.engine.hub().subscribe();
    let narrow =
        || Worker::new(room.engine.clone()).config(calm()).queue(Queue::new("default").concurrency(1));
    let knows = Shift::start(narrow().handle("known", async || Ok::<_, Outcome>(())));
    let ignorant = Shift::start(narrow().handle("other", async || Ok::<_, Outcome>(())));
    for _ in 0..2 {
        hear(&mut events, EventName::WorkerUp).await;
    }
    let mut ids = Vec::new();
    for _ in 0..40 {
        ids.push(room.add("known").await);
    }
    // Whoever takes a job, it is looked at again within a second.
    for _ in 0..60 {
        settle().await;
        manual.advance(millis(500));
    }
    settle().await;
    for id in &ids {
        assert_eq!(room.job(id).await.state, State::Completed);
    }
    // What nobody knows is looked at rarely, and told of as it was.
    let spec = room.spec("nobodys");
    let mut events = room.engine.hub().watch(&spec.id);
    let nobodys = room.insert(spec).await;
    hear(&mut events, EventName::Delayed).await;
    let job = room.job(&nobodys).await;
    assert!(job.run_at.unwrap().since(room.engine.door().clock.now()) > 20.seconds());
    let told = why(&room, &nobodys).await;
    assert!(
        told[0].1.starts_with("a worker that does not know its kind nobodys has put it back"),
        "{told:?}"
    );
    knows.drain().await;
    ignorant.drain().await;
}

/// The times as an event tells them.
fn recorded(job: &Record) -> Times {
    let seconds = |at: longshore_clock::Timestamp| at.as_secs_f64();
    Times {
        created_at: Some(seconds(job.created_at)),
        started_at: job.started_at.map(seconds),
        finished_at: job.finished_at.map(seconds),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_tell_the_times_of_the_record() {
    let room = Room::new();
    let mut events = room.engine.hub().subscribe();
    let shift = Shift::start(room.worker().handle("calm", async || Ok::<_, Outcome>(())));
    let mut ids = Vec::new();
    for _ in 0..100 {
        ids.push(room.add("calm").await);
    }
    let (mut started, mut ended) = (HashMap::new(), HashMap::new());
    while ended.len() < ids.len() {
        let event = events.next().await.unwrap().event;
        let told = (event.id.clone(), event.timestamps);
        match (event.event, told) {
            (EventName::Started, (Some(id), Some(times))) => drop(started.insert(id, times)),
            (EventName::Completed, (Some(id), Some(times))) => drop(ended.insert(id, times)),
            _ => {}
        }
    }
    for id in &ids {
        let times = recorded(&room.job(id).await);
        assert_eq!(ended[id], times);
        assert_eq!(started[id], Times { finished_at: None, ..times });
    }
    shift.drain().await;
}

#[tokio::test]
async fn a_job_that_another_one_of_its_batch_replaced_is_answered_with_that_one() {
    let room = Room::new();
    let make = |key: &str| {
        let mut spec = room.spec("calm");
        spec.run_at = Some(room.engine.door().clock.now() + HOUR);
        let unique = Unique { replace: true, ttl: Some(DurationText(HOUR)), ..Unique::new(key) };
        Arc::make_mut(&mut spec.options).unique = Some(unique);
        Arc::new(spec)
    };
    let receipts = room.client.insert(vec![make("a"), make("b"), make("a"), make("a")]).await.unwrap();
    let [first, other, second, last] = &receipts[..] else { panic!("four receipts") };
    assert_eq!((&first.id, &second.id), (&last.id, &last.id));
    assert!(first.duplicate && second.duplicate && !last.duplicate && !other.duplicate);
    for receipt in &receipts {
        assert_eq!(room.job(&receipt.id).await.state, State::Scheduled);
    }
}
