//! Queues at a worker: each has its slots, and none holds up another.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use longshore_core::{JobSpec, State, StoreError};
use longshore_runtime::{Outcome, Queue, Worker, WorkerConfig};
use tokio::sync::Barrier;

use crate::support::{Endless, Room, Shift, millis, queue, settle, soon};

impl Room {
    async fn add_to(&self, name: &str, kind: &str) -> longshore_core::JobId {
        self.insert(JobSpec { queue: queue(name), ..self.spec(kind) }).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_many_jobs_of_a_queue_run_at_once_as_it_has_slots_and_never_more() {
    const SLOTS: usize = 4;
    let room = Room::new();
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let met = Arc::new(Barrier::new(SLOTS));
    let worker = Worker::new(room.engine.clone()).queue(Queue::new("default").concurrency(SLOTS));
    let shift = Shift::start(worker.handle("meet", {
        let (now, most) = (now.clone(), most.clone());
        move || {
            let (now, most, met) = (now.clone(), most.clone(), met.clone());
            async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                // Only so many at once can meet here.
                met.wait().await;
                now.fetch_sub(1, Ordering::SeqCst);
                Ok::<_, Outcome>(())
            }
        }
    }));
    let mut ids = Vec::new();
    for _ in 0..SLOTS * 50 {
        ids.push(room.add("meet").await);
    }
    for id in ids {
        assert_eq!(room.ended(&id).await.state, State::Completed);
    }
    assert_eq!(most.load(Ordering::SeqCst), SLOTS);
    shift.drain().await;
}

#[tokio::test]
async fn a_queue_whose_slots_are_taken_does_not_hold_up_another() {
    let room = Room::new();
    let mut endless = Endless::new();
    let worker = Worker::new(room.engine.clone());
    let worker = worker.queue(Queue::new("full").concurrency(1)).queue(Queue::new("free").concurrency(1));
    let worker = worker.handle("endless", endless.handler());
    let shift = Shift::start(worker.handle("calm", async || Ok::<_, Outcome>(())));
    for _ in 0..100 {
        room.add_to("full", "endless").await;
    }
    endless.begun().await;
    for _ in 0..20 {
        let id = room.add_to("free", "calm").await;
        assert_eq!(room.ended(&id).await.state, State::Completed);
    }
    shift.stop.cut();
    shift.end().await.unwrap();
}

#[tokio::test]
async fn a_pause_calls_back_what_was_read_ahead() {
    // Time stands still, so that nothing goes back for having waited too long.
    let (room, _clock) = Room::manual();
    let mut endless = Endless::new();
    let worker = Worker::new(room.engine.clone()).queue(Queue::new("default").concurrency(1));
    let worker = worker.handle("endless", endless.handler());
    let shift = Shift::start(worker.handle("calm", async || Ok::<_, Outcome>(())));
    let kinds = (0..2_000).map(|index| if index == 1_000 { "endless" } else { "calm" });
    let specs = kinds.map(|kind| Arc::new(room.spec(kind))).collect();
    room.client.insert(specs).await.unwrap();
    endless.begun().await;
    assert!(room.count("default", State::Running).await > 1, "nothing was read ahead");
    room.control.pause(&queue("default")).await.unwrap();
    soon(async {
        while room.count("default", State::Running).await > 1 {
            settle().await;
        }
    })
    .await;
    assert_eq!(room.count("default", State::Ready).await, 999);
    shift.stop.cut();
    shift.end().await.unwrap();
}

#[tokio::test]
async fn two_busy_queues_go_forward_side_by_side() {
    let room = Room::new();
    for name in ["left", "right"] {
        let specs = (0..5_000).map(|_| Arc::new(JobSpec { queue: queue(name), ..room.spec("calm") }));
        room.client.insert(specs.collect()).await.unwrap();
    }
    let mut events = room.engine.hub().subscribe();
    let worker = Worker::new(room.engine.clone()).queue(Queue::new("left")).queue(Queue::new("right"));
    let shift = Shift::start(worker.handle("calm", async || Ok::<_, Outcome>(())));
    let mut first = None;
    loop {
        let told = crate::support::hear(&mut events, longshore_core::EventName::Completed).await.event;
        let from = told.queue.unwrap();
        if *first.get_or_insert_with(|| from.clone()) != from {
            break;
        }
    }
    let other = if first == Some(queue("left")) { "left" } else { "right" };
    assert!(room.count(other, State::Completed).await < 5_000, "one queue had to wait for the other's end");
    shift.drain().await;
}

#[tokio::test]
async fn a_worker_on_all_queues_finds_those_that_come_later() {
    let room = Room::new();
    let early = room.add_to("early", "calm").await;
    let worker = Worker::new(room.engine.clone()).all_queues();
    let shift = Shift::start(worker.handle("calm", async || Ok::<_, Outcome>(())));
    room.ended(&early).await;
    let late = room.add_to("late", "calm").await;
    assert_eq!(room.ended(&late).await.state, State::Completed);
    shift.drain().await;
}

#[tokio::test]
async fn a_worker_serves_only_the_queues_it_names() {
    let room = Room::new();
    let shift = Shift::start(room.worker().handle("calm", async || Ok::<_, Outcome>(())));
    let foreign = room.add_to("foreign", "calm").await;
    room.ended(&room.add("calm").await).await;
    assert_eq!(room.job(&foreign).await.state, State::Ready);
    shift.drain().await;
    assert_eq!(room.job(&foreign).await.state, State::Ready);
}

#[tokio::test]
async fn a_worker_that_cannot_work_says_why_at_once() {
    let room = Room::new();
    let new = || Worker::new(room.engine.clone());
    let short = WorkerConfig { lease: millis(99), ..WorkerConfig::default() };
    let restless = WorkerConfig { scan_interval: millis(9), ..WorkerConfig::default() };
    let nothing = WorkerConfig { concurrency: 0, ..WorkerConfig::default() };
    for (worker, field) in [
        (new(), "queues"),
        (new().queue(Queue::new("")), "queue"),
        (new().queue(Queue::new("default").concurrency(0)), "concurrency"),
        (new().all_queues().config(nothing), "concurrency"),
        (room.worker().config(short), "lease"),
        (room.worker().config(restless), "scan_interval"),
        (room.worker().handle(" blank", async || Ok::<_, Outcome>(())), "kind"),
    ] {
        match Shift::start(worker).end().await {
            Err(StoreError::Invalid(mistake)) => assert_eq!(mistake.field, field),
            other => panic!("{field}: {other:?}"),
        }
    }
}
