//! Jobs as chance makes them.

use std::sync::Arc;
use std::time::Duration;

use longshore_core::{
    DurationText, JobId, JobSpec, Json, Limit, Options, Parent, ParentPolicy, Priority, QueueName, Unique,
};

use crate::lock;
use crate::scene::Scene;

/// An id that no job had before.
pub(super) fn new_id(scene: &Scene) -> JobId {
    let id = JobId::parse(&format!("{}-{}", scene.plan.prefix, scene.number()))
        .unwrap_or_else(|_| unreachable!("a plain word is an id"));
    lock(&scene.ids).push(id.clone());
    id
}

fn millis(scene: &Scene, from: u64, most: u64) -> DurationText {
    DurationText(Duration::from_millis(scene.between(from, most)))
}

/// A batch for one insert: loose jobs, or a flow.
pub(super) fn batch(scene: &Scene) -> Vec<Arc<JobSpec>> {
    let size = scene.between(1, 4);
    let is_flow = scene.odds(scene.plan.mix.flow);
    let mut specs: Vec<Arc<JobSpec>> = Vec::new();
    for _ in 0..size {
        let mut parents: Vec<JobId> = Vec::new();
        if is_flow {
            parents.extend(specs.iter().filter(|_| scene.odds(0.6)).map(|spec| spec.id.clone()));
            if scene.odds(0.3) {
                parents.extend(known(scene).filter(|_| scene.odds(0.8)));
            }
        }
        specs.push(Arc::new(spec(scene, parents, is_flow)));
    }
    if is_flow && scene.odds(0.3) {
        // Children before their parents.
        specs.reverse();
    }
    specs
}

/// Some job that there was.
fn known(scene: &Scene) -> impl Iterator<Item = JobId> {
    some_id(scene).into_iter()
}

/// The id of some job that is in the store, as far as the ledger knows; of any job if it knows none.
pub(super) fn some_id(scene: &Scene) -> Option<JobId> {
    let ledger = lock(&scene.ledger);
    if ledger.jobs.is_empty() {
        let ids = lock(&scene.ids);
        return ids.get(scene.chance.below(ids.len() as u64) as usize).cloned();
    }
    let place = scene.chance.below(ledger.jobs.len() as u64) as usize;
    ledger.jobs.keys().nth(place).cloned()
}

/// A job that follows from the end of another.
pub(super) fn follower(scene: &Scene) -> Arc<JobSpec> {
    let mut spec = spec(scene, Vec::new(), true);
    spec.run_at = None;
    Arc::new(spec)
}

fn spec(scene: &Scene, parents: Vec<JobId>, in_flow: bool) -> JobSpec {
    let (mix, span) = (&scene.plan.mix, scene.plan.span);
    let (queue, kind) = (scene.pick(&scene.plan.queues), scene.pick(&scene.plan.kinds));
    let args = Json::trusted(&format!("{{\"tenant\":{}}}", scene.chance.below(3)));
    let mut spec = JobSpec::new(new_id(scene), queue.clone(), kind.clone(), args);
    spec.priority = Priority::new(scene.between(0, 2) as f64).unwrap_or_default();
    if scene.odds(mix.delay) {
        spec.run_at = Some(scene.time.now() + Duration::from_millis(scene.between(1, span)));
    }
    let mut options =
        Options { max_attempts: scene.between(1, 4) as u32, timeout: None, ..Options::default() };
    if scene.odds(mix.ttl) {
        options.ttl = Some(millis(scene, 100, span * 3 / 2));
    }
    if scene.odds(mix.retention) {
        options.retention = Some(millis(scene, 0, span * 3 / 2));
    }
    if scene.odds(mix.retention / 2.0) {
        options.result_retention = Some(millis(scene, 0, span / 2));
    }
    if scene.odds(0.1) {
        options.limit_key = Some("own".to_owned());
    }
    if !in_flow && scene.odds(mix.unique) {
        options.unique = Some(unique(scene));
    }
    let policies = [ParentPolicy::Wait, ParentPolicy::Fail, ParentPolicy::Cancel, ParentPolicy::Run];
    options.on_parent_failure = *scene.pick(&policies);
    options.depends_on = parents.into_iter().map(Parent::new).collect();
    options.depends_on.sort_by(|a, b| a.id.cmp(&b.id));
    options.depends_on.dedup_by(|a, b| a.id == b.id);
    spec.options = Arc::new(options);
    spec
}

/// One of few keys, in one of the three modes.
fn unique(scene: &Scene) -> Unique {
    let mut unique = Unique::new(key(scene));
    if scene.odds(0.5) {
        unique.ttl = Some(millis(scene, 100, scene.plan.span));
        unique.extend = scene.odds(0.3);
    }
    unique.replace = scene.odds(0.3);
    unique
}

pub(super) fn key(scene: &Scene) -> String {
    format!("key-{}", scene.chance.below(3))
}

/// Limits of a queue or kind: few, and small.
pub(super) fn limits(scene: &Scene) -> Vec<Limit> {
    let mut limits = Vec::new();
    for key in [None, Some("args.tenant")] {
        if !scene.odds(0.5) {
            continue;
        }
        let mut limit = Limit { key: key.map(str::to_owned), ..Limit::default() };
        if scene.odds(0.7) {
            limit.concurrency = Some(scene.between(1, 3) as u32);
        }
        if limit.concurrency.is_none() || scene.odds(0.3) {
            limit.rate = Some(scene.between(0, 5) as u32);
            limit.interval = Some(millis(scene, 500, 5_000));
            limit.burst = scene.odds(0.5).then(|| scene.between(1, 4) as u32);
        }
        limits.push(limit);
    }
    limits
}

/// Some queue.
pub(super) fn queue(scene: &Scene) -> QueueName {
    scene.pick(&scene.plan.queues).clone()
}
