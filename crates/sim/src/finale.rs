//! The end of a history: all faults stop, one good worker and one good keeper work off what is left, and everything is
//! looked at once more.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use longshore_core::{
    Change, Claim, End, Ends, JobId, LaneWant, Outcome, QueueChange, State, StoreResult, WorkerId,
};

use crate::cast::keeper;
use crate::lock;
use crate::scene::Scene;
use crate::watch::{every, wait};

/// Rounds without anything done, hours in all, after which what is still there will never be worked off.
const IDLE_ROUNDS_MAX: u32 = 150;
/// Rounds after which jobs must be going round in circles.
const ROUNDS_MAX: u32 = 10_000;
/// Jobs that one claim takes.
const HANDFUL: usize = 50;
/// Longer than any retention.
const AGE: i64 = 40 * 86_400_000;

/// Works everything off and looks at it; whatever is wrong goes into the ledger.
pub(crate) fn play(scene: &Arc<Scene>) {
    scene.rough.store(false, Ordering::Relaxed);
    lock(&scene.trace).who = "finale".into();
    let result = wait(async {
        scene.tell("the faults stop");
        shut(scene).await?;
        calm(scene).await?;
        inspect(scene).await?;
        if !scene.is_sound() {
            return Ok(());
        }
        scene.tell("nothing is held up any more");
        release(scene).await?;
        calm(scene).await?;
        inspect(scene).await?;
        if !scene.is_sound() {
            return Ok(());
        }
        scene.tell("what waits is cancelled, and everything grows old");
        clear(scene).await
    });
    if let Err(error) = result {
        lock(&scene.ledger).find(format!("the store failed at the end: {error}"));
    }
}

/// Pauses some queues: what waits there must not hold up the others.
async fn shut(scene: &Scene) -> StoreResult<()> {
    for queue in scene.plan.queues.iter().filter(|_| scene.odds(0.3)) {
        let change = QueueChange { paused: Some(true), ..QueueChange::default() };
        scene.store.set_queue(queue.clone(), change, scene.time.now()).await?;
    }
    Ok(())
}

/// The jobs that have not ended, without an excuse.
fn idle(scene: &Scene) -> Vec<JobId> {
    let ledger = lock(&scene.ledger);
    let waits = ledger.jobs.iter().filter(|(_, life)| !life.state.is_end());
    waits.map(|(id, _)| id.clone()).filter(|id| ledger.excuse(id).is_none()).collect()
}

/// Goes on until everything has ended or has an excuse.
async fn calm(scene: &Scene) -> StoreResult<()> {
    let (mut pause, mut idle_rounds) = (100, 0);
    for _ in 0..ROUNDS_MAX {
        let did = keeper::round(scene, &*scene.store).await? | work(scene).await?;
        if !scene.is_sound() || !did && idle(scene).is_empty() {
            return Ok(());
        }
        (pause, idle_rounds) = if did { (100, 0) } else { ((pause * 2).min(120_000), idle_rounds + 1) };
        if idle_rounds > IDLE_ROUNDS_MAX {
            break;
        }
        scene.time.pass(pause);
    }
    for id in idle(scene) {
        let mut ledger = lock(&scene.ledger);
        let state = ledger.jobs.get(&id).map(|life| life.state);
        ledger.find(format!("{id} was never worked off; it is {state:?}, and nothing holds it up"));
    }
    Ok(())
}

/// One good worker: everything that it can get succeeds at once.
pub(crate) async fn work(scene: &Scene) -> StoreResult<bool> {
    let Ok(worker) = WorkerId::new("good") else { return Ok(false) };
    let lane =
        |queue: &longshore_core::QueueName| LaneWant { queue: queue.clone(), limit: HANDFUL, slots: HANDFUL };
    let lanes = scene.plan.queues.iter().map(lane).collect();
    let claim = Claim { worker, lanes, lease: Duration::from_secs(30) };
    let jobs = scene.store.claim(claim, scene.time.now()).await?.jobs;
    let ends: Vec<End> =
        jobs.into_iter().map(|job| End::new(job.lease, Outcome::Done { result: None })).collect();
    if ends.is_empty() {
        return Ok(false);
    }
    scene.store.finish(Ends::new(ends), scene.time.now()).await?;
    Ok(true)
}

/// What must be true whenever nobody does anything.
async fn inspect(scene: &Scene) -> StoreResult<()> {
    let jobs = every(&*scene.store).await?;
    let findings = longshore_storetest::audit(&*scene.store).await?;
    let mut ledger = lock(&scene.ledger);
    ledger.compare(&jobs);
    ledger.find_all(findings);
    ledger.count_attempts();
    ledger.keep_promises();
    Ok(())
}

/// Resumes every queue and takes all limits off.
async fn release(scene: &Scene) -> StoreResult<()> {
    for queue in &scene.plan.queues {
        let change = QueueChange { paused: Some(false), limits: Some(Vec::new()), ..QueueChange::default() };
        scene.store.set_queue(queue.clone(), change, scene.time.now()).await?;
    }
    for kind in &scene.plan.kinds {
        scene.store.set_kind(kind.clone(), Vec::new(), scene.time.now()).await?;
    }
    Ok(())
}

/// Nothing is kept for ever.
async fn clear(scene: &Scene) -> StoreResult<()> {
    let now = scene.time.now();
    let blocked: Vec<JobId> = lock(&scene.ledger)
        .jobs
        .iter()
        .filter(|(_, life)| life.state == State::Blocked)
        .map(|(id, _)| id.clone())
        .collect();
    scene.store.amend(blocked, Change::Cancel, now).await?;
    calm(scene).await?;
    scene.time.pass(AGE);
    while scene.is_sound() && keeper::round(scene, &*scene.store).await? {}
    for job in every(&*scene.store).await? {
        let what =
            format!("{} is kept for ever; it is {} and goes at {:?}", job.id(), job.state, job.expires_at);
        lock(&scene.ledger).find(what);
    }
    for queue in &scene.plan.queues {
        let info = scene.store.queue(queue.clone()).await?;
        if info.is_some_and(|info| info.counts.total() > 0) {
            lock(&scene.ledger).find(format!("{queue} counts jobs, and none is there"));
        }
    }
    Ok(())
}
