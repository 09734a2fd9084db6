//! An attempt has its time and no more.

use longshore_core::{DurationText, EventName, Reason, State};
use longshore_runtime::IntoSeconds;

use crate::support::{Endless, Room, Shift, hear};

#[tokio::test]
async fn an_attempt_that_takes_too_long_is_dropped_with_the_reason_timeout() {
    let (room, manual) = Room::manual();
    let mut endless = Endless::new();
    let shift = Shift::start(room.worker().handle("endless", endless.handler()));
    let mut spec = room.spec("endless");
    let options = std::sync::Arc::make_mut(&mut spec.options);
    (options.timeout, options.max_attempts) = (Some(DurationText(5.minutes())), 1);
    let mut events = room.engine.hub().watch(&spec.id);
    let id = room.insert(spec).await;

    endless.begun().await;
    manual.advance(5.minutes());
    endless.dropped().await;
    hear(&mut events, EventName::Failed).await;
    let job = room.job(&id).await;
    assert_eq!((job.state, job.reason, job.attempt), (State::Failed, Some(Reason::Timeout), 1));
    assert!(job.errors[0].message.contains("5m"), "{:?}", job.errors);
    shift.drain().await;
}

#[tokio::test]
async fn the_time_of_an_attempt_counts_from_its_start() {
    let (room, manual) = Room::manual();
    let mut endless = Endless::new();
    let (work, handler) = (manual.clone(), endless.handler());
    let shift = Shift::start(room.worker().handle("endless", move || {
        // Much is done before the handler waits for the first time.
        work.advance(4.minutes());
        handler()
    }));
    let mut spec = room.spec("endless");
    let options = std::sync::Arc::make_mut(&mut spec.options);
    (options.timeout, options.max_attempts) = (Some(DurationText(5.minutes())), 1);
    let id = room.insert(spec).await;
    endless.begun().await;
    manual.advance(1.minute());
    endless.dropped().await;
    assert_eq!(room.ended(&id).await.reason, Some(Reason::Timeout));
    shift.drain().await;
}

#[tokio::test]
async fn an_attempt_without_a_timeout_takes_as_long_as_it_likes() {
    let (room, manual) = Room::manual();
    let mut endless = Endless::new();
    let shift = Shift::start(room.worker().handle("endless", endless.handler()));
    let mut spec = room.spec("endless");
    std::sync::Arc::make_mut(&mut spec.options).timeout = None;
    let id = room.insert(spec).await;
    endless.begun().await;
    manual.advance(24.hours());
    crate::support::settle().await;
    assert!(!endless.is_dropped());
    assert_eq!(room.job(&id).await.state, State::Running);
    shift.stop.cut();
    shift.end().await.unwrap();
}
