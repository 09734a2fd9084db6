//! Events tell what happens, in this process.

use std::sync::Arc;

use longshore_core::{Event, EventName, JobSpec, Json, State};
use longshore_runtime::{Caller, Outcome, Progress, Replay, Subscription};

use crate::support::{Endless, Room, Shift, hear, settle, soon};

#[tokio::test]
async fn a_job_tells_its_life_with_its_times() {
    let room = Room::new();
    let shift = Shift::start(room.worker().handle("calm", async || Ok::<_, Outcome>(())));
    let spec = room.spec("calm");
    let mut events = room.engine.hub().watch(&spec.id);
    let id = room.insert(spec).await;
    let mut life = Vec::new();
    while life.last() != Some(&EventName::Completed) {
        let told = soon(events.next()).await.unwrap().event;
        let times = told.timestamps.unwrap();
        let created_at = times.created_at.unwrap();
        assert_eq!(told.id.as_ref(), Some(&id));
        assert_eq!(times.started_at.is_some(), told.event != EventName::Added);
        assert!(times.started_at.is_none_or(|started_at| started_at >= created_at));
        assert_eq!(times.finished_at.is_some(), told.event == EventName::Completed);
        assert!(times.finished_at.is_none_or(|finished_at| finished_at - created_at >= 0.0));
        life.push(told.event);
    }
    // The worker may have begun before the insert was told.
    life.sort_by_key(|name| name.as_str());
    assert_eq!(life, [EventName::Added, EventName::Completed, EventName::Started]);
    shift.drain().await;
}

#[tokio::test]
async fn numbers_rise_by_one() {
    let room = Room::new();
    let mut events = room.engine.hub().subscribe();
    let mut last = None;
    for _ in 0..50 {
        room.add("calm").await;
        let number = soon(events.next()).await.unwrap().number;
        assert!(last.is_none_or(|last| number == last + 1));
        last = Some(number);
    }
}

/// Adds jobs, and hears of each.
async fn add_many(room: &Room, count: usize, events: &mut Subscription) {
    let specs = (0..count).map(|_| Arc::new(room.spec("calm"))).collect();
    room.client.insert(specs).await.unwrap();
    for _ in 0..count {
        soon(events.next()).await.unwrap();
    }
}

#[tokio::test]
async fn a_listener_that_is_slow_gets_a_gap_and_holds_nobody_up() {
    let room = Room::new();
    let (mut slow, mut quick) = (room.engine.hub().subscribe(), room.engine.hub().subscribe());
    for _ in 0..400 {
        add_many(&room, 100, &mut quick).await;
    }
    assert_eq!(soon(slow.next()).await.unwrap().event.event, EventName::Gap);
    let after = soon(slow.next()).await.unwrap();
    assert_eq!(after.event.event, EventName::Added);
    assert!(after.number > 5_000, "it goes on with what is still there, not with {}", after.number);
}

#[tokio::test]
async fn a_watcher_that_is_slow_gets_a_gap() {
    let room = Room::new();
    let id = room.client.new_id();
    let (mut slow, mut quick) = (room.engine.hub().watch(&id), room.engine.hub().watch(&id));
    for _ in 0..1_000 {
        room.insert(JobSpec { id: id.clone(), ..room.spec("calm") }).await;
        soon(quick.next()).await.unwrap();
    }
    assert_eq!(soon(slow.next()).await.unwrap().event.event, EventName::Gap);
    assert_eq!(soon(slow.next()).await.unwrap().event.event, EventName::Duplicated);
}

#[tokio::test]
async fn a_listener_that_comes_back_gets_what_it_missed() {
    let room = Room::new();
    let mut other = room.engine.hub().subscribe();
    let mut ids = Vec::new();
    for _ in 0..10 {
        ids.push(room.add("calm").await);
        soon(other.next()).await.unwrap();
    }
    let (replay, mut events) = room.engine.hub().resume(4);
    let Replay::Complete(missed) = replay else { panic!("{replay:?}") };
    let numbers: Vec<u64> = missed.iter().map(|told| told.number).collect();
    assert_eq!(numbers, [5, 6, 7, 8, 9, 10]);
    assert!(missed.iter().zip(&ids[4..]).all(|(told, id)| told.event.id.as_ref() == Some(id)));
    room.add("calm").await;
    assert_eq!(soon(events.next()).await.unwrap().number, 11);
}

