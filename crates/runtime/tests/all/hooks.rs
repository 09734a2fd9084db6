//! What is around handlers and workers.

use std::sync::{Arc, Mutex};

use longshore_core::State;
use longshore_runtime::{Args, HookContext, HookError, Outcome};

use crate::support::{Room, Shift, Task};

type Log = Arc<Mutex<Vec<String>>>;

fn note(log: &Log, text: impl Into<String>) {
    log.lock().unwrap().push(text.into());
}

#[tokio::test]
async fn layers_are_around_every_handler_the_first_one_outside() {
    let room = Room::new();
    let log = Log::default();
    let around = |name: &'static str| {
        let log = log.clone();
        move |attempt: longshore_runtime::Attempt, next: longshore_runtime::Next| {
            let log = log.clone();
            async move {
                note(&log, format!("{name} before {}", attempt.kind));
                let returned = next.run().await;
                note(&log, format!("{name} after {}", returned.is_ok()));
                returned
            }
        }
    };
    let worker = room.worker().layer(around("outer")).layer(around("inner"));
    let shift = Shift::start(worker.register(async |Args(task): Args<Task>| Ok::<_, Outcome>(task.number)));
    let id = room.client.enqueue(Task { number: 1 }).await.unwrap().id;
    assert_eq!(room.ended(&id).await.result.unwrap().as_str(), "1");
    let expected = ["outer before task", "inner before task", "inner after true", "outer after true"];
    assert_eq!(*log.lock().unwrap(), expected);
    // Args that do not fit are what they are, whatever a layer makes of them.
    let bad = room.add_once("task").await;
    let job = room.ended(&bad).await;
    assert_eq!((job.state, job.reason), (State::Failed, Some(longshore_core::Reason::BadArgs)));
    shift.drain().await;
}

#[tokio::test]
async fn a_layer_may_answer_in_the_place_of_the_handler() {
    let room = Room::new();
    let worker = room.worker().layer(async |_, _| Err(Outcome::fail("not today")));
    let shift = Shift::start(worker.register(async |_: Args<Task>| Ok::<_, Outcome>(())));
    let id = room.client.enqueue(Task { number: 1 }).await.unwrap().id;
    let job = room.ended(&id).await;
    assert_eq!((job.state, &*job.errors[0].message), (State::Failed, "not today"));
    shift.drain().await;
}

#[tokio::test]
async fn hooks_are_called_in_their_order_before_the_first_claim_and_after_the_end() {
    let room = Room::new();
    let log = Log::default();
    let hook = |name: &'static str| {
        let log = log.clone();
        move |context: HookContext| {
            let log = log.clone();
            async move {
                note(&log, format!("{name} {}", context.queues[0]));
                if name == "bad" { Err(HookError::from("it failed")) } else { Ok(()) }
            }
        }
    };
    let worker = room.worker().on_startup(hook("one")).on_startup(hook("two"));
    let worker = worker.on_shutdown(hook("bad")).on_shutdown(hook("last"));
    let seen = log.clone();
    let shift = Shift::start(worker.handle("calm", move || {
        note(&seen, "job");
        async { Ok::<_, Outcome>(()) }
    }));
    room.ended(&room.add("calm").await).await;
    shift.drain().await;
    assert_eq!(*log.lock().unwrap(), ["one default", "two default", "job", "bad default", "last default"]);
}

#[tokio::test]
async fn a_hook_that_fails_at_the_start_ends_the_worker_before_it_claims() {
    let room = Room::new();
    let id = room.add("calm").await;
    let worker = room.worker().on_startup(async |_| Err(HookError::from("no database")));
    let shift = Shift::start(worker.handle("calm", async || Ok::<_, Outcome>(())));
    let error = shift.end().await.unwrap_err();
    assert!(error.to_string().contains("no database"), "{error}");
    assert_eq!(room.job(&id).await.attempt, 0);
}
