//! Flows and limits, worked by real workers with a real keeper.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use longshore_clock::Door;
use longshore_core::{Job as Record, JobId, KindName, Limit, QueueChange, Rate, State};
use longshore_memory::MemoryStore;
use longshore_runtime::testing::TestKit;
use longshore_runtime::{
    Args, Client, Job, Outcome, ParentResult, Parents, Queue, RateScope, Worker, WorkerConfig,
};
use longshore_storetest::assert_sound;

use crate::support::{HOUR, Room, Shift, Task, file, keep, millis, queue, soon};

async fn sum(parents: Parents) -> Result<u32, Outcome> {
    let results = parents.all().await?;
    let read = |result: &ParentResult| result.read::<u32>().map_err(|error| Outcome::fail(&error));
    results.iter().map(read).sum()
}

#[tokio::test]
async fn a_child_gets_the_results_of_its_parents_by_name() {
    let room = Room::new();
    keep(&room.engine, HOUR);
    let worker = room
        .worker()
        .register(async |Args(task): Args<Task>| Ok::<_, Outcome>(task.number))
        .handle("sum", sum);
    let ask = async |parents: Parents| {
        let left = parents.get("left").await?.and_then(|left| left.result);
        Ok::<_, Outcome>((left, parents.get("nobody").await?.is_none()))
    };
    let shift = Shift::start(worker.handle("ask", ask));
    let left = room.client.enqueue(Task { number: 3 }).await.unwrap().id;
    let right = room.client.enqueue(Task { number: 4 }).await.unwrap().id;
    let child = |kind: &str| {
        let mut spec = room.spec(kind);
        let options = Arc::make_mut(&mut spec.options);
        let name =
            |id: &JobId, name: &str| longshore_core::Parent { id: id.clone(), name: Some(name.to_owned()) };
        options.depends_on = vec![name(&left, "left"), name(&right, "right")];
        spec
    };
    let sum = room.insert(child("sum")).await;
    assert_eq!(room.ended(&sum).await.result.unwrap().as_str(), "7");
    let ask = room.insert(child("ask")).await;
    assert_eq!(room.ended(&ask).await.result.unwrap().as_str(), "[3,true]");
    shift.drain().await;
}

