//! A worker: a loop of turns, and a pulse beside it that renews leases. It may hang beyond its leases, and then finish
//! with tokens that are long lost.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use longshore_core::{
    Claim, Claimed, End, Ends, JobError, LaneWant, LeaseToken, Outcome, Reason, Renewal, Renewed, Store,
    Timestamp, WorkerId,
};

use super::{draft, may_repeat};
use crate::gate::Gate;
use crate::lock;
use crate::scene::Scene;
use crate::stage::{Make, Task};

/// An attempt at work.
struct Work {
    token: LeaseToken,
    attempt: u32,
    attempts_max: u32,
    /// When the handler is done, in time that nobody can set.
    done_at: i64,
    cancel: bool,
}

#[derive(Default)]
struct Bench {
    work: Mutex<Vec<Work>>,
    /// The worker hangs until then.
    hangs_until: AtomicI64,
}

pub(crate) fn make(name: String) -> Make {
    Box::new(move |scene: &Arc<Scene>| {
        let bench = Arc::new(Bench::default());
        let Ok(worker) = WorkerId::new(&name) else { return Vec::new() };
        let (turns, pulse): (Task, Task) = {
            let (scene, bench, store) = (scene.clone(), bench.clone(), Gate::of(scene, &name));
            let (beats, beat_bench, beat_store) = (scene.clone(), bench.clone(), store.clone());
            (
                Box::pin(async move { turn(&scene, &bench, &*store, &worker).await }),
                Box::pin(async move { pulse(&beats, &beat_bench, &*beat_store).await }),
            )
        };
        vec![turns, pulse]
    })
}

async fn turn(scene: &Scene, bench: &Bench, store: &dyn Store, worker: &WorkerId) {
    let mut unsaid: Option<Ends> = None;
    loop {
        if scene.odds(scene.plan.hang) {
            let hang = scene.between(scene.plan.lease / 2, scene.plan.lease * 4);
            bench.hangs_until.store(scene.time.passed() + hang as i64, Ordering::Relaxed);
            scene.time.sleep(hang).await;
        }
        // What was not answered is said again, word for word.
        let ends = unsaid.take().unwrap_or_else(|| Arc::new(done(scene, bench)));
        let free = scene.plan.slots.saturating_sub(lock(&bench.work).len() as u64);
        if let Err(error) = say(scene, bench, store, worker, &ends, free).await
            && may_repeat(scene, &error)
        {
            unsaid = Some(ends);
        }
        scene.time.sleep(scene.between(1, scene.plan.span / 66)).await;
    }
}

async fn say(
    scene: &Scene,
    bench: &Bench,
    store: &dyn Store,
    worker: &WorkerId,
    ends: &Ends,
    free: u64,
) -> Result<(), longshore_core::StoreError> {
    let now = scene.time.now();
    if free == 0 {
        if !ends.is_empty() {
            store.finish(ends.clone(), now).await?;
        }
        return Ok(());
    }
    let claim = want(scene, worker, free);
    let jobs = if ends.is_empty() && scene.odds(0.5) {
        store.claim(claim, now).await?.jobs
    } else {
        store.turn(ends.clone(), claim, now).await?.claims.jobs
    };
    let starts = scene.time.passed();
    lock(&bench.work).extend(jobs.into_iter().map(|job| begin(scene, &job, starts)));
    Ok(())
}

fn want(scene: &Scene, worker: &WorkerId, free: u64) -> Claim {
    let queues = scene.plan.queues.iter().filter(|_| scene.odds(0.8)).cloned();
    let per_queue = (free / scene.plan.queues.len() as u64).max(1) as usize;
    let lanes = queues.map(|queue| LaneWant { queue, limit: per_queue + 1, slots: per_queue }).collect();
    Claim { worker: worker.clone(), lanes, lease: Duration::from_millis(scene.plan.lease) }
}

fn begin(scene: &Scene, job: &Claimed, starts: i64) -> Work {
    let takes = scene.between(0, if scene.odds(0.2) { scene.plan.lease * 2 } else { scene.plan.span / 25 });
    Work {
        token: job.lease.token,
        attempt: job.attempt,
        attempts_max: job.spec.options.max_attempts,
        done_at: starts + takes as i64,
        cancel: false,
    }
}

/// The ends of all attempts whose handlers are done.
fn done(scene: &Scene, bench: &Bench) -> Vec<End> {
    let (passed, now) = (scene.time.passed(), scene.time.now());
    let over = |work: &mut Work| work.done_at <= passed || work.cancel;
    let over: Vec<Work> = lock(&bench.work).extract_if(.., over).collect();
    over.iter().map(|work| end(scene, work, now)).collect()
}

fn end(scene: &Scene, work: &Work, now: Timestamp) -> End {
    let later = now + Duration::from_millis(scene.between(0, scene.plan.span / 4));
    let error = || JobError::new("it did not work");
    let outcome = match scene.chance.below(10) {
        _ if work.cancel => Outcome::Cancel { reason: Reason::ByOperator },
        0 | 1 if work.attempt < work.attempts_max => {
            Outcome::Retry { at: later, error: error(), reason: Reason::Error }
        }
        0 | 1 => Outcome::Fail { error: error(), reason: Reason::Error },
        2 => Outcome::Snooze { until: later, reason: None },
        3 => Outcome::Fail { error: error(), reason: Reason::Panic },
        4 if scene.odds(0.3) => Outcome::Cancel { reason: Reason::ByHandler },
        5 if scene.odds(0.5) => Outcome::HandBack,
        _ => Outcome::Done { result: None },
    };
    let mut end = End::by_token(work.token, outcome);
    end.started_at = Some(now);
    if scene.odds(scene.plan.mix.follow) {
        end.then.push(draft::follower(scene));
    }
    end
}

async fn pulse(scene: &Scene, bench: &Bench, store: &dyn Store) {
    loop {
        scene.time.sleep((scene.plan.lease / 3).max(1)).await;
        if bench.hangs_until.load(Ordering::Relaxed) > scene.time.passed() {
            continue;
        }
        let renewals: Vec<Renewal> =
            lock(&bench.work).iter().map(|work| Renewal { token: work.token, progress: None }).collect();
        if renewals.is_empty() {
            continue;
        }
        let lease = Duration::from_millis(scene.plan.lease);
        let answers = match store.renew(renewals.clone(), lease, scene.time.now()).await {
            Ok(answers) => answers,
            Err(error) => {
                may_repeat(scene, &error);
                continue;
            }
        };
        for (renewal, answer) in renewals.iter().zip(answers) {
            heard(scene, bench, renewal.token, answer);
        }
    }
}

fn heard(scene: &Scene, bench: &Bench, token: LeaseToken, answer: Renewed) {
    // Half of those who hear that their lease is lost do not listen, and finish late.
    let stubborn = scene.odds(0.5);
    lock(&bench.work).retain_mut(|work| {
        if work.token == token && matches!(answer, Renewed::Held { cancel: true, .. }) {
            work.cancel = scene.odds(0.8);
        }
        work.token != token || answer != Renewed::Lost || stubborn
    });
}