#[tokio::test]
async fn a_listener_that_was_away_too_long_is_told_so() {
    let room = Room::new();
    let mut other = room.engine.hub().subscribe();
    add_many(&room, 2_100, &mut other).await;
    assert_eq!(room.engine.hub().resume(50).0, Replay::Lost);
    assert!(matches!(room.engine.hub().resume(150).0, Replay::Complete(missed) if missed.len() == 1_950));
}

#[tokio::test]
async fn what_happened_while_nobody_listened_is_lost_and_said_to_be() {
    let room = Room::new();
    let mut events = room.engine.hub().subscribe();
    room.add("calm").await;
    let last = soon(events.next()).await.unwrap().number;
    drop(events);
    assert!(matches!(room.engine.hub().resume(last).0, Replay::Complete(missed) if missed.is_empty()));
    room.add("calm").await;
    let (replay, mut events) = room.engine.hub().resume(last);
    assert_eq!(replay, Replay::Lost);
    room.add("calm").await;
    let last = soon(events.next()).await.unwrap().number;
    assert!(matches!(room.engine.hub().resume(last).0, Replay::Complete(missed) if missed.is_empty()));
}

#[tokio::test]
async fn a_watcher_hears_of_its_own_job_only() {
    let room = Room::new();
    let (own, other) = (room.spec("calm"), room.spec("calm"));
    let mut events = room.engine.hub().watch(&own.id);
    room.insert(other).await;
    let id = room.insert(own).await;
    assert_eq!(soon(events.next()).await.unwrap().event.id, Some(id.clone()));
    room.add("calm").await;
    room.control.cancel(&id).await.unwrap();
    assert_eq!(soon(events.next()).await.unwrap().event.event, EventName::Cancelled);
}

#[tokio::test]
async fn listeners_are_counted_and_let_go() {
    let room = Room::new();
    let hub = room.engine.hub();
    let id = room.client.new_id();
    let (all, first, second) = (hub.subscribe(), hub.watch(&id), hub.watch(&id));
    assert_eq!(hub.listeners(), 3);
    drop((all, first));
    assert_eq!(hub.listeners(), 1);
    drop(second);
    assert_eq!(hub.listeners(), 0);
}

