//! Several engines on one file, as several processes would be.

use std::sync::Arc;

use longshore_clock::Door;
use longshore_core::{EventName, State};
use longshore_runtime::{Outcome, Subscription};
use tempfile::TempDir;

use crate::support::{Room, Shift, file, hear, settle, soon};

fn node(dir: &TempDir) -> Room {
    let door = Door::system();
    Room::on(file(dir, &door), door)
}

/// Adds jobs at one node until the other hears of one: from then on it listens.
async fn introduce(from: &Room, events: &mut Subscription) {
    let mut heard = Box::pin(hear(events, EventName::Added));
    loop {
        from.add("hello").await;
        tokio::select! {
            biased;
            _ = &mut heard => return,
            () = settle() => {}
        }
    }
}

#[tokio::test]
async fn a_node_hears_what_happens_at_another() {
    let dir = tempfile::tempdir().unwrap();
    let (here, there) = (node(&dir), node(&dir));
    let mut events = there.engine.hub().subscribe();
    introduce(&here, &mut events).await;
    let shift = Shift::start(here.worker().handle("calm", async || Ok::<_, Outcome>(())));
    let spec = here.spec("calm");
    let mut watched = there.engine.hub().watch(&spec.id);
    let id = here.insert(spec).await;
    let told = hear(&mut watched, EventName::Completed).await.event;
    assert_eq!((told.id, told.state), (Some(id), Some(State::Completed)));
    shift.drain().await;
}

#[tokio::test]
async fn a_job_from_one_node_is_run_and_cancelled_by_others() {
    let dir = tempfile::tempdir().unwrap();
    let (caller, worker, operator) = (node(&dir), node(&dir), node(&dir));
    let mut endless = crate::support::Endless::new();
    let shift = Shift::start(worker.worker().handle("endless", endless.handler()));
    let id = caller.add("endless").await;
    endless.begun().await;
    operator.control.cancel(&id).await.unwrap();
    endless.dropped().await;
    assert_eq!(caller.ended(&id).await.state, State::Cancelled);
    shift.drain().await;
}

#[tokio::test]
async fn events_that_could_not_be_sent_are_a_gap_at_the_other_nodes() {
    let (dir, door) = (tempfile::tempdir().unwrap(), Door::system());
    let spy = Arc::new(crate::spy::on(file(&dir, &door)));
    let (here, there) = (Room::on(spy.clone(), door), node(&dir));
    let mut events = there.engine.hub().subscribe();
    introduce(&here, &mut events).await;
    spy.fail("log_append");
    here.add("lost").await;
    let tried = async {
        while here.engine.hub().is_sending() {
            settle().await;
        }
    };
    soon(tried).await;
    spy.mend();
    here.add("hello").await;
    hear(&mut events, EventName::Gap).await;
}
