//! Handlers that block their threads: they lose no lease, and hold up no end.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use futures_util::FutureExt;
use longshore_clock::Door;
use longshore_core::{DurationText, EventName, Reason, State};
use longshore_memory::MemoryStore;
use longshore_runtime::{Outcome, Subscription, Worker};
use tokio::sync::Notify;

use crate::support::{Room, Shift, keep, millis, soon, steady_lease};

/// Counts its calls, then blocks its thread until it is let go.
fn blocking(
    worker: Worker,
    calls: &Arc<AtomicU32>,
    begun: &Arc<Notify>,
    release: mpsc::Receiver<()>,
) -> Worker {
    let (calls, begun, release) = (calls.clone(), begun.clone(), Arc::new(Mutex::new(release)));
    worker.handle("blocking", move || {
        let (calls, begun, release) = (calls.clone(), begun.clone(), release.clone());
        async move {
            calls.fetch_add(1, Ordering::SeqCst);
            begun.notify_one();
            let _ = release.lock().unwrap().recv();
            Ok::<_, Outcome>(())
        }
    })
}

#[tokio::test]
async fn a_handler_that_blocks_every_thread_longer_than_its_lease_does_not_lose_it() {
    let door = Door::system();
    let spy = Arc::new(crate::spy::on(Arc::new(MemoryStore::new(&door))));
    let (calls, begun) = (Arc::new(AtomicU32::new(0)), Arc::new(Notify::new()));
    let (let_go, release) = mpsc::channel();

    // A process of its own, as it were: its runtime has one thread, and the handler blocks it.
    let blocked = std::thread::spawn({
        let (spy, door, calls, begun) = (spy.clone(), door.clone(), calls.clone(), begun.clone());
        move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let room = Room::on(spy, door);
                let shift =
                    Shift::start(blocking(room.worker().config(steady_lease()), &calls, &begun, release));
                let id = room.add("blocking").await;
                let job = room.ended(&id).await;
                shift.drain().await;
                job
            })
        }
    });
    soon(begun.notified()).await;

    // Somebody else is eager to have the job.
    let room = Room::on(spy.clone(), door);
    keep(&room.engine, millis(2));
    let (_never, nothing) = mpsc::channel();
    let shift = Shift::start(blocking(
        room.worker().config(steady_lease()),
        &calls,
        &Arc::new(Notify::new()),
        nothing,
    ));

    // A lease is renewed when a third of it has gone: four times is more than its length.
    spy.more("renew", 4).await;
    spy.more("reclaim", 1).await;
    assert_eq!(room.count("default", State::Running).await, 1);
    let_go.send(()).unwrap();
    let job = blocked.join().unwrap();
    assert_eq!((job.state, job.attempt, job.stalls), (State::Completed, 1, 0));
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    shift.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_cut_does_not_wait_for_a_handler_that_blocks_its_thread() {
    let room = Room::new();
    let (calls, begun) = (Arc::default(), Arc::new(Notify::new()));
    let (let_go, release) = mpsc::channel();
    let shift = Shift::start(blocking(room.worker(), &calls, &begun, release));
    let id = room.add("blocking").await;
    soon(begun.notified()).await;
    shift.stop.drain();
    shift.stop.cut();
    soon(shift.end()).await.unwrap();
    let job = room.job(&id).await;
    assert_eq!((job.state, job.attempt, job.stalls), (State::Ready, 0, 0));
    let_go.send(()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_cancellation_and_a_timeout_end_a_job_whose_handler_blocks_its_thread() {
    for cancels in [true, false] {
        let (room, manual) = Room::manual();
        let (calls, begun) = (Arc::default(), Arc::new(Notify::new()));
        let (let_go, release) = mpsc::channel();
        let shift = Shift::start(blocking(room.worker(), &calls, &begun, release));
        let mut spec = room.spec("blocking");
        let options = Arc::make_mut(&mut spec.options);
        options.timeout = (!cancels).then_some(DurationText(millis(60_000)));
        options.max_attempts = 1;
        let mut events = room.engine.hub().subscribe();
        let id = room.insert(spec).await;
        soon(begun.notified()).await;
        if cancels {
            room.control.cancel(&id).await.unwrap();
        }
        // The pulse hears of it in its own time; then the handler has its grace.
        let ended = hear_end(&mut events);
        tokio::pin!(ended);
        let told = soon(async {
            loop {
                manual.advance(millis(10_000));
                if let Some(told) = settle_or(ended.as_mut()).await {
                    return told;
                }
            }
        })
        .await;
        let job = room.job(&id).await;
        let expected = if cancels {
            (EventName::Cancelled, Reason::ByOperator)
        } else {
            (EventName::Failed, Reason::Timeout)
        };
        assert_eq!((told, job.reason), (expected.0, Some(expected.1)));
        let_go.send(()).unwrap();
        // What it returns in the end changes nothing any more.
        shift.drain().await;
        assert_eq!(room.job(&id).await, job);
    }
}

async fn hear_end(events: &mut Subscription) -> EventName {
    loop {
        let name = events.next().await.unwrap().event.event;
        if name.is_end() {
            return name;
        }
    }
}

/// What a future gives, if it does so while all other tasks go on until they wait.
async fn settle_or<T>(mut future: std::pin::Pin<&mut impl Future<Output = T>>) -> Option<T> {
    for _ in 0..20 {
        if let Some(told) = future.as_mut().now_or_never() {
            return Some(told);
        }
        tokio::task::yield_now().await;
    }
    None
}
