//! A store that fails costs time and nothing else.

use std::sync::Arc;

use longshore_clock::{Chance, Door};
use longshore_core::{EventName, QueueName, State, Store};
use longshore_memory::MemoryStore;
use longshore_runtime::{Outcome, WorkerConfig};
use longshore_storetest::{Faults, Odds, assert_sound};

use crate::support::{Room, Shift, file, hear, keep, millis, short_lease, steady_lease};

/// One call in five fails, half of them after they happened.
const ROUGH: Odds = Odds { before: 0.1, after: 0.1 };
const JOBS: usize = 500;

async fn a_rough_day(inner: Arc<dyn Store>, door: Door) {
    let store = Arc::new(Faults::around(inner.clone(), Chance::seeded(7), Odds::CALM));
    let room = Room::on(store.clone(), door);
    let mut events = room.engine.hub().subscribe();
    let config = WorkerConfig { concurrency: 50, ..short_lease() };
    let worker = room.worker().config(config);
    let shift = Shift::start(worker.handle("calm", async || Ok::<_, Outcome>(())));
    hear(&mut events, EventName::WorkerUp).await;
    keep(&room.engine, millis(20));
    store.set(ROUGH);

    let mut ids = Vec::new();
    for _ in 0..JOBS {
        let spec = Arc::new(room.spec("calm"));
        ids.push(spec.id.clone());
        // Whoever repeats a request with the same id doubles nothing.
        while room.client.insert(vec![spec.clone()]).await.is_err() {}
    }
    let calm = Room::on(inner, room.engine.door().clone());
    for id in ids {
        assert_eq!(calm.ended(&id).await.state, State::Completed);
    }
    assert!(store.faults() > 50, "the day was not rough");
    store.set(Odds::CALM);
    shift.drain().await;
    let queue = room.control.queue(&QueueName::default()).await.unwrap().unwrap();
    assert_eq!(queue.counts.get(State::Completed), JOBS as u64);
    assert_eq!(queue.counts.total(), JOBS as u64);
    assert_sound(&*room.store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_rough_day_every_job_completes_once() {
    let door = Door::system();
    a_rough_day(Arc::new(MemoryStore::new(&door)), door).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_rough_day_every_job_in_a_file_completes_once() {
    let (dir, door) = (tempfile::tempdir().unwrap(), Door::system());
    a_rough_day(file(&dir, &door), door).await;
}

#[tokio::test]
async fn a_worker_recovers_by_itself_when_its_store_is_back() {
    let door = Door::system();
    let faulty = Arc::new(Faults::around(Arc::new(MemoryStore::new(&door)), Chance::seeded(7), Odds::CALM));
    let spy = Arc::new(crate::spy::on(faulty.clone()));
    let room = Room::on(spy.clone(), door);
    keep(&room.engine, millis(10));
    let worker = room.worker().config(short_lease());
    let shift = Shift::start(worker.handle("calm", async || Ok::<_, Outcome>(())));
    room.ended(&room.add("calm").await).await;

    faulty.set(Odds::DOWN);
    let specs: Vec<_> = (0..20).map(|_| Arc::new(room.spec("calm"))).collect();
    let now = room.engine.door().clock.now();
    faulty.inner().insert(specs.clone(), now).await.unwrap();
    // In vain, in vain.
    spy.more("turn", 2).await;
    faulty.set(Odds::CALM);
    for spec in specs {
        let job = room.ended(&spec.id).await;
        assert_eq!((job.state, job.attempt), (State::Completed, 1));
    }
    shift.drain().await;
}

#[tokio::test]
async fn an_end_that_the_store_did_not_take_is_offered_until_it_does() {
    let door = Door::system();
    let spy = Arc::new(crate::spy::on(Arc::new(MemoryStore::new(&door))));
    let room = Room::on(spy.clone(), door);
    let failing = spy.clone();
    let shift = Shift::start(room.worker().handle("calm", move || {
        failing.fail("finish");
        async { Ok::<_, Outcome>("kept") }
    }));
    let id = room.add("calm").await;
    spy.more("finish", 2).await;
    assert_eq!(room.job(&id).await.state, State::Running);
    spy.mend();
    assert_eq!(room.ended(&id).await.result.unwrap().as_str(), "\"kept\"");
    shift.drain().await;
}

#[tokio::test]
async fn what_is_done_is_not_done_again_because_the_store_took_its_end_late() {
    let door = Door::system();
    let inner: Arc<dyn Store> = Arc::new(MemoryStore::new(&door));
    let spy = Arc::new(crate::spy::on(inner.clone()));
    let room = Room::on(spy.clone(), door.clone());
    let failing = spy.clone();
    let shift = Shift::start(room.worker().config(steady_lease()).handle("calm", move || {
        failing.fail("finish");
        failing.fail("turn");
        async { Ok::<_, Outcome>(()) }
    }));
    // Somebody else is eager to take back what is not renewed.
    keep(&Room::on(inner, door).engine, millis(2));
    let id = room.add("calm").await;
    // A lease is renewed when a third of it has gone: four times is more than its length.
    spy.more("renew", 4).await;
    spy.mend();
    let job = room.ended(&id).await;
    assert_eq!((job.state, job.attempt, job.stalls), (State::Completed, 1, 0));
    shift.drain().await;
}
