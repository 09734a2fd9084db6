//! A worker stops in two steps, and leaves nothing behind.

use std::sync::Arc;
use std::time::Duration;

use longshore_clock::{Chance, Door};
use longshore_core::{EventName, State, StoreError};
use longshore_memory::MemoryStore;
use longshore_runtime::testing::TestKit;
use longshore_runtime::{Cancel, KindOptions, Outcome, Progress, Queue, Worker, WorkerConfig};
use longshore_storetest::{Faults, Odds, assert_sound};
use tokio::sync::{Notify, mpsc};

use crate::support::{Endless, HOUR, Room, Shift, calm, file, hear, millis, settle, soon};

fn deadline(stop_deadline: Duration) -> WorkerConfig {
    WorkerConfig { stop_deadline, ..calm() }
}

#[tokio::test]
async fn a_drain_lets_attempts_finish_and_takes_no_more() {
    let room = Room::new();
    let (go, begun) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let shift = Shift::start(
        Worker::new(room.engine.clone()).queue(Queue::new("default").concurrency(1)).handle("slow", {
            let (go, begun) = (go.clone(), begun.clone());
            move || {
                let (go, begun) = (go.clone(), begun.clone());
                async move {
                    begun.notify_one();
                    go.notified().await;
                    Ok::<_, Outcome>(())
                }
            }
        }),
    );
    let (first, second) = (room.add("slow").await, room.add("slow").await);
    soon(begun.notified()).await;
    shift.stop.drain();
    let third = room.add("slow").await;
    go.notify_one();
    shift.end().await.unwrap();
    assert_eq!(room.job(&first).await.state, State::Completed);
    for id in [second, third] {
        let job = room.job(&id).await;
        assert_eq!((job.state, job.attempt), (State::Ready, 0));
    }
}

#[tokio::test]
async fn jobs_that_were_read_ahead_go_back_without_spending_an_attempt() {
    let room = Room::new();
    let (go, begun) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let worker = Worker::new(room.engine.clone()).queue(Queue::new("default").concurrency(1));
    let worker = worker.handle("quick", async || Ok::<_, Outcome>(()));
    let worker = worker.handle("slow", {
        let (go, begun) = (go.clone(), begun.clone());
        move || {
            let (go, begun) = (go.clone(), begun.clone());
            async move {
                begun.notify_one();
                go.notified().await;
                Ok::<_, Outcome>(())
            }
        }
    });
    // A quick pace, then a job that takes its time, with others in line behind it.
    let specs = (0..3_000).map(|n| Arc::new(room.spec(if n == 2_000 { "slow" } else { "quick" })));
    room.client.insert(specs.collect()).await.unwrap();
    let shift = Shift::start(worker);
    soon(begun.notified()).await;
    shift.stop.drain();
    soon(async {
        while room.count("default", State::Running).await > 1 {
            settle().await;
        }
    })
    .await;
    go.notify_one();
    shift.end().await.unwrap();
    assert_eq!(room.count("default", State::Running).await, 0);
    assert_eq!(room.count("default", State::Completed).await, 2_001);
    assert_eq!(room.count("default", State::Ready).await, 999);
    let filter = "state:ready".parse().unwrap();
    let page = longshore_core::Page { after: None, limit: 1_000 };
    assert!(room.control.list(filter, page).await.unwrap().jobs.iter().all(|job| job.attempt == 0));
    assert_sound(&*room.store).await;
}

#[tokio::test]
async fn after_the_deadline_handlers_are_told_and_handed_back() {
    let room = Room::new();
    let (begin, mut begun) = mpsc::unbounded_channel();
    let options = KindOptions { cancel_grace: Some(HOUR), ..KindOptions::default() };
    let worker = room.worker().config(deadline(millis(20)));
    let shift = Shift::start(worker.handle_with("polite", options, move |cancel: Cancel| {
        let begin = begin.clone();
        async move {
            begin.send(()).unwrap();
            cancel.cancelled().await;
            Err::<(), Outcome>(std::io::Error::other("interrupted").into())
        }
    }));
    let id = room.add("polite").await;
    soon(begun.recv()).await.unwrap();
    shift.drain().await;
    let job = room.job(&id).await;
    assert_eq!((job.state, job.attempt, job.errors.len()), (State::Ready, 0, 0));
}

#[tokio::test]
async fn a_handler_that_was_told_and_is_done_all_the_same_completes_its_job() {
    let room = Room::new();
    let (begin, mut begun) = mpsc::unbounded_channel();
    let worker = room.worker().config(deadline(millis(20)));
    let shift = Shift::start(worker.handle("polite", move |cancel: Cancel| {
        let begin = begin.clone();
        async move {
            begin.send(()).unwrap();
            cancel.cancelled().await;
            Ok::<_, Outcome>("saved")
        }
    }));
    let id = room.add("polite").await;
    soon(begun.recv()).await.unwrap();
    shift.drain().await;
    let job = room.job(&id).await;
    assert_eq!((job.state, job.result.unwrap().as_str()), (State::Completed, "\"saved\""));
}

#[tokio::test]
async fn a_handler_that_ignores_the_stop_is_dropped_and_handed_back() {
    let room = Room::new();
    let mut endless = Endless::new();
    let options = KindOptions { cancel_grace: Some(millis(20)), ..KindOptions::default() };
    let worker = room.worker().config(deadline(Duration::ZERO));
    let shift = Shift::start(worker.handle_with("endless", options, endless.handler()));
    let id = room.add("endless").await;
    endless.begun().await;
    shift.drain().await;
    assert!(endless.is_dropped());
    let job = room.job(&id).await;
    assert_eq!((job.state, job.attempt), (State::Ready, 0));
}

