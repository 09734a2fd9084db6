//! What must never happen to a worker and its callers, however often it is tried.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use longshore_clock::Door;
use longshore_core::{
    DurationText, EventName, JobSpec, Json, KindName, QueueChange, Rate, RetentionChange, State,
};
use longshore_memory::MemoryStore;
use longshore_runtime::testing::TestKit;
use longshore_runtime::{Args, Cancel, Outcome, Queue, RateScope, Worker, WorkerConfig};
use tokio::sync::mpsc;

use crate::support::{
    Endless, HOUR, Room, Shift, Task, calm, file, keep, millis, queue, settle, short_lease, soon,
};

/// Starts a worker on a full queue, and cuts it off in its first job, which goes back.
async fn start_once(room: &Room, worker: Worker) {
    let (begun, mut first) = mpsc::unbounded_channel();
    let handler = move || {
        let _ = begun.send(());
        std::future::pending::<Result<(), Outcome>>()
    };
    let shift = Shift::start(worker.queue(Queue::new("default").concurrency(1)).handle("calm", handler));
    soon(first.recv()).await.unwrap();
    shift.stop.cut();
    shift.end().await.unwrap();
    assert_eq!(room.count("default", State::Running).await, 0);
    assert_eq!(room.count("default", State::Ready).await, 1_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_started_on_a_full_queue_works_every_time() {
    let (dir, door) = (tempfile::tempdir().unwrap(), Door::system());
    let on_disk = Room::on(file(&dir, &door), door);
    for (room, starts) in [(Room::new(), 900), (on_disk, 100)] {
        room.client.insert((0..1_000).map(|_| Arc::new(room.spec("calm"))).collect()).await.unwrap();
        for _ in 0..starts {
            start_once(&room, Worker::new(room.engine.clone()).config(calm())).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_that_never_returns_holds_nobody_up() {
    let room = Room::new();
    let stuck = room.engine.hub().listen(|_| true, |_| std::future::pending());
    let shift = Shift::start(room.worker().handle("calm", async || Ok::<_, Outcome>(())));
    let ids: Vec<_> = (0..5_000).map(|_| Arc::new(room.spec("calm"))).collect();
    let last = ids[4_999].id.clone();
    room.client.insert(ids).await.unwrap();
    assert_eq!(room.ended(&last).await.state, State::Completed);
    shift.drain().await;
    drop(stuck);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_is_worked_off_with_few_calls_of_the_store() {
    const JOBS: u64 = 5_000;
    let spy = Arc::new(crate::spy::on(Arc::new(MemoryStore::new(&Door::system()))));
    let room = Room::on(spy.clone(), Door::system());
    room.client.insert((0..JOBS).map(|_| Arc::new(room.spec("calm"))).collect()).await.unwrap();
    let before: u64 = spy.calls().values().sum();
    let (sender, mut ended) = mpsc::unbounded_channel();
    let handler = move || {
        let _ = sender.send(());
        async { Ok::<_, Outcome>(()) }
    };
    let worker = Worker::new(room.engine.clone()).config(calm()).queue(Queue::new("default").concurrency(20));
    let shift = Shift::start(worker.handle("calm", handler));
    for _ in 0..JOBS {
        soon(ended.recv()).await.unwrap();
    }
    shift.drain().await;
    let calls = spy.calls().values().sum::<u64>() - before;
    assert_eq!(room.count("default", State::Completed).await, JOBS);
    assert!(calls * 2 <= JOBS, "{calls} calls for {JOBS} jobs: {:?}", spy.calls());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_keepers_take_back_a_lost_lease_once() {
    let room = Room::new();
    let mut endless = Endless::new();
    let dying = Shift::start(room.worker().config(short_lease()).handle("work", endless.handler()));
    let id = room.add("work").await;
    endless.begun().await;
    let stalled = Arc::new(AtomicU64::new(0));
    let count = stalled.clone();
    let _listener = room.engine.hub().listen(
        |name| name == EventName::Stalled,
        move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            async {}
        },
    );
    dying.crash().await;
    for _ in 0..8 {
        keep(&room.engine, millis(5));
    }
    let starts = Arc::new(AtomicU64::new(0));
    let counted = starts.clone();
    let shift = Shift::start(room.worker().handle("work", move || {
        counted.fetch_add(1, Ordering::SeqCst);
        async { Ok::<_, Outcome>(()) }
    }));
    let job = room.ended(&id).await;
    assert_eq!((job.state, job.attempt, job.stalls), (State::Completed, 1, 1));
    shift.drain().await;
    // A second one would have been told by now: events keep their order.
    let mark = room.client.new_id();
    let mut events = room.engine.hub().watch(&mark);
    room.insert(JobSpec { id: mark, ..room.spec("mark") }).await;
    soon(events.next()).await.unwrap();
    soon(async {
        while stalled.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!((stalled.load(Ordering::SeqCst), starts.load(Ordering::SeqCst)), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_on_a_paused_or_stopped_queue_stops_at_once_and_a_resume_is_heard_at_once() {
    let room = Room::new();
    room.control.pause(&queue("paused")).await.unwrap();
    let none = Rate { rate: 0, interval: millis(1_000), burst: None };
    let change = QueueChange { rate: Some(Some(none)), ..QueueChange::default() };
    room.control.set_queue(&queue("stopped"), change).await.unwrap();
    for name in ["paused", "stopped"] {
        room.insert(JobSpec { queue: queue(name), ..room.spec("calm") }).await;
    }
    // No look that nobody asked for within an hour: what is heard is heard by a ring.
    let config = WorkerConfig { scan_interval: HOUR, ..calm() };
    let worker = || {
        let queues = ["paused", "stopped"].map(Queue::new);
        let worker = Worker::new(room.engine.clone()).config(config.clone());
        queues.into_iter().fold(worker, Worker::queue).handle("calm", async || Ok::<_, Outcome>(()))
    };
    for _ in 0..20 {
        Shift::start(worker()).drain().await;
    }
    let shift = Shift::start(worker());
    room.control.resume(&queue("paused")).await.unwrap();
    soon(async {
        while room.count("paused", State::Completed).await == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let change = QueueChange { rate: Some(None), ..QueueChange::default() };
    room.control.set_queue(&queue("stopped"), change).await.unwrap();
    soon(async {
        while room.count("stopped", State::Completed).await == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    shift.drain().await;
}

/// Bytes of memory that this process has in use.
fn resident() -> u64 {
    let pages: u64 =
        std::fs::read_to_string("/proc/self/statm").unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4_096
}

#[tokio::test]
async fn a_producer_remembers_nothing_of_what_it_inserted() {
    let (dir, door) = (tempfile::tempdir().unwrap(), Door::system());
    let room = Room::on(file(&dir, &door), door);
    let insert = async |count: usize| {
        for _ in 0..count / 5_000 {
            room.client.insert((0..5_000).map(|_| Arc::new(room.spec("calm"))).collect()).await.unwrap();
        }
    };
    insert(20_000).await;
    let before = resident();
    insert(200_000).await;
    let more = resident().saturating_sub(before);
    assert!(more < 32 << 20, "{more} bytes more after 200000 jobs");
}

#[tokio::test]
async fn ended_jobs_go_in_time_and_the_file_does_not_grow() {
    let dir = tempfile::tempdir().unwrap();
    let (door, clock) = TestKit::door();
    let mut kit = TestKit::on(file(&dir, &door), door, clock);
    kit.register(async |Args(task): Args<Task>| Ok::<_, Outcome>(task.number));
    let stays = DurationText(millis(5_000));
    let retention = RetentionChange { completed: Some(stays), ..RetentionChange::default() };
    let change = QueueChange { retention, ..QueueChange::default() };
    kit.control().set_queue(&queue("default"), change).await.unwrap();
    let mut sizes = Vec::new();
    for _ in 0..12 {
        let client = kit.client();
        let args = Json::parse("{\"number\":7}").unwrap();
        let spec =
            || JobSpec::new(client.new_id(), queue("default"), KindName::new("task").unwrap(), args.clone());
        client.insert((0..500).map(|_| Arc::new(spec())).collect()).await.unwrap();
        kit.drain("default").await.unwrap();
        let completed =
            async || kit.control().queue(&queue("default")).await.unwrap().unwrap().counts.total();
        assert_eq!(completed().await, 500);
        kit.advance(millis(70_000)).await.unwrap();
        assert_eq!(completed().await, 0);
        sizes.push(std::fs::metadata(dir.path().join("jobs.db")).unwrap().len());
    }
    assert!(sizes[11] <= sizes[3] + (256 << 10), "it grows: {sizes:?}");
}

#[tokio::test]
async fn with_default_settings_the_job_of_a_dead_worker_starts_elsewhere_within_35_seconds() {
    let (room, manual) = Room::manual();
    let mut endless = Endless::new();
    let worker = || Worker::new(room.engine.clone()).queue(Queue::new("default").concurrency(1));
    let dying = Shift::start(worker().handle("work", endless.handler()));
    let id = room.add("work").await;
    endless.begun().await;
    dying.crash().await;
    let (begin, mut begun) = mpsc::unbounded_channel();
    let shift = Shift::start(worker().handle("work", move || {
        let told = begin.send(());
        async move {
            told.unwrap();
            Ok::<_, Outcome>(())
        }
    }));
    let mut waited = 0;
    while begun.try_recv().is_err() {
        waited += 1;
        assert!(waited <= 35, "it has not started after 35 s");
        manual.advance(millis(1_000));
        settle().await;
    }
    let job = room.ended(&id).await;
    assert_eq!((job.state, job.attempt, job.stalls), (State::Completed, 1, 1));
    shift.drain().await;
}

#[tokio::test]
async fn a_handler_is_told_of_a_cancel_at_once_and_dropped_after_the_usual_grace() {
    let (room, manual) = Room::manual();
    let (begin, mut told) = mpsc::unbounded_channel();
    let shift = Shift::start(room.worker().handle("deaf", move |cancel: Cancel| {
        let begin = begin.clone();
        async move {
            begin.send("begun").unwrap();
            cancel.cancelled().await;
            begin.send("told").unwrap();
            std::future::pending::<Result<(), Outcome>>().await
        }
    }));
    let mut events = room.engine.hub().subscribe();
    let id = room.add("deaf").await;
    assert_eq!(soon(told.recv()).await, Some("begun"));
    room.control.cancel(&id).await.unwrap();
    assert_eq!(soon(told.recv()).await, Some("told"), "the clock stands still");
    settle().await;
    assert_eq!(room.job(&id).await.state, State::Running);
    manual.advance(millis(2_000));
    assert_eq!(room.ended(&id).await.state, State::Cancelled);
    shift.drain().await;
    // One life has one end.
    let mut ends = Vec::new();
    room.insert(JobSpec { id: room.client.new_id(), ..room.spec("mark") }).await;
    loop {
        let event = soon(events.next()).await.unwrap().event;
        if event.kind.as_ref().is_some_and(|kind| kind.as_str() == "mark") {
            break;
        }
        ends.extend(event.event.is_end().then_some((event.event, event.id)));
    }
    assert_eq!(ends, [(EventName::Cancelled, Some(id))]);
}

#[tokio::test]
async fn two_stores_in_one_process_stay_apart() {
    let (here, there) = (Room::new(), Room::new());
    let mut events = there.engine.hub().subscribe();
    let shift = Shift::start(here.worker().handle("calm", async || Ok::<_, Outcome>(())));
    let (mine, theirs) = (here.add("calm").await, there.add("calm").await);
    assert_eq!(here.ended(&mine).await.state, State::Completed);
    shift.drain().await;
    assert_eq!(there.job(&theirs).await.state, State::Ready);
    assert!(there.control.job(&mine).await.is_err() && there.control.workers().await.unwrap().is_empty());
    assert_eq!(soon(events.next()).await.unwrap().event.id, Some(theirs));
    assert_eq!(here.engine.meters().queue(&queue("default")).completed.load(Ordering::SeqCst), 1);
    assert_eq!(there.engine.meters().queue(&queue("default")).completed.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn the_exact_result_of_a_parent_reaches_a_child_that_came_later() {
    const EXACT: &str = "[1152921504606846977, 0.30000000000000004, [], [[],{}]]";
    let room = Room::new();
    let parents = async |parents: longshore_runtime::Parents| {
        let result = parents.all().await?.into_iter().next().unwrap().result;
        Ok::<_, Outcome>(result)
    };
    let worker = room.worker().handle("exact", async || Ok::<_, Outcome>(Json::parse(EXACT).unwrap()));
    let shift = Shift::start(worker.handle("child", parents));
    let parent = room.add("exact").await;
    room.ended(&parent).await;
    let mut spec = room.spec("child");
    Arc::make_mut(&mut spec.options).depends_on = vec![longshore_core::Parent::new(parent)];
    let child = room.insert(spec).await;
    let job = room.ended(&child).await;
    assert_eq!(job.result.unwrap().as_str(), EXACT, "{:?}", job.errors);
    shift.drain().await;
}

#[tokio::test]
async fn a_batch_is_one_call_of_the_store() {
    let spy = Arc::new(crate::spy::on(Arc::new(MemoryStore::new(&Door::system()))));
    let room = Room::on(spy.clone(), Door::system());
    room.client.insert((0..1_000).map(|_| Arc::new(room.spec("calm"))).collect()).await.unwrap();
    assert_eq!(spy.calls().get("insert"), Some(&1), "{:?}", spy.calls());
}

#[tokio::test]
async fn why_counts_the_slots_of_the_queue_and_knows_rates_of_workers() {
    let room = Room::new();
    let mut endless = Endless::new();
    let other = Queue::new("other").concurrency(1);
    let paced = Queue::new("paced").rate_limit(1, HOUR).rate_scope(RateScope::Worker);
    let worker = room.worker().queue(other).queue(paced).handle("endless", endless.handler());
    let shift = Shift::start(worker.handle("calm", async || Ok::<_, Outcome>(())));
    let add =
        async |name: &str, kind: &str| room.insert(JobSpec { queue: queue(name), ..room.spec(kind) }).await;
    let codes = async |id: &longshore_core::JobId| -> Vec<String> {
        let why = room.control.why(id).await.unwrap();
        why.reasons.iter().map(|reason| reason.code.to_string()).collect()
    };
    let running = add("other", "endless").await;
    endless.begun().await;
    let waits = add("other", "calm").await;
    assert_eq!(codes(&waits).await, ["busy"]);
    room.control.pause(&queue("default")).await.unwrap();
    let paused = add("default", "calm").await;
    assert_eq!(
        codes(&paused).await,
        ["paused"],
        "the slots of another queue are taken, not those of this one"
    );
    let first = add("paced", "calm").await;
    room.ended(&first).await;
    let second = add("paced", "calm").await;
    assert_eq!(codes(&second).await, ["worker_rate"]);
    let worker = &room.control.workers().await.unwrap()[0].info;
    assert_eq!((&worker.running_jobs, worker.running), (&vec![running], 1), "read from the jobs");
    assert_eq!((worker.slots_of(&queue("other")), worker.slots_of(&queue("default"))), (1, 10));
    shift.stop.cut();
    shift.end().await.unwrap();
}

#[tokio::test]
async fn a_worker_that_was_asked_to_stop_says_so_at_once() {
    let room = Room::new();
    let mut endless = Endless::new();
    let shift = Shift::start(room.worker().handle("endless", endless.handler()));
    room.add("endless").await;
    endless.begun().await;
    shift.stop.drain();
    soon(async {
        while !room.control.workers().await.unwrap()[0].info.stopping {
            tokio::task::yield_now().await;
        }
    })
    .await;
    shift.stop.cut();
    shift.end().await.unwrap();
}

#[tokio::test]
async fn a_job_that_goes_back_unstarted_has_not_started() {
    let room = Room::new();
    let mut endless = Endless::new();
    let worker = Worker::new(room.engine.clone()).config(calm()).queue(Queue::new("default").concurrency(1));
    let shift = Shift::start(worker.handle("endless", endless.handler()));
    let started = room.add("endless").await;
    endless.begun().await;
    shift.stop.cut();
    shift.end().await.unwrap();
    assert!(room.job(&started).await.started_at.is_some());
    let claim = longshore_core::Claim {
        worker: longshore_core::WorkerId::new("w").unwrap(),
        lanes: vec![longshore_core::LaneWant { queue: queue("default"), limit: 2, slots: 2 }],
        lease: millis(1_000),
    };
    let unstarted = room.add("endless").await;
    let now = room.engine.door().clock.now();
    let jobs = room.store.claim(claim, now).await.unwrap().jobs;
    let ends =
        jobs.into_iter().map(|job| longshore_core::End::new(job.lease, longshore_core::Outcome::HandBack));
    room.store.finish(Arc::new(ends.collect()), now).await.unwrap();
    assert_eq!(room.job(&unstarted).await.started_at, None);
}
