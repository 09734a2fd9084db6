//! Idle costs nothing.

use std::sync::Arc;

use longshore_core::EventName;
use longshore_memory::MemoryStore;
use longshore_runtime::testing::TestKit;
use longshore_runtime::{Outcome, Worker};

use crate::support::{Room, Shift, hear, millis, settle};

#[tokio::test]
async fn an_idle_worker_asks_a_store_that_rings_at_most_once_a_second() {
    let (door, manual) = TestKit::door();
    let spy = Arc::new(crate::spy::on(Arc::new(MemoryStore::new(&door))));
    let room = Room::on(spy.clone(), door);
    let mut events = room.engine.hub().subscribe();
    // As it comes: on every queue, and keeping.
    let worker = Worker::new(room.engine.clone()).all_queues();
    let shift = Shift::start(worker.handle("calm", async || Ok::<_, Outcome>(())));
    hear(&mut events, EventName::WorkerUp).await;
    let id = room.add("calm").await;
    room.ended(&id).await;
    let pass = async |seconds: u32| {
        for _ in 0..seconds * 10 {
            manual.advance(millis(100));
            settle().await;
        }
    };
    // What it did is written down once.
    pass(12).await;
    let before: u64 = spy.calls().values().sum();
    pass(60).await;
    let after: u64 = spy.calls().values().sum();
    assert!((10..=60).contains(&(after - before)), "{} calls in a minute: {:?}", after - before, spy.calls());
    shift.drain().await;
}
