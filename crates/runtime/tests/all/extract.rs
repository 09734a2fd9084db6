//! Handlers name what they need.

use longshore_core::State as Stands;
use longshore_runtime::{Args, Attempt, Cancel, Outcome, Progress, Queue, State, Worker};

use crate::support::{Room, Shift, Task};

async fn none() -> Result<u32, Outcome> {
    Ok(0)
}

async fn one(Args(task): Args<Task>) -> Result<u32, Outcome> {
    Ok(task.number)
}

async fn two(Args(task): Args<Task>, _: Cancel) -> Result<u32, Outcome> {
    Ok(task.number)
}

async fn three(Args(task): Args<Task>, _: Cancel, _: Progress) -> Result<u32, Outcome> {
    Ok(task.number)
}

async fn four(Args(task): Args<Task>, _: Cancel, _: Progress, attempt: Attempt) -> Result<u32, Outcome> {
    Ok(task.number * attempt.number)
}

async fn five(
    Args(task): Args<Task>,
    _: Cancel,
    _: Progress,
    attempt: Attempt,
    State(text): State<String>,
) -> Result<u32, Outcome> {
    Ok(task.number * attempt.number * text.len() as u32)
}

async fn six(
    Args(task): Args<Task>,
    cancel: Cancel,
    progress: Progress,
    attempt: Attempt,
    text: State<String>,
    factor: State<u32>,
) -> Result<u32, Outcome> {
    progress.at(10, "begun").await;
    assert!(!cancel.is_cancelled());
    Ok(task.number * attempt.number * text.len() as u32 * *factor)
}

#[tokio::test]
async fn a_handler_takes_up_to_six_things() {
    let room = Room::new();
    let worker = Worker::new(room.engine.clone()).queue(Queue::new("default"));
    let worker = worker.state("one".to_owned()).state(100_u32);
    let worker = worker.handle("none", none).handle("one", one).handle("two", two).handle("three", three);
    let shift = Shift::start(worker.handle("four", four).handle("five", five).handle("six", six));
    let kinds =
        [("none", 0), ("one", 7), ("two", 7), ("three", 7), ("four", 7), ("five", 21), ("six", 2_100)];
    for (kind, wanted) in kinds {
        let mut spec = room.spec(kind);
        spec.args = longshore_core::Json::from_value(&Task { number: 7 }).unwrap();
        let job = room.ended(&room.insert(spec).await).await;
        assert_eq!(job.state, Stands::Completed, "{kind}: {job:?}");
        assert_eq!(job.result.unwrap().to::<u32>().unwrap(), wanted, "{kind}");
    }
    shift.drain().await;
}

#[tokio::test]
async fn a_handler_is_found_by_its_args() {
    let room = Room::new();
    let shift = Shift::start(room.worker().state("x".to_owned()).state(1_u32).register(six));
    let receipt = room.client.enqueue(Task { number: 3 }).await.unwrap();
    assert_eq!(room.ended(&receipt.id).await.result.unwrap().as_str(), "3");
    shift.drain().await;
}

#[tokio::test]
async fn a_handler_knows_its_attempt() {
    let room = Room::new();
    let shift = Shift::start(room.worker().handle("task", async |attempt: Attempt| {
        let key = attempt.idempotency_key().to_owned();
        Ok::<_, Outcome>((key, attempt.queue, attempt.kind, attempt.number, attempt.max))
    }));
    let receipt = room.client.enqueue(Task { number: 1 }).id("order-1").max_attempts(3).await.unwrap();
    let job = room.ended(&receipt.id).await;
    assert_eq!(job.result.unwrap().as_str(), r#"["order-1","default","task",1,3]"#);
    shift.drain().await;
}
