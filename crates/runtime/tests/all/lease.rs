//! A lease is kept as long as its worker lives, whatever its handlers do.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use longshore_clock::Door;
use longshore_core::State;
use longshore_memory::MemoryStore;
use longshore_runtime::{Outcome, Worker};
use tokio::sync::Notify;

use crate::spy::Spy;
use crate::support::{Room, Shift, keep, millis, short_lease, soon};

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
    let spy = Arc::new(Spy::on(Arc::new(MemoryStore::new(&door))));
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
                    Shift::start(blocking(room.worker().config(short_lease()), &calls, &begun, release));
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
        room.worker().config(short_lease()),
        &calls,
        &Arc::new(Notify::new()),
        nothing,
    ));

    // A lease is renewed when a third of it has gone: seven times is more than twice its length.
    spy.more("renew", 7).await;
    spy.more("reclaim", 1).await;
    assert_eq!(room.count("default", State::Running).await, 1);
    let_go.send(()).unwrap();
    let job = blocked.join().unwrap();
    assert_eq!((job.state, job.attempt, job.stalls), (State::Completed, 1, 0));
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    shift.drain().await;
}
