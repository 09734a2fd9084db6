//! How far a handler is: told at once, stored soon after.

use std::sync::Arc;

use longshore_core::{EventName, State};
use longshore_memory::MemoryStore;
use longshore_runtime::{Outcome, Progress};
use serde_json::json;
use tokio::sync::Notify;

use crate::spy::Spy;
use crate::support::{Room, Shift, short_lease, soon};

#[tokio::test]
async fn progress_is_pushed_in_its_order_and_never_falls_and_is_100_only_at_the_end() {
    let room = Room::new();
    let shift = Shift::start(room.worker().handle("steps", async |progress: Progress| {
        for percent in [10, 50, 30, 100, 255, 0] {
            progress.at(percent, "on the way").await;
        }
        Ok::<_, Outcome>(())
    }));
    let spec = room.spec("steps");
    let mut events = room.engine.hub().watch(&spec.id);
    let id = room.insert(spec).await;
    let mut told = Vec::new();
    while told.last() != Some(&100) {
        told.extend(soon(events.next()).await.unwrap().event.progress);
    }
    assert_eq!(told, [10, 50, 50, 99, 99, 99, 100]);
    assert_eq!(room.job(&id).await.progress.percent, 100);
    shift.drain().await;
}

/// A spied room whose handler tells its progress, then waits for a word.
fn half_way(spy: &Arc<Spy>, go: &Arc<Notify>) -> (Room, Shift) {
    let room = Room::on(spy.clone(), longshore_clock::Door::system());
    let worker = room.worker().config(short_lease());
    let go = go.clone();
    let shift = Shift::start(worker.handle("half", move |progress: Progress| {
        let go = go.clone();
        async move {
            progress.with_data(40, "half way", &json!({"pages": 4})).await;
            go.notified().await;
            Ok::<_, Outcome>(())
        }
    }));
    (room, shift)
}

fn spy() -> Arc<Spy> {
    Arc::new(crate::spy::on(Arc::new(MemoryStore::new(&longshore_clock::Door::system()))))
}

#[tokio::test]
async fn progress_is_stored_while_the_job_runs() {
    let (spy, go) = (spy(), Arc::new(Notify::new()));
    let (room, shift) = half_way(&spy, &go);
    let id = room.add("half").await;
    let job = soon(async {
        loop {
            spy.more("renew", 1).await;
            let job = room.job(&id).await;
            // The lease itself may have been renewed first.
            if job.progress.percent > 0 {
                return job;
            }
        }
    })
    .await;
    assert_eq!((job.state, job.progress.percent), (State::Running, 40));
    assert_eq!(job.progress.message.as_deref(), Some("half way"));
    assert_eq!(job.progress.data.unwrap().as_str(), r#"{"pages":4}"#);
    go.notify_one();
    assert_eq!(room.ended(&id).await.progress.percent, 100);
    shift.drain().await;
}

#[tokio::test]
async fn progress_that_the_store_did_not_take_is_offered_again() {
    let (spy, go) = (spy(), Arc::new(Notify::new()));
    let (room, shift) = half_way(&spy, &go);
    spy.fail("renew");
    let id = room.add("half").await;
    spy.more("renew", 1).await;
    spy.mend();
    soon(async {
        while room.job(&id).await.progress.percent != 40 {
            spy.more("renew", 1).await;
        }
    })
    .await;
    assert_eq!(room.job(&id).await.state, State::Running);
    go.notify_one();
    room.ended(&id).await;
    shift.drain().await;
}

#[tokio::test]
async fn a_new_attempt_begins_at_zero() {
    let room = Room::new();
    let worker = room.worker().handle("fails", async |progress: Progress| {
        progress.at(70, "nearly").await;
        Err::<(), _>(Outcome::retry_after(crate::support::HOUR, "not quite"))
    });
    let shift = Shift::start(worker);
    let spec = room.spec("fails");
    let mut events = room.engine.hub().watch(&spec.id);
    let id = room.insert(spec).await;
    crate::support::hear(&mut events, EventName::Retrying).await;
    assert_eq!(room.job(&id).await.progress.percent, 0);
    shift.drain().await;
}
