//! What is due comes in time, and what was lost comes back.

use std::sync::Arc;
use std::time::Duration;

use longshore_clock::Door;
use longshore_core::{Claim, EventName, JobSpec, LaneWant, Reason, State, WorkerId};
use longshore_memory::MemoryStore;
use longshore_runtime::{Args, IntoSeconds, Keeper, KeeperConfig, Outcome, Queue, Stop, Worker};

use crate::kit::kit;
use crate::support::{
    Endless, HOUR, Room, Shift, Task, file, hear, keep, millis, queue, settle, short_lease, soon,
};

#[tokio::test]
async fn a_scheduled_job_starts_at_its_time_though_nobody_scans() {
    let (dir, door) = (tempfile::tempdir().unwrap(), Door::system());
    let room = Room::on(file(&dir, &door), door);
    keep(&room.engine, HOUR);
    let worker = room.worker();
    let shift = Shift::start(worker.register(async |Args(task): Args<Task>| Ok::<_, Outcome>(task.number)));
    // The second comes in while the keeper waits for the first.
    let late = room.client.enqueue(Task { number: 2 }).after(HOUR).await.unwrap().id;
    let asked = room.engine.door().clock.now();
    let early = room.client.enqueue(Task { number: 1 }).after(millis(100)).await.unwrap().id;
    let early = room.ended(&early).await;
    assert!(early.started_at.unwrap() >= asked + millis(100));
    assert_eq!(room.job(&late).await.state, State::Scheduled);
    shift.drain().await;
}

#[tokio::test]
async fn a_job_is_not_ready_before_its_time() {
    let (room, manual) = Room::manual();
    keep(&room.engine, HOUR);
    settle().await;
    let id = room.client.enqueue(Task { number: 1 }).after(1.minute()).await.unwrap().id;
    let mut events = room.engine.hub().watch(&id);
    settle().await;
    manual.advance(millis(59_999));
    settle().await;
    assert_eq!(room.job(&id).await.state, State::Scheduled);
    manual.advance(millis(1));
    hear(&mut events, EventName::Ready).await;
    assert_eq!(room.job(&id).await.state, State::Ready);
}

#[tokio::test]
async fn the_job_of_a_worker_that_died_is_run_by_another() {
    let room = Room::new();
    let mut endless = Endless::new();
    let mut events = room.engine.hub().subscribe();
    let worker = room.worker().config(short_lease());
    let dying = Shift::start(worker.handle("work", endless.handler()));
    let id = room.add("work").await;
    endless.begun().await;
    dying.crash().await;
    keep(&room.engine, millis(10));
    let shift = Shift::start(room.worker().handle("work", async || Ok::<_, Outcome>(())));
    let told = hear(&mut events, EventName::Stalled).await.event;
    assert_eq!((told.id, told.state), (Some(id.clone()), Some(State::Ready)));
    assert!(told.timestamps.unwrap().started_at.is_some(), "the attempt that was lost had started");
    let job = room.ended(&id).await;
    assert_eq!((job.state, job.attempt, job.stalls), (State::Completed, 1, 1));
    shift.drain().await;
}

/// A worker that takes a job and is never seen again.
async fn take_away(room: &Room, lease: Duration) {
    let claim = Claim {
        worker: WorkerId::new("gone").unwrap(),
        lanes: vec![LaneWant { queue: queue("default"), limit: 1, slots: 1 }],
        lease,
    };
    assert_eq!(room.store.claim(claim, room.engine.door().clock.now()).await.unwrap().jobs.len(), 1);
}

#[tokio::test]
async fn a_lost_lease_is_found_within_seconds_at_any_scan_interval() {
    let (room, manual) = Room::manual();
    keep(&room.engine, HOUR);
    settle().await;
    let id = room.add("work").await;
    take_away(&room, 1.second()).await;
    for _ in 0..10 {
        settle().await;
        manual.advance(1.second());
    }
    settle().await;
    let job = room.job(&id).await;
    assert_eq!((job.state, job.stalls), (State::Ready, 1));
}

