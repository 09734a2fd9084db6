use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use longshore_core::{Change, Claim, Outcome, QueueChange, Wake, WakeStream};

use crate::desk::Desk;
use crate::draft::{START, at, claim_of, done, end_then, job, ms, queue, retry, snooze, specs};
use crate::stage::Stage;

/// Only a store that never rings meets it.
const PATIENCE: Duration = Duration::from_secs(10);

async fn next(bell: &mut WakeStream, wanted: &Wake) -> Wake {
    match tokio::time::timeout(PATIENCE, bell.next()).await {
        Ok(Some(wake)) => wake,
        Ok(None) => panic!("the bell fell silent before {wanted:?}"),
        Err(elapsed) => panic!("{wanted:?} did not ring: {elapsed}"),
    }
}

/// Listens until the ring comes. Other rings are hints that did no harm.
async fn hear(bell: &mut WakeStream, wanted: &Wake) {
    while next(bell, wanted).await != *wanted {}
}

/// The same for changes of another process, which may not know more than that something happened.
async fn hear_of(bell: &mut WakeStream, wanted: &Wake) {
    while !matches!(next(bell, wanted).await, wake if wake == *wanted || wake == Wake::Missed) {}
}

fn ready(name: &str) -> Wake {
    Wake::Ready(queue(name))
}

pub(crate) async fn a_new_job_rings_for_its_queue(desk: &Desk) {
    let mut bell = desk.store.wakeups();
    desk.insert([job("a").queue("mail"), job("b").queue("other")], START).await;
    hear(&mut bell, &ready("mail")).await;
    desk.insert([job("c").queue("third")], START).await;
    hear(&mut bell, &ready("third")).await;
}

pub(crate) async fn every_listener_hears_the_ring(desk: &Desk) {
    let mut bells = [desk.store.wakeups(), desk.store.wakeups()];
    desk.insert([job("a")], START).await;
    for bell in &mut bells {
        hear(bell, &ready("default")).await;
    }
}

pub(crate) async fn a_scheduled_job_rings_as_due(desk: &Desk) {
    let mut bell = desk.store.wakeups();
    desk.insert([job("a").run_at(at(500))], START).await;
    hear(&mut bell, &Wake::Due).await;
    for outcome in [retry(at(900)), snooze(at(900))] {
        desk.store.promote(9, at(900)).await.unwrap();
        let token = desk.take("default", at(900)).await.lease.token;
        let mut bell = desk.store.wakeups();
        desk.end(token, outcome, at(900)).await;
        hear(&mut bell, &Wake::Due).await;
    }
}

pub(crate) async fn a_job_that_is_ready_again_rings_for_its_queue(desk: &Desk) {
    for stage in [Stage::ScheduledByInsert, Stage::Running, Stage::FailedByHandler] {
        let token = desk.bring(stage).await;
        let name = stage.name();
        let mut bell = desk.store.wakeups();
        match stage {
            Stage::ScheduledByInsert => drop(desk.store.promote(9, at(90_000)).await.unwrap()),
            Stage::Running => {
                desk.end(token, Outcome::HandBack, at(2_000)).await;
            }
            _ => drop(desk.amend(&name, Change::Revive, at(2_000)).await),
        }
        hear(&mut bell, &ready(&name)).await;
    }
    let claim = Claim { lease: ms(10), ..claim_of(&[("Running", 1)]) };
    desk.store.claim(claim, at(2_000)).await.unwrap();
    let mut bell = desk.store.wakeups();
    desk.store.reclaim(9, 3, at(3_000)).await.unwrap();
    hear(&mut bell, &ready("Running")).await;
}

pub(crate) async fn a_following_job_rings_for_its_queue(desk: &Desk) {
    let token = desk.bring(Stage::Running).await;
    let mut bell = desk.store.wakeups();
    desk.finish(vec![end_then(token, done(), specs([job("a").queue("next")]))], at(2_000)).await.unwrap();
    hear(&mut bell, &ready("next")).await;
}

