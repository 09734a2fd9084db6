//! Operators look and act.

use std::sync::Arc;
use std::time::Duration;

use longshore_clock::Door;
use longshore_core::{Change, JobFilter, Page, State};
use longshore_memory::MemoryStore;
use longshore_runtime::{Args, ControlError, IntoSeconds, Outcome};

use crate::kit::kit;
use crate::support::{Endless, Room, Shift, Task, keep, millis, queue, settle, soon};

#[tokio::test]
async fn a_page_is_full_though_the_store_gives_short_ones() {
    let door = Door::system();
    let spy = crate::spy::short_pages(Arc::new(MemoryStore::new(&door)), 3);
    let room = Room::on(Arc::new(spy), door);
    let mut ids = Vec::new();
    for _ in 0..10 {
        ids.insert(0, room.add("calm").await);
    }
    let list = |after| room.control.list(JobFilter::default(), Page { after, limit: 8 });
    let first = list(None).await.unwrap();
    let second = list(first.next).await.unwrap();
    assert_eq!((first.jobs.len(), second.jobs.len(), second.next), (8, 2, None));
    let listed: Vec<_> = first.jobs.iter().chain(&second.jobs).map(|job| job.id().clone()).collect();
    assert_eq!(listed, ids);
    assert!(room.control.list(JobFilter::default(), Page { after: None, limit: 0 }).await.is_err());
}

