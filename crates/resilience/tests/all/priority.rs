use std::sync::mpsc as blocking;
use std::sync::{Arc, Mutex};

use longshore_clock::Door;
use longshore_resilience::{
    EnqueueError, PriorityTaskQueue, PriorityTaskQueueConfig, StopMode, TaskError, TaskHandle,
};
use proptest::prelude::*;
use tokio::sync::oneshot;

use crate::support::{Bomb, door, millis, runtime, secs, waits};

fn queue(max_queue_size: usize) -> PriorityTaskQueue {
    let config = PriorityTaskQueueConfig { max_queue_size, ..PriorityTaskQueueConfig::default() };
    PriorityTaskQueue::new(config, &Door::system()).unwrap()
}

#[tokio::test]
async fn a_handle_gives_the_value_and_a_panic_is_an_error() {
    let queue = queue(10);
    let early = queue.enqueue(async || 6 * 7, 0).unwrap();
    queue.start();
    assert_eq!(early.result().await, Ok(42));
    let panics = queue.enqueue(async || panic!("on purpose"), 0).unwrap();
    assert_eq!(panics.result().await, Err::<(), _>(TaskError::Panicked("on purpose".to_owned())));
    let after = queue.enqueue(async || "it goes on", 0).unwrap();
    assert_eq!(after.result().await, Ok("it goes on"));
    assert_eq!(queue.stop(StopMode::Drain, secs(5)).await, 0);
    let metrics = queue.get_metrics();
    assert_eq!((metrics.completed, metrics.panicked, metrics.running), (2, 1, 0));
}

#[tokio::test]
async fn what_is_cancelled_ends_whether_it_runs_or_not() {
    let queue = queue(10);
    queue.start();
    let (begun, begins) = oneshot::channel();
    let running = queue
        .enqueue(
            move || async move {
                begun.send(()).unwrap();
                std::future::pending::<()>().await;
            },
            0,
        )
        .unwrap();
    let waiting = queue.enqueue(async || 1, 0).unwrap();
    begins.await.unwrap();
    waiting.cancel();
    running.cancel();
    assert_eq!(running.result().await, Err(TaskError::Cancelled));
    assert_eq!(waiting.result().await, Err(TaskError::Cancelled));
    assert_eq!(queue.get_metrics().cancelled, 2);
}

#[tokio::test]
async fn a_full_queue_gives_the_task_back() {
    let queue = queue(1);
    let _waits = queue.enqueue(async || 1, 0).unwrap();
    let Err(EnqueueError::Full { item, limit: 1 }) = queue.enqueue(async || 2, 0) else {
        panic!("there is no room")
    };
    assert_eq!(item().await, 2);
}

#[tokio::test]
async fn a_stop_always_returns() {
    let (door, manual) = door();
    let config = PriorityTaskQueueConfig { workers: 2, ..PriorityTaskQueueConfig::default() };
    let queue = PriorityTaskQueue::new(config, &door).unwrap();
    queue.start();
    let (begun, begins) = oneshot::channel();
    let endless = queue
        .enqueue(
            move || async move {
                begun.send(()).unwrap();
                std::future::pending::<()>().await;
            },
            0,
        )
        .unwrap();
    begins.await.unwrap();
    let other = queue.clone();
    let stop = tokio::spawn(async move { other.stop(StopMode::Drain, secs(3)).await });
    tokio::task::yield_now().await;
    assert!(matches!(queue.enqueue(async || 1, 0), Err(EnqueueError::Stopped { .. })));
    assert!(!stop.is_finished());
    manual.advance(secs(3));
    assert_eq!(stop.await.unwrap(), 1);
    assert_eq!(endless.result().await, Err(TaskError::Stopped));

    // It may be started again, and aborted with tasks in the line.
    queue.start();
    assert_eq!(queue.enqueue(async || 7, 0).unwrap().result().await, Ok(7));
    let idle = PriorityTaskQueue::new(PriorityTaskQueueConfig::default(), &door).unwrap();
    let lost = idle.enqueue(async || 1, 0).unwrap();
    assert_eq!(idle.stop(StopMode::Abort, secs(0)).await, 1);
    assert_eq!(lost.result().await, Err(TaskError::Stopped));
    let config = PriorityTaskQueueConfig { workers: 0, ..PriorityTaskQueueConfig::default() };
    assert_eq!(PriorityTaskQueue::new(config, &door).err().unwrap().field, "workers");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn the_lowest_priority_runs_first_and_ties_keep_their_order(
        priorities in prop::collection::vec(-3..4_i64, 1..100),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let queue = queue(1_000);
            let order: Arc<Mutex<Vec<(i64, usize)>>> = Arc::default();
            for (number, priority) in priorities.iter().copied().enumerate() {
                let order = order.clone();
                let note = async move || order.lock().unwrap().push((priority, number));
                drop(queue.enqueue(note, priority).ok().unwrap());
            }
            queue.start();
            queue.stop(StopMode::Drain, secs(10)).await;
            let order = order.lock().unwrap().clone();
            let mut sorted: Vec<_> = priorities.iter().copied().zip(0..).collect();
            sorted.sort_unstable();
            assert_eq!(order, sorted);
        });
    }
}

