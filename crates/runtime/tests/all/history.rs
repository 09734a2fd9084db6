//! What was measured over the last hours, by all processes.

use std::sync::Arc;
use std::time::Duration;

use longshore_core::{JobFilter, Page, QueueChange, State, StoreError};
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

    // The figures are those that the records give.
    let jobs = room.control.list(JobFilter::default(), Page { after: None, limit: 10 }).await.unwrap().jobs;
    let completed = jobs.iter().filter(|job| job.state == State::Completed).count() as u64;
    let retried: usize = jobs.iter().map(|job| job.errors.len()).sum();
    assert_eq!((completed, retried as u64), (figures.completed, figures.retried));

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

#[tokio::test]
async fn percentiles_are_those_of_the_records() {
    let (room, manual) = Room::manual();
    let config = WorkerConfig { keeps: true, scan_interval: millis(1_000), ..crate::support::calm() };
    let shift =
        Shift::start(room.worker().config(config).register(async |_: Args<Task>| Ok::<_, Outcome>(())));
    room.control.pause(&queue("default")).await.unwrap();
    for number in 1..=100_u32 {
        room.client.enqueue(Task { number }).await.unwrap();
        manual.advance(millis(30));
    }
    room.client.enqueue(Task { number: 0 }).ttl(millis(1)).await.unwrap();
    manual.advance(millis(10));
    room.control.resume(&queue("default")).await.unwrap();
    settle().await;
    manual.advance(millis(70_000));
    settle().await;
    let total = history(&room.control, 10).await.total.unwrap().queues[&queue("default")].clone();
    assert_eq!((total.completed, total.failed, total.inserted), (100, 1, 101), "{total:?}");
    let jobs = room.control.list(JobFilter::default(), Page { after: None, limit: 200 }).await.unwrap().jobs;
    let mut waits: Vec<f64> = jobs
        .iter()
        .filter_map(|job| Some(job.started_at?.since(job.created_at).as_secs_f64() * 1_000.0))
        .collect();
    waits.sort_by(f64::total_cmp);
    let told = total.wait_ms.unwrap();
    for (share, told) in [(50, told.p50), (95, told.p95), (99, told.p99)] {
        let exact = waits[share - 1];
        assert!((told - exact).abs() <= exact / 16.0, "p{share}: {told} is told, {exact} by the records");
    }
    shift.drain().await;
}