#[tokio::test]
async fn what_the_state_does_not_allow_is_refused_with_the_state() {
    let mut kit = kit();
    kit.register(async |Args(task): Args<Task>| match task.number {
        0 => Ok(()),
        _ => Err(Outcome::fail("no")),
    });
    let (client, control) = (kit.client(), kit.control());
    let done = client.enqueue(Task { number: 0 }).await.unwrap().id;
    let failed = client.enqueue(Task { number: 1 }).await.unwrap().id;
    kit.drain("default").await.unwrap();
    let ready = client.enqueue(Task { number: 0 }).await.unwrap().id;
    for (answer, wanted) in [
        (control.cancel(&done).await, State::Completed),
        (control.cancel(&failed).await, State::Failed),
        (control.retry(&done).await, State::Completed),
        (control.retry(&ready).await, State::Ready),
    ] {
        match answer {
            Err(ControlError::WrongState { state, .. }) => assert_eq!(state, wanted),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(control.retry(&failed).await.unwrap().state, State::Ready);
    control.remove(&ready, false).await.unwrap();
    assert!(matches!(control.remove(&ready, false).await, Err(ControlError::Unknown(id)) if id == ready));
    assert!(matches!(control.cancel(&ready).await, Err(ControlError::Unknown(_))));
}

#[tokio::test]
async fn a_retried_job_has_all_its_attempts_again() {
    let mut kit = kit();
    kit.register(async |_: Args<Task>| Err::<(), _>(Outcome::retry_after(1.second(), "no")));
    let id = kit.client().enqueue(Task { number: 1 }).max_attempts(1).await.unwrap().id;
    for _ in 0..2 {
        let job = kit.run_one("default").await.unwrap().unwrap();
        assert_eq!((job.state, job.attempt), (State::Failed, 1));
        assert_eq!(kit.control().retry(&id).await.unwrap().attempt, 0);
    }
}

#[tokio::test]
async fn a_change_reaches_every_job_that_matches() {
    let room = Room::new();
    let mut specs = Vec::new();
    for n in 0..2_500 {
        specs.push(Arc::new(room.spec(if n % 2 == 0 { "even" } else { "odd" })));
    }
    room.client.insert(specs).await.unwrap();
    let filter: JobFilter = "kind:even".parse().unwrap();
    let batch = room.control.amend_all(filter.clone(), Change::Cancel, usize::MAX).await.unwrap();
    assert_eq!((batch.changed, batch.ids.len()), (1_250, 1_000));
    assert_eq!(room.count("default", State::Cancelled).await, 1_250);
    assert_eq!(room.control.amend_all(filter, Change::Cancel, usize::MAX).await.unwrap().changed, 0);
}

#[tokio::test]
async fn drain_removes_what_waits_and_purge_what_has_ended() {
    let room = Room::new();
    let name = queue("default");
    let cancelled = room.add("calm").await;
    room.control.cancel(&cancelled).await.unwrap();
    for number in 0..3 {
        room.client.enqueue(Task { number }).await.unwrap();
        room.client.enqueue(Task { number }).after(1.hour()).await.unwrap();
    }
    assert_eq!(room.control.drain(&name, false).await.unwrap().changed, 3);
    assert_eq!(room.count("default", State::Scheduled).await, 3);
    assert_eq!(room.control.drain(&name, true).await.unwrap().changed, 3);
    assert_eq!(
        room.control.purge(&name, State::Completed, Duration::ZERO, usize::MAX).await.unwrap().changed,
        0
    );
    assert_eq!(
        room.control.purge(&name, State::Cancelled, Duration::ZERO, usize::MAX).await.unwrap().ids,
        [cancelled]
    );
    assert_eq!(room.control.queue(&name).await.unwrap().unwrap().counts.total(), 0);
}

#[tokio::test]
async fn a_paused_queue_gives_nothing_until_it_is_resumed() {
    let room = Room::new();
    let worker = room.worker().queue(longshore_runtime::Queue::new("other"));
    let shift = Shift::start(worker.handle("calm", async || Ok::<_, Outcome>(())));
    let name = queue("default");
    assert!(room.control.pause(&name).await.unwrap().paused);
    let waiting = room.add("calm").await;
    let other = longshore_core::JobSpec { queue: queue("other"), ..room.spec("calm") };
    room.ended(&room.insert(other).await).await;
    assert_eq!(room.job(&waiting).await.state, State::Ready);
    assert!(!room.control.resume(&name).await.unwrap().paused);
    assert_eq!(room.ended(&waiting).await.state, State::Completed);
    shift.drain().await;
}

#[tokio::test]
async fn wait_returns_when_the_job_has_ended() {
    let (room, manual) = Room::manual();
    let id = room.client.enqueue(Task { number: 1 }).after(1.hour()).await.unwrap().id;
    keep(&room.engine, 1.hour());
    let control = room.control.clone();
    let waiting = tokio::spawn({
        let id = id.clone();
        async move { control.wait(&id, 2.hours()).await.unwrap() }
    });
    settle().await;
    let shift = Shift::start(room.worker().register(async |_: Args<Task>| Ok::<_, Outcome>("now")));
    settle().await;
    assert!(!waiting.is_finished());
    manual.advance(1.hour());
    let job = soon(waiting).await.unwrap();
    assert_eq!((job.state, job.result.unwrap().as_str()), (State::Completed, "\"now\""));
    shift.drain().await;
}

#[tokio::test]
async fn wait_returns_the_job_as_it_stands_when_its_patience_is_over() {
    let room = Room::new();
    let id = room.add("calm").await;
    assert_eq!(soon(room.control.wait(&id, millis(10))).await.unwrap().state, State::Ready);
}

#[tokio::test]
async fn wait_ends_when_the_record_goes() {
    let (room, _manual) = Room::manual();
    let id = room.add("calm").await;
    let control = room.control.clone();
    let waiting = tokio::spawn({
        let id = id.clone();
        async move { control.wait(&id, 1.hour()).await }
    });
    settle().await;
    room.control.remove(&id, false).await.unwrap();
    assert!(matches!(soon(waiting).await.unwrap(), Err(ControlError::Unknown(gone)) if gone == id));
}

#[tokio::test]
async fn the_overview_shows_queues_and_workers() {
    let room = Room::new();
    let mut endless = Endless::new();
    let shift = Shift::start(room.worker().handle("endless", endless.handler()));
    room.add("endless").await;
    endless.begun().await;
    let overview = room.control.overview().await.unwrap();
    assert_eq!(overview.queues[0].counts.get(State::Running), 1);
    assert_eq!(overview.workers[0].info.queues, [queue("default")]);
    assert_eq!(overview.workers[0].info.kinds[0].as_str(), "endless");
    assert!(overview.workers[0].alive);
    room.control.check_writable().await.unwrap();
    shift.stop.cut();
    shift.end().await.unwrap();
}