/// Keeps the only worker busy until the sender goes.
async fn hold(queue: &PriorityTaskQueue) -> oneshot::Sender<()> {
    let (begun, begins) = oneshot::channel();
    let (go, wait) = oneshot::channel();
    let held = async move || {
        begun.send(()).unwrap();
        let _ = wait.await;
    };
    drop(queue.enqueue(held, i64::MIN).unwrap());
    begins.await.unwrap();
    go
}

#[tokio::test]
async fn a_task_that_waits_is_cancelled_without_its_turn_and_makes_room() {
    let queue = queue(1);
    queue.start();
    let _go = hold(&queue).await;
    let waiting = queue.enqueue(async || 1, 0).unwrap();
    waiting.cancel();
    assert_eq!(waiting.result().await, Err(TaskError::Cancelled));
    assert!(queue.enqueue(async || 2, 0).is_ok());
    assert_eq!(queue.get_metrics().cancelled, 1);
}

#[tokio::test]
async fn tasks_end_with_the_last_clone_of_their_queue() {
    let queue = queue(10);
    queue.start();
    let (begun, begins) = oneshot::channel();
    let running = async move || {
        begun.send(()).unwrap();
        std::future::pending::<()>().await;
    };
    let running = queue.enqueue(running, 0).unwrap();
    let waiting = queue.enqueue(async || 1, 0).unwrap();
    begins.await.unwrap();
    drop(queue);
    assert_eq!(waiting.result().await, Err(TaskError::Stopped));
    assert_eq!(running.result().await, Err(TaskError::Stopped));
}

#[tokio::test]
async fn a_stop_that_is_overtaken_leaves_the_next_start_alone() {
    let queue = queue(10);
    queue.start();
    let _go = hold(&queue).await;
    let slow = tokio::spawn({
        let queue = queue.clone();
        async move { queue.stop(StopMode::Drain, secs(3600)).await }
    });
    while queue.enqueue(async || (), 0).is_ok() {
        tokio::task::yield_now().await;
    }
    queue.stop(StopMode::Abort, secs(5)).await;
    queue.start();
    assert_eq!(slow.await.unwrap(), 0);
    assert_eq!(queue.enqueue(async || 7, 0).unwrap().result().await, Ok(7));
}

#[tokio::test]
async fn a_stop_that_is_given_up_has_not_happened() {
    let queue = queue(10);
    queue.start();
    let go = hold(&queue).await;
    tokio::select! {
        biased;
        _ = queue.stop(StopMode::Drain, secs(3600)) => panic!("a task runs"),
        () = tokio::task::yield_now() => {}
    }
    let after = queue.enqueue(async || 7, 0).unwrap();
    drop(go);
    assert_eq!(after.result().await, Ok(7));
}

#[tokio::test]
async fn a_queue_takes_nothing_while_any_stop_is_under_way() {
    let queue = queue(10);
    queue.start();
    let go = hold(&queue).await;
    let mut first = std::pin::pin!(queue.stop(StopMode::Drain, secs(3600)));
    assert!(waits(first.as_mut()).await);
    {
        let second = std::pin::pin!(queue.stop(StopMode::Drain, secs(3600)));
        assert!(waits(second).await);
    }
    assert!(queue.enqueue(async || (), 0).is_err());
    drop(go);
    assert_eq!(first.await, 0);
    assert!(queue.enqueue(async || (), 0).is_err());
    queue.start();
    assert_eq!(queue.enqueue(async || 7, 0).unwrap().result().await, Ok(7));
}

