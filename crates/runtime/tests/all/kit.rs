//! The kit for the tests of users.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use longshore_core::State;
use longshore_memory::MemoryStore;
use longshore_runtime::testing::TestKit;
use longshore_runtime::{Args, IntoSeconds, Outcome, State as Shared};

use crate::support::Task;

/// A kit on a store in memory.
pub(crate) fn kit() -> TestKit {
    let (door, manual) = TestKit::door();
    TestKit::on(Arc::new(MemoryStore::new(&door)), door, manual)
}

#[tokio::test]
async fn it_runs_one_job_at_a_time_in_their_order() {
    let mut kit = kit();
    kit.register(async |Args(task): Args<Task>| Ok::<_, Outcome>(task.number));
    assert!(kit.run_one("default").await.unwrap().is_none());
    for number in [1, 2] {
        kit.client().enqueue(Task { number }).await.unwrap();
    }
    for number in ["1", "2"] {
        let job = kit.run_one("default").await.unwrap().unwrap();
        assert_eq!((job.state, job.result.unwrap().as_str()), (State::Completed, number));
    }
    assert!(kit.run_one("default").await.unwrap().is_none());
}

#[tokio::test]
async fn it_drains_a_queue_with_what_its_jobs_enqueue() {
    let mut kit = kit();
    let client = kit.client();
    let ran = Arc::new(AtomicU32::new(0));
    kit.state(AtomicU32::new(7));
    let counted = ran.clone();
    kit.register(move |Args(task): Args<Task>, seven: Shared<AtomicU32>| {
        let (client, counted) = (client.clone(), counted.clone());
        async move {
            counted.fetch_add(seven.load(Ordering::Relaxed), Ordering::Relaxed);
            if task.number > 0 {
                client.enqueue(Task { number: task.number - 1 }).await?;
            }
            Ok::<_, Outcome>(())
        }
    });
    kit.client().enqueue(Task { number: 3 }).await.unwrap();
    assert_eq!(kit.drain("default").await.unwrap(), 4);
    assert_eq!(ran.load(Ordering::Relaxed), 28);
}

#[tokio::test]
async fn its_clock_moves_when_it_is_told_to() {
    let mut kit = kit();
    kit.register(async |_: Args<Task>| Ok::<_, Outcome>(()));
    kit.client().enqueue(Task { number: 1 }).after(1.hour()).await.unwrap();
    kit.advance(Duration::from_millis(3_599_999)).await.unwrap();
    assert!(kit.run_one("default").await.unwrap().is_none(), "not due yet");
    kit.advance(Duration::from_millis(1)).await.unwrap();
    assert_eq!(kit.run_one("default").await.unwrap().unwrap().state, State::Completed);
}

#[tokio::test]
async fn it_finds_what_was_enqueued() {
    let kit = kit();
    for number in [1, 2, 3] {
        kit.client().enqueue(Task { number }).await.unwrap();
    }
    kit.assert_enqueued::<Task>(|task| task.number == 2).await;
    let numbers: Vec<u32> = kit.enqueued::<Task>().await.unwrap().iter().map(|task| task.number).collect();
    assert_eq!(numbers, [1, 2, 3]);
}

#[tokio::test]
#[should_panic(expected = "no task job like that among the 1 enqueued")]
async fn it_says_what_was_not_enqueued() {
    let kit = kit();
    kit.client().enqueue(Task { number: 1 }).await.unwrap();
    kit.assert_enqueued::<Task>(|task| task.number == 2).await;
}