#[tokio::test]
async fn events_end_with_their_engine() {
    let room = Room::new();
    let mut all = room.engine.hub().subscribe();
    let mut one = room.engine.hub().watch(&room.client.new_id());
    let store = Arc::downgrade(&room.store);
    drop(room);
    assert_eq!(soon(all.next()).await, None);
    assert_eq!(soon(one.next()).await, None);
    // The thread of events ends by itself; one that held the store for ever would never let go of it.
    soon(async {
        while store.upgrade().is_some() {
            settle().await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_operator_hears_what_operators_do() {
    let room = Room::new();
    let mut endless = Endless::new();
    let mut events = room.engine.hub().subscribe();
    let queue = crate::support::queue("default");
    room.control.pause(&queue).await.unwrap();
    let told = hear(&mut events, EventName::QueuePaused).await.event;
    assert_eq!(told.queue, Some(queue.clone()));
    assert!(told.data.unwrap().as_str().contains(r#""ready":0"#));
    room.control.resume(&queue).await.unwrap();
    assert_eq!(hear(&mut events, EventName::QueueResumed).await.event.queue, Some(queue.clone()));
    room.add("nobody").await;
    let ops = room.engine.on_behalf_of(Caller::operator("ops").unwrap());
    ops.control().drain(&queue, false).await.unwrap();
    let drained = hear(&mut events, EventName::QueueDrained).await.event;
    assert_eq!((drained.queue, drained.count, drained.actor.as_deref()), (Some(queue), Some(1), Some("ops")));
    let shift = Shift::start(room.worker().handle("endless", endless.handler()));
    let id = room.add("endless").await;
    endless.begun().await;
    room.control.remove(&id, true).await.unwrap();
    let told = hear(&mut events, EventName::Removed).await.event;
    assert_eq!((told.id, told.state), (Some(id), Some(State::Running)));
    endless.dropped().await;
    shift.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_computes_how_long_jobs_took_and_sees_all_of_them() {
    let room = Room::new();
    let shift = Shift::start(room.worker().handle("calm", async || Ok::<_, Outcome>(42)));
    let (sender, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let _listener = room.engine.hub().listen(EventName::is_end, move |event: Event| {
        let sender = sender.clone();
        async move {
            let times = event.timestamps.unwrap();
            let took = times.finished_at.unwrap() - times.created_at.unwrap();
            let job = event.job.unwrap();
            sender.send((took, job.args.as_str().to_owned(), event.result.unwrap())).unwrap();
        }
    });
    let spec = JobSpec { args: Json::parse(r#"{"page":7}"#).unwrap(), ..room.spec("calm") };
    room.insert(spec).await;
    let (took, args, result) = soon(heard.recv()).await.unwrap();
    assert!((0.0..10.0).contains(&took), "{took}");
    assert_eq!((args.as_str(), result.as_str()), (r#"{"page":7}"#, "42"));
    shift.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_that_panics_is_counted_and_hears_the_next_event() {
    let room = Room::new();
    let (sender, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let mut calls = 0;
    let _listener = room.engine.hub().listen(
        |_| true,
        move |_| {
            calls += 1;
            assert!(calls % 2 == 0, "every other call fails");
            let told = sender.send(calls);
            async move { told.unwrap() }
        },
    );
    for _ in 0..4 {
        room.add("calm").await;
    }
    assert_eq!((soon(heard.recv()).await, soon(heard.recv()).await), (Some(2), Some(4)));
    assert_eq!(room.engine.hub().listener_panics(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_slow_listener_misses_is_counted() {
    let room = Room::new();
    let mut quick = room.engine.hub().subscribe();
    let (let_go, wait) = tokio::sync::watch::channel(false);
    let (sender, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let listener = room.engine.hub().listen(
        |_| true,
        move |_| {
            let (mut wait, told) = (wait.clone(), sender.send(()));
            async move {
                told.unwrap();
                wait.wait_for(|go| *go).await.unwrap();
            }
        },
    );
    for _ in 0..120 {
        add_many(&room, 100, &mut quick).await;
    }
    // One is being told, and ten thousand wait.
    soon(async {
        while room.engine.hub().lost() < 1_999 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(room.engine.hub().lost(), 1_999);
    let_go.send(true).unwrap();
    for _ in 0..10_001 {
        soon(heard.recv()).await.unwrap();
    }
    drop(listener);
    assert_eq!(soon(heard.recv()).await, None);
}

#[tokio::test]
async fn the_data_of_progress_is_told_with_it() {
    let room = Room::new();
    let shift = Shift::start(room.worker().handle("calm", async |progress: Progress| {
        progress.with_data(30, "reading", &serde_json::json!({ "file": "a.csv" })).await;
        Ok::<_, Outcome>(())
    }));
    let spec = room.spec("calm");
    let mut events = room.engine.hub().watch(&spec.id);
    room.insert(spec).await;
    let told = loop {
        let told = soon(events.next()).await.unwrap().event;
        if told.event == EventName::Progress {
            break told;
        }
    };
    assert_eq!((told.progress, told.progress_message.as_deref()), (Some(30), Some("reading")));
    assert_eq!(told.data.unwrap().as_str(), r#"{"file":"a.csv"}"#);
    shift.drain().await;
}