/// A task that no stop can end, because it never awaits: what lets it go, and its handle.
async fn stuck(queue: &PriorityTaskQueue) -> (blocking::Sender<()>, TaskHandle<()>) {
    let (begun, begins) = oneshot::channel();
    let (go, wait) = blocking::channel();
    let stuck = async move || {
        begun.send(()).unwrap();
        let _ = wait.recv();
    };
    let stuck = queue.enqueue(stuck, 0).unwrap();
    begins.await.unwrap();
    (go, stuck)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_worker_that_was_left_behind_touches_nothing_of_the_next_start() {
    let queue = queue(100);
    queue.start();
    let (go, left) = stuck(&queue).await;
    assert_eq!(queue.stop(StopMode::Abort, millis(1)).await, 1);
    queue.start();
    // The only worker has a task, and others wait, as the one from before returns.
    let (next, running) = stuck(&queue).await;
    let waiting: Vec<_> = (0..30).map(|n| queue.enqueue(async move || n, 0).unwrap()).collect();
    drop(go);
    left.result().await.unwrap();
    let drained = tokio::spawn({
        let queue = queue.clone();
        async move { queue.stop(StopMode::Drain, secs(60)).await }
    });
    while queue.enqueue(async || (), 0).is_ok() {
        tokio::task::yield_now().await;
    }
    assert_eq!(queue.get_metrics().running, 1);
    drop(next);
    running.result().await.unwrap();
    for (n, task) in waiting.into_iter().enumerate() {
        assert_eq!(task.result().await, Ok(n));
    }
    assert_eq!(drained.await.unwrap(), 0);
    // It gave its value after all.
    while queue.get_metrics().cancelled > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_task_that_gives_its_value_while_it_is_aborted_was_not_cancelled() {
    // On a clock that stands still a stop has patience.
    let queue = PriorityTaskQueue::new(PriorityTaskQueueConfig::default(), &door().0).unwrap();
    queue.start();
    let (go, stuck) = stuck(&queue).await;
    let waits = queue.enqueue(async || 7, 0).unwrap();
    let stopped = tokio::spawn({
        let queue = queue.clone();
        async move { queue.stop(StopMode::Abort, secs(60)).await }
    });
    assert_eq!(waits.result().await, Err(TaskError::Stopped));
    drop(go);
    assert_eq!(stuck.result().await, Ok(()));
    assert_eq!(stopped.await.unwrap(), 1);
    let metrics = queue.get_metrics();
    assert_eq!((metrics.running, metrics.completed, metrics.cancelled), (0, 1, 1));
}

#[tokio::test]
async fn what_panics_as_it_is_dropped_stops_no_worker() {
    let queue = queue(10);
    queue.start();
    // The value of a task whose handle is gone.
    drop(queue.enqueue(async || Bomb, 0).unwrap());
    // What a running task holds when it is cancelled.
    let (begun, begins) = oneshot::channel();
    let held = queue
        .enqueue(
            move || async move {
                let _bomb = Bomb;
                begun.send(()).unwrap();
                std::future::pending::<()>().await;
            },
            0,
        )
        .unwrap();
    begins.await.unwrap();
    held.cancel();
    assert_eq!(held.result().await, Err(TaskError::Cancelled));
    // What a panic carries.
    let carried = queue.enqueue(async || std::panic::panic_any(Bomb), 0).unwrap();
    let text = "it gave no text".to_owned();
    assert_eq!(carried.result().await, Err::<(), _>(TaskError::Panicked(text)));
    let after = queue.enqueue(async || "it goes on", 0).unwrap();
    assert_eq!(after.result().await, Ok("it goes on"));
    assert_eq!(queue.stop(StopMode::Drain, secs(5)).await, 0);
    assert_eq!(queue.get_metrics().running, 0);
    // What tasks hold that never begin.
    queue.start();
    for _ in 0..2 {
        let bomb = Bomb;
        drop(queue.enqueue(async move || drop(bomb), 0).unwrap());
    }
    assert_eq!(queue.stop(StopMode::Abort, secs(5)).await, 2);
}

#[test]
fn a_queue_whose_runtime_is_gone_is_started_on_another() {
    let queue = queue(10);
    let (first, second) = (runtime(), runtime());
    let (begun, begins) = std::sync::mpsc::channel();
    let task = move || async move {
        begun.send(()).unwrap();
        std::future::pending::<()>().await;
    };
    let lost = queue.enqueue(task, 0).unwrap();
    first.block_on(async { queue.start() });
    begins.recv().unwrap();
    drop(first);
    let metrics = queue.get_metrics();
    assert_eq!((metrics.running, metrics.cancelled), (0, 1));
    second.block_on(async {
        let waits = queue.enqueue(async || 7, 0).unwrap();
        queue.start();
        assert_eq!(waits.result().await, Ok(7));
        assert_eq!(lost.result().await, Err(TaskError::Stopped));
        assert_eq!(queue.stop(StopMode::Drain, secs(5)).await, 0);
    });
    let metrics = queue.get_metrics();
    assert_eq!((metrics.running, metrics.completed, metrics.cancelled), (0, 1, 1));
}

#[test]
fn a_stop_does_not_wait_for_workers_whose_runtime_is_gone() {
    let queue = queue(10);
    let (first, second) = (runtime(), runtime());
    let _go = first.block_on(async {
        queue.start();
        hold(&queue).await
    });
    second.block_on(async {
        let waiting = queue.enqueue(async || 7, 0).unwrap();
        let mut stop = std::pin::pin!(queue.stop(StopMode::Drain, secs(3600)));
        assert!(waits(stop.as_mut()).await);
        first.shutdown_background();
        assert_eq!(stop.await, 2);
        assert_eq!(waiting.result().await, Err(TaskError::Stopped));
    });
    // Nothing is left on a runtime that takes no more.
    let gone = runtime();
    let handle = gone.handle().clone();
    drop(gone);
    {
        let _entered = handle.enter();
        queue.start();
    }
    second.block_on(async {
        queue.start();
        assert_eq!(queue.enqueue(async || 7, 0).unwrap().result().await, Ok(7));
    });
}
