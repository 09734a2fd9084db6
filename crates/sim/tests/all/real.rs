//! Real workers, each with its keeper, take part in a torture: killed at any moment, with requests and answers lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use longshore_clock::Door;
use longshore_core::Store;
use longshore_memory::MemoryStore;
use longshore_runtime::{Engine, Outcome, Queue, Stop, Worker, WorkerConfig};
use longshore_sim::{Guest, Guesting, Place, Torture, torture_with};
use longshore_sqlite::{SqliteConfig, SqliteStore, Synchronous};

/// A worker that starts again when it could not start.
async fn work(store: Arc<dyn Store>, place: Place, door: Door, called: Arc<AtomicU64>) {
    loop {
        let config = WorkerConfig {
            concurrency: 4,
            lease: place.lease,
            scan_interval: Duration::from_millis(20),
            ..WorkerConfig::default()
        };
        let mut worker = Worker::new(Engine::start(store.clone(), door.clone())).config(config);
        for queue in &place.queues {
            worker = worker.queue(Queue::new(queue.as_str()));
        }
        for kind in &place.kinds {
            let (door, called) = (door.clone(), called.clone());
            worker = worker.handle(kind.as_str(), move || handle(door.clone(), called.clone()));
        }
        drop(worker.run_until(Stop::new()).await);
        door.clock.sleep(Duration::from_millis(5)).await;
    }
}

async fn handle(door: Door, called: Arc<AtomicU64>) -> Result<(), Outcome> {
    called.fetch_add(1, Ordering::Relaxed);
    door.clock.sleep(Duration::from_millis(door.chance.below(30))).await;
    let soon = Duration::from_millis(door.chance.below(50));
    match door.chance.below(10) {
        0 => Err(Outcome::retry_after(soon, "it did not work")),
        1 => Err(Outcome::snooze(soon)),
        2 => Err(Outcome::fail("it never will")),
        3 => Err(Outcome::cancel()),
        _ => Ok(()),
    }
}

fn guests(door: &Door, called: &Arc<AtomicU64>) -> Vec<Guest> {
    let guest = |number| {
        let (door, called) = (door.clone(), called.clone());
        let start =
            move |store, place| -> Guesting { Box::pin(work(store, place, door.clone(), called.clone())) };
        Guest { name: format!("real-{number}"), start: Box::new(start) }
    };
    (0..3).map(guest).collect()
}

async fn assert_sound(store: Arc<dyn Store>, door: &Door, seed: u64) {
    let called = Arc::new(AtomicU64::new(0));
    let wish = Torture { seed, length: Duration::from_secs(3), steps: u64::MAX };
    let verdict = torture_with(store, door, wish, guests(door, &called)).await.unwrap();
    assert!(verdict.is_sound(), "{verdict:?}");
    assert!(called.load(Ordering::Relaxed) > 0, "the real workers did nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_workers_are_sound_in_memory() {
    let door = Door::system();
    assert_sound(Arc::new(MemoryStore::new(&door)), &door, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_workers_are_sound_on_sqlite() {
    let door = Door::system();
    let dir = tempfile::tempdir().unwrap();
    let config =
        SqliteConfig { synchronous: Synchronous::Normal, ..SqliteConfig::new(dir.path().join("sim.db")) };
    assert_sound(Arc::new(SqliteStore::open(&config, &door).unwrap()), &door, 2).await;
}
