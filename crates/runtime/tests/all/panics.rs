//! A panic is a failed attempt, never a lost worker.

use std::future::Ready;

use longshore_core::{Reason, State};
use longshore_runtime::{KindOptions, Outcome, Queue, Worker};
use tokio::sync::mpsc;

use crate::support::{Room, Shift, millis};

/// A worker with one slot: what holds it up holds up everything.
fn narrow(room: &Room) -> Worker {
    let worker = Worker::new(room.engine.clone()).queue(Queue::new("default").concurrency(1));
    worker.handle("calm", async || Ok::<_, Outcome>(()))
}

async fn assert_goes_on(room: &Room, shift: Shift) {
    let id = room.add("calm").await;
    assert_eq!(room.ended(&id).await.state, State::Completed);
    shift.drain().await;
}

#[tokio::test]
async fn a_panic_in_the_async_body_is_a_failed_attempt_and_the_worker_goes_on() {
    let room = Room::new();
    let shift = Shift::start(narrow(&room).handle("panic", async || -> Result<(), Outcome> {
        tokio::task::yield_now().await;
        panic!("no room for {}", "it");
    }));
    let job = room.ended(&room.add_once("panic").await).await;
    assert_eq!((job.state, job.reason), (State::Failed, Some(Reason::Panic)));
    assert_eq!(&*job.errors[0].message, "the handler panicked: no room for it");
    assert_goes_on(&room, shift).await;
}

#[tokio::test]
async fn a_panic_before_there_is_a_future_is_a_failed_attempt_and_the_worker_goes_on() {
    let room = Room::new();
    let handler = || -> Ready<Result<(), Outcome>> { panic!("not even begun") };
    let shift = Shift::start(narrow(&room).handle("panic", handler));
    let job = room.ended(&room.add_once("panic").await).await;
    assert_eq!((job.state, job.reason), (State::Failed, Some(Reason::Panic)));
    assert_goes_on(&room, shift).await;
}

#[tokio::test]
async fn a_panic_with_attempts_left_is_tried_again() {
    let room = Room::new();
    let handler = || -> Ready<Result<(), Outcome>> { panic!("once more") };
    let shift = Shift::start(narrow(&room).handle("panic", handler));
    let id = room.client.new_id();
    let mut events = room.engine.hub().watch(&id);
    let spec = longshore_core::JobSpec { id: id.clone(), ..room.spec("panic") };
    room.insert(spec).await;
    let told = crate::support::hear(&mut events, longshore_core::EventName::Retrying).await.event;
    assert_eq!((told.reason, told.state), (Some(Reason::Panic), Some(State::Scheduled)));
    assert_goes_on(&room, shift).await;
}

/// Something whose end goes wrong.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("cannot even let go");
    }
}

#[tokio::test]
async fn a_handler_that_panics_while_it_is_dropped_holds_nobody_up() {
    let room = Room::new();
    let (begin, mut begun) = mpsc::unbounded_channel();
    let options = KindOptions { cancel_grace: Some(millis(1)), ..KindOptions::default() };
    let worker = narrow(&room).handle_with("bomb", options, move || {
        let begin = begin.clone();
        async move {
            let _bomb = Bomb;
            begin.send(()).unwrap();
            std::future::pending::<Result<(), Outcome>>().await
        }
    });
    let shift = Shift::start(worker);
    let id = room.add("bomb").await;
    crate::support::soon(begun.recv()).await.unwrap();
    room.control.cancel(&id).await.unwrap();
    let job = room.ended(&id).await;
    assert_eq!((job.state, job.reason), (State::Cancelled, Some(Reason::ByOperator)));
    assert_goes_on(&room, shift).await;
}
