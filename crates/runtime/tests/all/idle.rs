//! Idle costs nothing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use longshore_core::{EventName, JobId, StoreResult, WakeStream};
use longshore_memory::MemoryStore;
use longshore_runtime::testing::TestKit;
use longshore_runtime::{Attempt, Outcome, Queue, Worker, WorkerConfig};
use longshore_storetest::{Around, Wrapped};

use crate::support::{Room, Shift, hear, millis, settle};

#[tokio::test]
async fn an_idle_worker_asks_a_store_that_rings_at_most_once_a_second() {
    let (door, manual) = TestKit::door();
    let spy = Arc::new(crate::spy::on(Arc::new(MemoryStore::new(&door))));
    let room = Room::on(spy.clone(), door);
    let mut events = room.engine.hub().subscribe();
    // As it comes: on every queue, and keeping.
    let worker = Worker::new(room.engine.clone()).all_queues();
    let shift = Shift::start(worker.handle("calm", async || Ok::<_, Outcome>(())));
    hear(&mut events, EventName::WorkerUp).await;
    let id = room.add("calm").await;
    room.ended(&id).await;
    let pass = async |seconds: u32| {
        for _ in 0..seconds * 10 {
            manual.advance(millis(100));
            settle().await;
        }
    };
    // What it did is written down once.
    pass(12).await;
    let before: u64 = spy.calls().values().sum();
    pass(60).await;
    let after: u64 = spy.calls().values().sum();
    assert!((10..=60).contains(&(after - before)), "{} calls in a minute: {:?}", after - before, spy.calls());
    shift.drain().await;
}

/// A store that others use as well; while it is `lost`, nobody here hears their rings.
#[derive(Default)]
struct Shared {
    lost: Arc<AtomicBool>,
    calls: Mutex<BTreeMap<&'static str, u64>>,
}

impl Around for Shared {
    async fn pass<T: Send>(
        &self,
        name: &'static str,
        call: impl Future<Output = StoreResult<T>> + Send,
    ) -> StoreResult<T> {
        *self.calls.lock().unwrap().entry(name).or_default() += 1;
        call.await
    }

    fn hear(&self, wakes: WakeStream) -> WakeStream {
        let lost = self.lost.clone();
        Box::pin(wakes.filter(move |_| std::future::ready(!lost.load(Ordering::SeqCst))))
    }

    fn is_shared(&self) -> bool {
        true
    }
}

impl Shared {
    /// Looks that nobody asked for: for queues with ready jobs, and for jobs that are due.
    fn looks(&self) -> u64 {
        let calls = self.calls.lock().unwrap();
        ["queues", "promote"].into_iter().map(|name| calls.get(name).copied().unwrap_or(0)).max().unwrap_or(0)
    }
}

#[tokio::test]
async fn a_ring_that_got_lost_delays_a_job_by_one_scan_interval_at_most() {
    for (interval, slots_held) in [(100, 0), (200, 1), (1_000, 0), (1_000, 1), (5_000, 1)] {
        let interval = millis(interval);
        let (door, manual) = TestKit::door();
        let store = Arc::new(Wrapped::new(Arc::new(MemoryStore::new(&door)), Shared::default()));
        let room = Room::on(store.clone(), door.clone());
        let starts: Arc<Mutex<BTreeMap<JobId, longshore_core::Timestamp>>> = Arc::default();
        let (noted, clock) = (starts.clone(), door.clock.clone());
        let handler = move |attempt: Attempt| {
            noted.lock().unwrap().insert(JobId::parse(&attempt.job_id).unwrap(), clock.now());
            async { Ok::<_, Outcome>(()) }
        };
        let config = WorkerConfig { scan_interval: interval, ..WorkerConfig::default() };
        let worker =
            Worker::new(room.engine.clone()).config(config).queue(Queue::new("default").concurrency(2));
        let held =
            worker.handle("noted", handler).handle("held", std::future::pending::<Result<(), Outcome>>);
        let mut events = room.engine.hub().subscribe();
        let shift = Shift::start(held);
        hear(&mut events, EventName::WorkerUp).await;
        for _ in 0..slots_held {
            room.add("held").await;
            hear(&mut events, EventName::Started).await;
        }
        let step = interval / 20;
        let pass = async |time: Duration| {
            for _ in 0..(time.as_millis() / step.as_millis()) {
                manual.advance(step);
                settle().await;
            }
        };
        pass(interval * 3).await;

        // Idle and with lost rings alike, it looks once per interval, and not more often.
        let before = store.looks();
        pass(interval * 20).await;
        let looks = store.looks() - before;
        assert!((19..=21).contains(&looks), "{looks} looks in 20 times {interval:?}");

        for (already, delay) in [(0, 0), (7, 0), (13, 1), (3, 10), (11, 30), (17, 65)] {
            pass(step * already).await;
            let mut spec = room.spec("noted");
            let due = door.clock.now() + step * delay;
            spec.run_at = (delay > 0).then_some(due);
            store.lost.store(true, Ordering::SeqCst);
            let id = room.insert(spec).await;
            settle().await;
            store.lost.store(false, Ordering::SeqCst);
            pass(step * delay + interval + step).await;
            let started = starts.lock().unwrap().get(&id).copied();
            let late = started.expect("it started in time").since(due);
            assert!(late <= interval, "{late:?} late at a scan interval of {interval:?}");
        }
        shift.stop.cut();
        shift.end().await.unwrap();
    }
}