pub(crate) async fn a_paused_and_a_resumed_queue_ring(desk: &Desk) {
    desk.insert([job("a")], START).await;
    let set = |paused| {
        desk.store.set_queue(
            queue("default"),
            QueueChange { paused: Some(paused), ..QueueChange::default() },
            at(1),
        )
    };
    let mut bell = desk.store.wakeups();
    set(true).await.unwrap();
    hear(&mut bell, &Wake::Paused(queue("default"))).await;
    set(false).await.unwrap();
    hear(&mut bell, &ready("default")).await;
}

pub(crate) async fn a_running_job_that_shall_stop_rings(desk: &Desk) {
    desk.bring(Stage::Running).await;
    for change in [Change::Cancel, Change::Cancel, Change::Remove { force: true }] {
        let mut bell = desk.store.wakeups();
        desk.amend("Running", change, at(2_000)).await;
        hear(&mut bell, &Wake::Cancel).await;
    }
}

pub(crate) async fn a_running_job_that_lost_its_lease_rings(desk: &Desk) {
    desk.bring(Stage::Running).await;
    let mut bell = desk.store.wakeups();
    desk.store.reclaim(9, 3, at(900_000)).await.unwrap();
    hear(&mut bell, &Wake::Cancel).await;
}

pub(crate) async fn new_entries_ring_for_their_log(desk: &Desk) {
    let mut bell = desk.store.wakeups();
    desk.store.log_append("events", vec![Bytes::from_static(b"x")], 9).await.unwrap();
    hear(&mut bell, &Wake::Log("events".to_owned())).await;
}

pub(crate) async fn a_listener_that_is_slow_is_told_that_it_missed_something(desk: &Desk) {
    let mut bell = desk.store.wakeups();
    let mut unheard = Vec::new();
    for batch in 0..30 {
        let names: Vec<String> = (0..100).map(|index| format!("q{batch}-{index}")).collect();
        desk.insert(names.iter().map(|name| job(name).queue(name)), START).await;
        unheard.extend(names.iter().map(|name| ready(name)));
    }
    while let Some(wanted) = unheard.first().cloned() {
        match next(&mut bell, &wanted).await {
            Wake::Missed => return,
            wake => unheard.retain(|other| *other != wake),
        }
    }
}

pub(crate) async fn the_bell_rings_for_what_others_changed(desk: &Desk) {
    let handles = desk.handles().await;
    let [here, there] = &handles[..] else { return };
    if !here.can().push {
        return;
    }
    let mut bell = here.wakeups();
    there.insert(specs([job("a").queue("mail")]), START).await.unwrap();
    hear_of(&mut bell, &ready("mail")).await;
    there.insert(specs([job("b").run_at(at(900))]), START).await.unwrap();
    hear_of(&mut bell, &Wake::Due).await;
    there.log_append("events", vec![Bytes::from_static(b"x")], 9).await.unwrap();
    hear_of(&mut bell, &Wake::Log("events".to_owned())).await;
    let pause = QueueChange { paused: Some(true), ..QueueChange::default() };
    there.set_queue(queue("other"), pause, at(1)).await.unwrap();
    hear_of(&mut bell, &Wake::Paused(queue("other"))).await;
    let claimed = there.claim(claim_of(&[("mail", 1)]), at(1)).await.unwrap().jobs;
    there.amend(vec![claimed[0].spec.id.clone()], Change::Cancel, at(2)).await.unwrap();
    hear_of(&mut bell, &Wake::Cancel).await;
}

pub(crate) async fn a_store_that_others_have_open_is_not_alone(desk: &Desk) {
    let handles = desk.handles().await;
    let shared = desk.store.can().shared;
    for handle in &handles {
        assert!(!shared || !handle.is_alone(), "there are {} handles", handles.len());
    }
    assert!(shared || desk.store.is_alone(), "nobody else can have it open");
}
