//! Cancelling and removing what runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use longshore_clock::Door;
use longshore_core::{EventName, QueueName, Reason, State};
use longshore_memory::MemoryStore;
use longshore_runtime::{Cancel, ControlError, KindOptions, Outcome, WorkerConfig};
use tokio::sync::{Notify, mpsc};

use crate::support::{Dropped, Endless, HOUR, Room, Shift, calm, hear, millis, soon};

#[tokio::test]
async fn a_handler_that_asks_for_cancel_is_told() {
    let room = Room::new();
    let (begin, mut begun) = mpsc::unbounded_channel();
    let options = KindOptions { cancel_grace: Some(HOUR), ..KindOptions::default() };
    let shift = Shift::start(room.worker().handle_with("polite", options, move |cancel: Cancel| {
        let begin = begin.clone();
        async move {
            begin.send("begun").unwrap();
            cancel.cancelled().await;
            assert!(cancel.is_cancelled());
            begin.send("cleaned up").unwrap();
            Ok::<_, Outcome>("done all the same")
        }
    }));
    let id = room.add("polite").await;
    assert_eq!(soon(begun.recv()).await, Some("begun"));
    assert!(room.control.cancel(&id).await.unwrap().cancel_requested);
    assert_eq!(soon(begun.recv()).await, Some("cleaned up"));
    let job = room.ended(&id).await;
    assert_eq!((job.state, job.reason), (State::Cancelled, Some(Reason::ByOperator)));
    assert_eq!(job.result, None);
    shift.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_ignores_cancel_is_dropped_after_its_grace_and_does_no_more() {
    let room = Room::new();
    let done = Arc::new(AtomicU64::new(0));
    let (drop, mut dropped) = mpsc::unbounded_channel();
    let (begin, mut begun) = mpsc::unbounded_channel();
    let effects = done.clone();
    let options = KindOptions { cancel_grace: Some(millis(20)), ..KindOptions::default() };
    let shift = Shift::start(room.worker().handle_with("rude", options, move || {
        let (effects, guard, begin) = (effects.clone(), Dropped(drop.clone()), begin.clone());
        async move {
            let _guard = guard;
            begin.send(()).unwrap();
            loop {
                effects.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                if effects.load(Ordering::SeqCst) == u64::MAX {
                    return Ok::<_, Outcome>(());
                }
            }
        }
    }));
    let id = room.add("rude").await;
    soon(begun.recv()).await.unwrap();
    let mut events = room.engine.hub().watch(&id);
    room.control.cancel(&id).await.unwrap();
    soon(dropped.recv()).await.unwrap();
    let after = done.load(Ordering::SeqCst);
    let told = hear(&mut events, EventName::Cancelled).await.event;
    assert_eq!((told.state, told.reason), (Some(State::Cancelled), Some(Reason::ByOperator)));
    assert_eq!(room.job(&id).await.state, State::Cancelled);
    shift.drain().await;
    assert_eq!(done.load(Ordering::SeqCst), after);
    assert_eq!(room.count("default", State::Completed).await, 0);
}

#[tokio::test]
async fn a_job_that_is_done_right_after_its_cancel_ends_cancelled() {
    let room = Room::new();
    let (go, begun) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let shift = Shift::start(room.worker().handle("quick", {
        let (go, begun) = (go.clone(), begun.clone());
        move || {
            let (go, begun) = (go.clone(), begun.clone());
            async move {
                begun.notify_one();
                go.notified().await;
                Ok::<_, Outcome>("a result")
            }
        }
    }));
    let id = room.add("quick").await;
    soon(begun.notified()).await;
    let mut events = room.engine.hub().watch(&id);
    room.control.cancel(&id).await.unwrap();
    go.notify_one();
    let job = room.ended(&id).await;
    assert_eq!((job.state, job.reason), (State::Cancelled, Some(Reason::ByOperator)));
    assert_eq!(job.result, None);
    let told = hear(&mut events, EventName::Cancelled).await.event;
    assert_eq!(told.reason, Some(Reason::ByOperator));
    shift.drain().await;
}

#[tokio::test]
async fn a_job_that_is_cancelled_while_it_waits_never_runs() {
    let room = Room::new();
    let endless = Endless::new();
    let id = room.add("endless").await;
    let mut events = room.engine.hub().watch(&id);
    let job = room.control.cancel(&id).await.unwrap();
    assert_eq!((job.state, job.reason), (State::Cancelled, Some(Reason::ByOperator)));
    let told = hear(&mut events, EventName::Cancelled).await.event;
    assert_eq!(told.reason, Some(Reason::ByOperator));
    let worker = room.worker().handle("endless", endless.handler());
    let shift = Shift::start(worker.handle("calm", async || Ok::<_, Outcome>(())));
    room.ended(&room.add("calm").await).await;
    assert_eq!(room.job(&id).await.attempt, 0);
    shift.drain().await;
}

#[tokio::test]
async fn forced_removal_of_a_running_job_drops_its_handler_and_nothing_comes_back() {
    let room = Room::new();
    let mut endless = Endless::new();
    let worker = room.worker().handle("endless", endless.handler());
    let shift = Shift::start(worker.handle("calm", async || Ok::<_, Outcome>(())));
    let id = room.add("endless").await;
    endless.begun().await;
    assert!(matches!(room.control.remove(&id, false).await, Err(ControlError::Running(_))));
    room.control.remove(&id, true).await.unwrap();
    endless.dropped().await;
    // The worker's next turn would carry whatever it still had to say.
    room.ended(&room.add("calm").await).await;
    shift.drain().await;
    assert!(matches!(room.control.job(&id).await, Err(ControlError::Unknown(_))));
    assert_eq!(room.control.queue(&QueueName::default()).await.unwrap().unwrap().counts.total(), 1);
}

#[tokio::test]
async fn a_cancellation_that_comes_between_a_claim_and_its_answer_reaches_the_handler() {
    let door = Door::system();
    let spy = Arc::new(crate::spy::on(Arc::new(MemoryStore::new(&door))));
    let room = Room::on(spy.clone(), door);
    let mut endless = Endless::new();
    // No lease is due for renewal while this lasts.
    let worker = room.worker().config(WorkerConfig { lease: HOUR, ..calm() });
    let shift = Shift::start(worker.handle("endless", endless.handler()));
    let first = room.add("endless").await;
    endless.begun().await;
    spy.delay("turn");
    let second = room.add("endless").await;
    soon(async {
        while room.count("default", State::Running).await < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let renewed = spy.more("renew", 1);
    assert!(room.control.cancel(&second).await.unwrap().cancel_requested);
    // The worker has looked after its leases because of that, and knew only the first.
    renewed.await;
    spy.mend();
    assert_eq!(room.ended(&second).await.state, State::Cancelled);
    assert_eq!(room.job(&first).await.state, State::Running);
    shift.stop.cut();
    shift.end().await.unwrap();
}
