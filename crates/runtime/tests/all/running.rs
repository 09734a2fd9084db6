//! A job runs, and its record says what became of it.

use longshore_core::{Json, Reason, State};
use longshore_runtime::testing::TestKit;
use longshore_runtime::{Args, Job, Outcome, State as Shared};
use serde::{Deserialize, Serialize};

use crate::kit::kit;
use crate::support::{Room, Shift, Task};

#[derive(Serialize, Deserialize)]
struct Add {
    left: i64,
    right: i64,
}

impl Job for Add {
    type Output = u32;
    const KIND: &'static str = "add";
}

async fn add(Args(job): Args<Add>) -> Result<i64, Outcome> {
    Ok(job.left + job.right)
}

#[tokio::test]
async fn a_job_runs_and_its_result_attempt_and_times_are_stored() {
    let room = Room::new();
    let shift = Shift::start(room.worker().register(add));
    let receipt = room.client.enqueue(Add { left: 2, right: 3 }).await.unwrap();
    let job = room.ended(&receipt.id).await;
    assert_eq!((job.state, job.reason, job.result.unwrap().as_str()), (State::Completed, None, "5"));
    assert_eq!((job.attempt, job.stalls, job.progress.percent, job.errors.len()), (1, 0, 100, 0));
    assert!(job.started_at >= Some(job.created_at) && job.finished_at >= job.started_at);
    assert!(job.worker.is_some());
    shift.drain().await;
}

#[tokio::test]
async fn a_handler_that_returns_nothing_stores_no_result() {
    let room = Room::new();
    let worker = room.worker().handle("unit", || async { Ok::<_, Outcome>(()) });
    let shift = Shift::start(worker.handle("none", || async { Ok::<_, Outcome>(None::<String>) }));
    for kind in ["unit", "none"] {
        let job = room.ended(&room.add(kind).await).await;
        assert_eq!((job.state, job.result), (State::Completed, None), "{kind}");
    }
    shift.drain().await;
}

#[tokio::test]
async fn args_that_do_not_fit_fail_the_job_at_once() {
    let room = Room::new();
    let shift = Shift::start(room.worker().register(add));
    let mut spec = room.spec("add");
    spec.args = Json::parse(r#"{"left": 2, "right": "three"}"#).unwrap();
    let job = room.ended(&room.insert(spec).await).await;
    assert_eq!((job.state, job.reason, job.attempt), (State::Failed, Some(Reason::BadArgs), 1));
    assert!(job.errors[0].message.contains("three"), "{:?}", job.errors);
    shift.drain().await;
}

#[tokio::test]
async fn state_that_the_worker_was_not_given_is_a_retry() {
    let mut kit = kit();
    kit.register(async |_: Args<Task>, _: Shared<String>| Ok::<_, Outcome>(()));
    kit.client().enqueue(Task { number: 1 }).await.unwrap();
    let job = kit.run_one("default").await.unwrap().unwrap();
    assert_eq!((job.state, job.reason), (State::Scheduled, Some(Reason::Error)));
    assert!(job.errors[0].message.contains("Worker::state"), "{:?}", job.errors);
}

#[tokio::test]
async fn a_result_that_is_too_large_fails_the_job_at_once() {
    let mut kit: TestKit = kit();
    kit.register(async |_: Args<Task>| Ok::<_, Outcome>("x".repeat(1_048_576)));
    kit.client().enqueue(Task { number: 1 }).await.unwrap();
    let job = kit.run_one("default").await.unwrap().unwrap();
    assert_eq!((job.state, job.reason, job.result), (State::Failed, Some(Reason::ResultTooLarge), None));
}