#[tokio::test]
async fn a_flow_is_inserted_in_one_step_with_a_callback_that_runs_whatever_happened() {
    let room = Room::new();
    keep(&room.engine, HOUR);
    let worker = room.worker().register(async |Args(task): Args<Task>| match task.number {
        13 => Err(Outcome::fail("unlucky")),
        number => Ok(number),
    });
    let tell = async |parents: Parents| {
        let states = parents.all().await?.into_iter().map(|parent| parent.state);
        Ok::<_, Outcome>(states.collect::<Vec<_>>())
    };
    let shift = Shift::start(worker.handle("tell", tell));
    let task = |number| room.client.enqueue(Task { number });
    let mut flow = room.client.flow();
    let chain = flow.chain([task(1), task(2)]);
    let mut ends = flow.group([task(13), task(4)]);
    ends.extend(chain.last().cloned());
    let reduced = flow.then(&ends[1..], task(5));
    let told = flow.finally(&ends, room.client.enqueue(Tell));
    let receipts = flow.insert().await.unwrap();
    assert_eq!(receipts.iter().filter(|receipt| receipt.state == State::Blocked).count(), 3);
    assert_eq!(room.ended(&reduced).await.state, State::Completed);
    assert_eq!(room.ended(&told).await.result.unwrap().as_str(), r#"["failed","completed","completed"]"#);
    shift.drain().await;
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Tell;

impl Job for Tell {
    type Output = longshore_core::Json;
    const KIND: &'static str = "tell";
}

#[tokio::test]
async fn a_flow_with_a_mistake_inserts_nothing() {
    let room = Room::new();
    let mut flow = room.client.flow();
    flow.add(room.client.enqueue(Task { number: 1 }));
    flow.add(room.client.enqueue(Task { number: 2 }).queue(""));
    let error = flow.insert().await.unwrap_err();
    assert!(error.to_string().starts_with("jobs[1].queue"), "{error}");
    assert!(room.control.queues().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_chain_runs_in_order_over_two_processes() {
    let dir = tempfile::tempdir().unwrap();
    let node = || {
        let door = Door::system();
        Room::on(file(&dir, &door), door)
    };
    let (here, there) = (node(), node());
    keep(&here.engine, HOUR);
    let shift = Shift::start(there.worker().register(async |_: Args<Task>| Ok::<_, Outcome>(())));
    let mut last = here.client.enqueue(Task { number: 0 }).await.unwrap().id;
    for number in 1..20 {
        last = here.client.enqueue(Task { number }).after_job(&last).await.unwrap().id;
    }
    assert_eq!(here.ended(&last).await.state, State::Completed);
    assert_eq!(here.count("default", State::Completed).await, 20);
    shift.drain().await;
    assert_sound(&*here.store).await;
}

/// Counts how many of its jobs run at once.
#[derive(Clone)]
struct Crowd {
    now: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
    /// Two of them wait for each other here.
    pair: Arc<tokio::sync::Barrier>,
}

impl Crowd {
    fn new() -> Self {
        Self { now: Arc::default(), most: Arc::default(), pair: Arc::new(tokio::sync::Barrier::new(2)) }
    }

    async fn one(&self, in_pair: bool) {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        if in_pair {
            self.pair.wait().await;
        }
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        self.now.fetch_sub(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_concurrency_limit_holds_over_all_workers_and_lets_all_jobs_through() {
    let dir = tempfile::tempdir().unwrap();
    let nodes: Vec<Room> = (0..3)
        .map(|_| {
            let door = Door::system();
            Room::on(file(&dir, &door), door)
        })
        .collect();
    let change = QueueChange { concurrency: Some(Some(2)), ..QueueChange::default() };
    nodes[0].control.set_queue(&queue("default"), change).await.unwrap();
    let limit = Limit { key: Some("args.number".to_owned()), concurrency: Some(1), ..Limit::default() };
    nodes[0].control.set_kind(&KindName::new("task").unwrap(), vec![limit]).await.unwrap();
    keep(&nodes[0].engine, HOUR);
    let crowd = Crowd::new();
    let shifts: Vec<Shift> = nodes
        .iter()
        .map(|node| {
            let crowd = crowd.clone();
            Shift::start(node.worker().register(move |Args(task): Args<Task>| {
                let crowd = crowd.clone();
                async move {
                    crowd.one(task.number >= 100).await;
                    Ok::<_, Outcome>(())
                }
            }))
        })
        .collect();
    let mut ids = Vec::new();
    for number in 0..62 {
        let task = Task { number: if number < 60 { number % 4 } else { number + 40 } };
        ids.push(nodes[number as usize % 3].client.enqueue(task).await.unwrap().id);
    }
    for id in &ids {
        assert_eq!(nodes[1].ended(id).await.state, State::Completed);
    }
    assert_eq!(crowd.most.load(Ordering::SeqCst), 2);
    for shift in shifts {
        shift.drain().await;
    }
    assert_sound(&*nodes[0].store).await;
}

#[tokio::test]
async fn a_job_with_parents_tells_exactly_when_it_started() {
    let (door, manual) = TestKit::door();
    let spy = Arc::new(crate::spy::on(Arc::new(MemoryStore::new(&door))));
    let room = Room::on(spy.clone(), door.clone());
    let shift = Shift::start(room.worker().register(async |_: Args<Task>| Ok::<_, Outcome>(())));
    let parent = room.client.enqueue(Task { number: 1 }).await.unwrap().id;
    room.ended(&parent).await;
    spy.delay("turn");
    let asked = spy.more("turn", 1);
    let child = room.client.enqueue(Task { number: 2 }).after_job(&parent).await.unwrap().id;
    asked.await;
    manual.advance(millis(3));
    spy.mend();
    assert_eq!(room.ended(&child).await.started_at, Some(door.clock.now()));
    shift.drain().await;
}

/// One start in each interval, by when it was allowed: how long it took from there to the handler is no matter of the rate.
fn keeps_a_rate(jobs: &[Record], interval: Duration) {
    let starts: Vec<_> = jobs.iter().map(|job| job.started_at.unwrap().since(jobs[0].created_at)).collect();
    assert!((0..).zip(&starts).all(|(number, start)| *start >= interval * number), "{starts:?}");
}

#[tokio::test]
async fn a_rate_limit_is_kept_without_any_look_that_nobody_asked_for() {
    let room = Room::new();
    let rate = Rate { rate: 1, interval: millis(40), burst: Some(1) };
    let change = QueueChange { rate: Some(Some(rate)), ..QueueChange::default() };
    room.control.set_queue(&queue("default"), change).await.unwrap();
    let config = WorkerConfig { scan_interval: HOUR, ..crate::support::calm() };
    let worker = room.worker().config(config).register(async |_: Args<Task>| Ok::<_, Outcome>(()));
    let shift = Shift::start(worker);
    let mut ids = Vec::new();
    for number in 0..6 {
        ids.push(room.client.enqueue(Task { number }).await.unwrap().id);
    }
    let mut jobs = Vec::new();
    for id in &ids {
        jobs.push(room.ended(id).await);
    }
    keeps_a_rate(&jobs, millis(40));
    shift.drain().await;
}

#[tokio::test]
async fn a_worker_may_set_the_rate_of_a_queue_for_all_or_keep_one_for_itself() {
    for scope in [RateScope::Queue, RateScope::Worker] {
        let room = Room::new();
        let paced = Queue::new("default").rate_limit(1, millis(40)).rate_scope(scope);
        let worker = Worker::new(room.engine.clone()).config(crate::support::calm()).queue(paced);
        let shift = Shift::start(worker.register(async |_: Args<Task>| Ok::<_, Outcome>(())));
        let mut jobs = Vec::new();
        for number in 0..4 {
            let id = room.client.enqueue(Task { number }).await.unwrap().id;
            jobs.push(room.ended(&id).await);
        }
        keeps_a_rate(&jobs, millis(40));
        let limits = room.control.queue(&queue("default")).await.unwrap().unwrap().limits;
        assert_eq!(limits.len(), usize::from(scope == RateScope::Queue));
        shift.drain().await;
    }
}

#[tokio::test]
async fn a_handler_may_enqueue_jobs_itself() {
    let room = Room::new();
    let worker = room.worker().register(async |Args(task): Args<Task>, client: Client| {
        if task.number > 0 {
            client.enqueue(Task { number: task.number - 1 }).id("last").await?;
        }
        Ok::<_, Outcome>(task.number)
    });
    let shift = Shift::start(worker);
    room.client.enqueue(Task { number: 1 }).await.unwrap();
    let last = JobId::parse("last").unwrap();
    let ended = async {
        while room.control.job(&last).await.map_or(true, |job| !job.state.is_end()) {
            tokio::task::yield_now().await;
        }
    };
    soon(ended).await;
    assert_eq!(room.job(&last).await.result.unwrap().as_str(), "0");
    shift.drain().await;
}
