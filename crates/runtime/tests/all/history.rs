//! What was measured over the last hours, by all processes.

use std::sync::Arc;
use std::time::Duration;

use longshore_core::{QueueChange, StoreError};
use longshore_memory::MemoryStore;
use longshore_runtime::testing::TestKit;
use longshore_runtime::{Args, Attempt, Control, Depth, History, Outcome, Worker, WorkerConfig};

use crate::support::{Room, Shift, Task, millis, queue, settle};

async fn history(control: &Control, limit: usize) -> History {
    control.history(None, limit).await.unwrap()
}

/// Fails each job once, which costs a retry.
fn worker(room: &Room) -> Worker {
    let config = WorkerConfig { keeps: true, ..crate::support::calm() };
    let handler = async |Args(task): Args<Task>, attempt: Attempt| match attempt.number {
        1 if task.number == 7 => Err(Outcome::retry_after(Duration::from_secs(1), "not yet")),
        _ => Ok(task.number),
    };
    room.worker().config(config).register(handler)
}

#[tokio::test]
async fn a_sample_tells_what_happened_in_ten_seconds() {
    let (door, manual) = TestKit::door();
    let store = Arc::new(MemoryStore::new(&door));
    let (room, other) = (Room::on(store.clone(), door.clone()), Room::on(store, door));
    assert!(history(&room.control, 10).await.samples.is_empty());
    let pause = QueueChange { paused: Some(true), ..QueueChange::default() };
    room.control.set_queue(&queue("later"), pause).await.unwrap();
    let shift = Shift::start(worker(&room));
    for number in [1, 7] {
        let id = room.client.enqueue(Task { number }).await.unwrap().id;
        settle().await;
        manual.advance(millis(1_000));
        room.ended(&id).await;
    }
    room.client.enqueue(Task { number: 1 }).queue("later").await.unwrap();
    settle().await;
    manual.advance(millis(8_000));
    settle().await;
    let told = history(&room.control, 10).await;
    let [sample] = told.samples.as_slice() else { panic!("{told:?}") };
    assert_eq!(sample.to.since(sample.from), Duration::from_secs(10));
    let figures = &sample.queues[&queue("default")];
    assert_eq!((figures.inserted, figures.started, figures.completed, figures.retried), (2, 3, 2, 1));
    assert_eq!((figures.completed_per_s, figures.retry_ratio), (0.2, Some(1.0 / 3.0)));
    assert_eq!(figures.depth, Some(Depth { blocked: 0, scheduled: 0, ready: 0, running: 0 }));
    assert!(figures.run_ms.unwrap().p99 < 1.0 && figures.wait_ms.is_some());
    let waits = &sample.queues[&queue("later")];
    assert_eq!(waits.depth, Some(Depth { blocked: 0, scheduled: 0, ready: 1, running: 0 }));
    assert_eq!((waits.inserted, waits.retry_ratio, waits.run_ms), (1, None, None));

    // Nothing happens, and nothing is written.
    for _ in 0..6 {
        manual.advance(millis(10_000));
        settle().await;
    }
    assert_eq!(history(&room.control, 10).await.samples.len(), 1);

    // Another process works on the same store.
    let config = WorkerConfig { keeps: false, ..crate::support::calm() };
    let second =
        Shift::start(other.worker().config(config).register(async |_: Args<Task>| Ok::<_, Outcome>(())));
    shift.drain().await;
    let id = room.client.enqueue(Task { number: 1 }).await.unwrap().id;
    other.ended(&id).await;
    manual.advance(millis(10_000));
    settle().await;
    let told = history(&room.control, 10).await;
    assert_eq!(told.samples.len(), 2);
    let total = &told.total.as_ref().unwrap().queues[&queue("default")];
    assert_eq!(total.completed, 3, "{total:?}");
    assert_eq!(history(&room.control, 1).await.samples.len(), 1, "the newest");
    let only = room.control.history(Some(&queue("later")), 10).await.unwrap();
    assert_eq!(only.total.unwrap().queues.keys().collect::<Vec<_>>(), [&queue("later")]);
    second.drain().await;
}

#[tokio::test]
async fn a_worker_that_stops_tells_what_it_did_last() {
    let room = Room::new();
    let shift = Shift::start(room.worker().register(async |_: Args<Task>| Ok::<_, Outcome>(())));
    let id = room.client.enqueue(Task { number: 1 }).await.unwrap().id;
    room.ended(&id).await;
    shift.drain().await;
    let told = history(&room.control, 1).await;
    assert_eq!(told.samples[0].queues[&queue("default")].completed, 1);
}

#[tokio::test]
async fn a_history_has_a_limit() {
    let room = Room::new();
    for limit in [0, 501] {
        let refused = room.control.history(None, limit).await.unwrap_err();
        assert!(matches!(refused, StoreError::Invalid(error) if error.field == "limit"));
    }
}