#[tokio::test]
async fn a_job_whose_workers_keep_dying_ends_as_stalled() {
    let (room, manual) = Room::manual();
    let config = KeeperConfig { stalls_max: 3, ..KeeperConfig::default() };
    tokio::spawn(Keeper::new(room.engine.clone(), config).run(Stop::new()));
    let spec = room.spec("deadly");
    let mut events = room.engine.hub().watch(&spec.id);
    let id = room.insert(spec).await;
    for name in [EventName::Stalled, EventName::Stalled, EventName::Failed] {
        take_away(&room, 1.second()).await;
        manual.advance(10.seconds());
        let told = hear(&mut events, name).await.event;
        assert_eq!(told.timestamps.unwrap().finished_at.is_some(), name == EventName::Failed);
    }
    let job = room.job(&id).await;
    assert_eq!((job.state, job.reason, job.stalls), (State::Failed, Some(Reason::Stalled), 3));
}

#[tokio::test]
async fn a_job_of_an_unknown_kind_waits_for_a_worker_that_knows_it() {
    let (room, manual) = Room::manual();
    keep(&room.engine, HOUR);
    let ignorant = Shift::start(room.worker());
    let spec = JobSpec { run_at: None, ..room.spec("new") };
    let mut events = room.engine.hub().watch(&spec.id);
    let id = room.insert(spec).await;
    let told = hear(&mut events, EventName::Delayed).await.event;
    assert_eq!(told.reason, Some(Reason::UnknownKind));
    let job = room.job(&id).await;
    assert_eq!((job.state, job.reason), (State::Scheduled, Some(Reason::UnknownKind)));
    assert_eq!((job.attempt, job.errors.len()), (0, 0));
    ignorant.drain().await;

    let shift = Shift::start(room.worker().handle("new", async || Ok::<_, Outcome>(())));
    settle().await;
    manual.advance(30.seconds());
    let job = room.ended(&id).await;
    assert_eq!((job.state, job.attempt), (State::Completed, 1));
    shift.drain().await;
}

#[tokio::test]
async fn ended_jobs_go_when_their_time_is_over() {
    let mut kit = kit();
    kit.register(async |_: Args<Task>| Ok::<_, Outcome>(()));
    let id = kit.client().enqueue(Task { number: 1 }).retention(1.minute()).await.unwrap().id;
    kit.drain("default").await.unwrap();
    kit.advance(59.seconds()).await.unwrap();
    assert!(kit.control().job(&id).await.is_ok());
    kit.advance(1.second()).await.unwrap();
    assert!(kit.control().job(&id).await.is_err());
}

#[tokio::test]
async fn a_worker_keeps_unless_it_is_told_not_to() {
    let room = Room::new();
    let worker = Worker::new(room.engine.clone()).queue(Queue::new("default"));
    let shift = Shift::start(worker.register(async |_: Args<Task>| Ok::<_, Outcome>(())));
    let id = room.client.enqueue(Task { number: 1 }).after(millis(20)).await.unwrap().id;
    assert_eq!(room.ended(&id).await.state, State::Completed);
    shift.drain().await;
}

#[tokio::test]
async fn a_keeper_stops_when_it_is_asked_to() {
    let room = Room::new();
    let stop = Stop::new();
    let keeper = tokio::spawn(Keeper::new(room.engine.clone(), KeeperConfig::default()).run(stop.clone()));
    stop.drain();
    soon(keeper).await.unwrap();
}

#[tokio::test]
async fn after_an_outage_the_keeper_lets_workers_renew_before_it_takes_back_leases() {
    let door = Door::system();
    let spy = Arc::new(crate::spy::on(Arc::new(MemoryStore::new(&door))));
    let room = Room::on(spy.clone(), door);
    spy.fail("reclaim");
    let config = KeeperConfig { scan_interval: millis(10), renewed_within: HOUR, ..KeeperConfig::default() };
    tokio::spawn(Keeper::new(room.engine.clone(), config).run(Stop::new()));
    spy.more("reclaim", 1).await;
    spy.mend();
    let id = room.add("work").await;
    take_away(&room, millis(1)).await;
    // The store answers again, and many a scan goes by.
    spy.more("log_end", 1).await;
    let tried = spy.calls()["reclaim"];
    spy.more("promote", 5).await;
    assert_eq!((spy.calls()["reclaim"], room.job(&id).await.state), (tried, State::Running));
}