#[tokio::test]
async fn a_cut_ends_at_once() {
    let room = Room::new();
    let mut endless = Endless::new();
    let options = KindOptions { cancel_grace: Some(HOUR), ..KindOptions::default() };
    let worker = room.worker().config(deadline(HOUR));
    let shift = Shift::start(worker.handle_with("endless", options, endless.handler()));
    let id = room.add("endless").await;
    endless.begun().await;
    shift.stop.drain();
    shift.stop.cut();
    shift.end().await.unwrap();
    assert!(endless.is_dropped());
    let job = room.job(&id).await;
    assert_eq!((job.state, job.attempt), (State::Ready, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_runs_after_a_worker_has_stopped_in_the_middle_of_its_work_and_it_has_left_the_roster() {
    let (dir, door) = (tempfile::tempdir().unwrap(), Door::system());
    let room = Room::on(file(&dir, &door), door);
    let mut events = room.engine.hub().subscribe();
    room.client.insert((0..2_000).map(|_| Arc::new(room.spec("quick"))).collect()).await.unwrap();
    let shift = Shift::start(room.worker().handle("quick", async || Ok::<_, Outcome>(())));
    let up = hear(&mut events, EventName::WorkerUp).await.event.worker.unwrap();
    let roster = room.control.workers().await.unwrap();
    assert_eq!(roster.iter().map(|worker| worker.info.id.as_str()).collect::<Vec<_>>(), [&*up]);
    hear(&mut events, EventName::Completed).await;
    shift.drain().await;
    assert_eq!(room.count("default", State::Running).await, 0);
    let (completed, ready) =
        (room.count("default", State::Completed).await, room.count("default", State::Ready).await);
    assert_eq!(completed + ready, 2_000);
    assert!(room.control.workers().await.unwrap().is_empty());
    assert_eq!(hear(&mut events, EventName::WorkerDown).await.event.worker.unwrap(), up);
    assert_sound(&*room.store).await;
}

#[tokio::test]
async fn a_worker_runs_until_its_shutdown_comes() {
    let room = Room::new();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let worker = room.worker().handle("calm", async || Ok::<_, Outcome>(()));
    let running = tokio::spawn(worker.run(async { drop(stopped.await) }));
    room.ended(&room.add("calm").await).await;
    stop.send(()).unwrap();
    soon(running).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_worker_without_work_stops_although_its_store_is_down() {
    let door = Door::system();
    let faulty = Arc::new(Faults::around(Arc::new(MemoryStore::new(&door)), Chance::seeded(1), Odds::CALM));
    let spy = Arc::new(crate::spy::on(faulty.clone()));
    let room = Room::on(spy.clone(), door);
    let worker = room.worker().config(deadline(HOUR));
    let shift = Shift::start(worker.handle("calm", async || Ok::<_, Outcome>(())));
    room.ended(&room.add("calm").await).await;
    faulty.set(Odds::DOWN);
    // Rings, so that the worker asks in vain.
    let now = room.engine.door().clock.now();
    faulty.inner().insert(vec![Arc::new(room.spec("calm"))], now).await.unwrap();
    spy.more("turn", 1).await;
    shift.drain().await;
}

#[tokio::test]
async fn a_worker_with_work_gives_up_a_store_that_stays_down() {
    let (door, manual) = TestKit::door();
    let faulty = Arc::new(Faults::around(Arc::new(MemoryStore::new(&door)), Chance::seeded(1), Odds::CALM));
    let spy = Arc::new(crate::spy::on(faulty.clone()));
    let room = Room::on(spy.clone(), door);
    let (mut endless, down) = (Endless::new(), faulty.clone());
    let worker = room.worker().config(deadline(HOUR)).handle("endless", endless.handler());
    let shift = Shift::start(worker.handle("last", move || {
        down.set(Odds::DOWN);
        async { Ok::<_, Outcome>(()) }
    }));
    room.add("endless").await;
    endless.begun().await;
    room.add("last").await;
    spy.more("finish", 1).await;
    shift.stop.drain();
    settle().await;
    manual.advance(HOUR);
    settle().await;
    manual.advance(millis(5_000));
    assert!(matches!(shift.end().await, Err(StoreError::Unavailable(_))));
    endless.dropped().await;
}

#[tokio::test]
async fn a_worker_stops_although_its_store_does_not_answer_a_renewal() {
    let door = Door::system();
    let spy = Arc::new(crate::spy::on(Arc::new(MemoryStore::new(&door))));
    let room = Room::on(spy.clone(), door);
    let go = Arc::new(Notify::new());
    let shift = Shift::start(room.worker().handle("telling", {
        let go = go.clone();
        move |progress: Progress| {
            let go = go.clone();
            async move {
                progress.at(50, "half way").await;
                go.notified().await;
                Ok::<_, Outcome>(())
            }
        }
    }));
    spy.hold("renew");
    let id = room.add("telling").await;
    spy.more("renew", 1).await;
    go.notify_one();
    room.ended(&id).await;
    shift.drain().await;
}

#[tokio::test]
async fn a_worker_that_is_dropped_takes_its_handlers_with_it() {
    let room = Room::new();
    let mut endless = Endless::new();
    let shift = Shift::start(room.worker().handle("endless", endless.handler()));
    room.add("endless").await;
    endless.begun().await;
    shift.crash().await;
    endless.dropped().await;
}
