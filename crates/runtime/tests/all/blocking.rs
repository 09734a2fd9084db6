//! Handlers that block their threads.

use std::sync::{Arc, Barrier, Mutex, mpsc};

use longshore_core::{DurationText, Json, Reason, State};
use longshore_runtime::{Args, Outcome, Queue, Worker, blocking, overdue_threads};

use crate::support::{Room, Shift, Task, millis, soon};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_of_them_block_at_once() {
    let room = Room::new();
    let all = Arc::new(Barrier::new(100));
    // Nobody gets past before all hundred are there.
    let meet = blocking(move |Args(task): Args<Task>| {
        all.wait();
        Ok::<_, Outcome>(task.number)
    });
    let worker =
        Worker::new(room.engine.clone()).queue(Queue::new("default").concurrency(100)).register(meet);
    let shift = Shift::start(worker);
    let mut ids = Vec::new();
    for number in 0..100 {
        ids.push(room.client.enqueue(Task { number }).await.unwrap().id);
    }
    for (number, id) in ids.iter().enumerate() {
        let job = room.ended(id).await;
        assert_eq!(
            (job.state, job.result),
            (State::Completed, Some(Json::parse(&number.to_string()).unwrap()))
        );
    }
    shift.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_nobody_waits_for_any_more_runs_out_and_is_counted() {
    let room = Room::new();
    let (let_go, wait) = mpsc::channel::<()>();
    let (told, gone) = tokio::sync::oneshot::channel();
    let (wait, told) = (Arc::new(Mutex::new(wait)), Arc::new(Mutex::new(Some(told))));
    let stubborn = blocking(move || {
        let _ = wait.lock().unwrap().recv();
        told.lock().unwrap().take().map(|told| told.send(()));
        Ok::<_, Outcome>("too late")
    });
    let shift = Shift::start(room.worker().handle("stubborn", stubborn));
    let mut spec = room.spec("stubborn");
    let options = Arc::make_mut(&mut spec.options);
    (options.timeout, options.max_attempts) = (Some(DurationText(millis(30))), 1);
    let id = room.insert(spec).await;
    let job = room.ended(&id).await;
    assert_eq!((job.state, job.reason, job.result), (State::Failed, Some(Reason::Timeout), None));
    assert_eq!(overdue_threads(), 1);
    let_go.send(()).unwrap();
    soon(gone).await.unwrap();
    soon(async {
        while overdue_threads() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    shift.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_is_a_failed_attempt() {
    let room = Room::new();
    let panics = blocking(|| -> Result<(), Outcome> { panic!("no paper") });
    let shift = Shift::start(room.worker().handle("panics", panics));
    let mut spec = room.spec("panics");
    Arc::make_mut(&mut spec.options).max_attempts = 1;
    let id = room.insert(spec).await;
    let job = room.ended(&id).await;
    assert_eq!((job.state, job.reason), (State::Failed, Some(Reason::Panic)));
    assert!(job.errors[0].message.contains("no paper"));
    shift.drain().await;
}
