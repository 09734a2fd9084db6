//! Whoever interferes.

use std::sync::Arc;

use longshore_core::{Change, JobFilter, Page, QueueChange, RetentionChange, Store, StoreResult};

use super::{draft, may_repeat};
use crate::gate::Gate;
use crate::scene::Scene;
use crate::stage::{Make, Task};

pub(crate) fn make(name: String) -> Make {
    Box::new(move |scene: &Arc<Scene>| {
        let (store, scene) = (Gate::of(scene, &name), scene.clone());
        let task: Task = Box::pin(async move { operate(&scene, &*store).await });
        vec![task]
    })
}

async fn operate(scene: &Scene, store: &dyn Store) {
    if !scene.plan.tame
        && let Err(error) = furnish(scene, store).await
    {
        may_repeat(scene, &error);
    }
    loop {
        if let Err(error) = once(scene, store).await {
            may_repeat(scene, &error);
        }
        scene.time.sleep(scene.between(10, scene.plan.span / 5)).await;
    }
}

/// Limits from the beginning on.
async fn furnish(scene: &Scene, store: &dyn Store) -> StoreResult<()> {
    for queue in scene.plan.queues.iter().filter(|_| scene.odds(scene.plan.mix.limits)) {
        let change = QueueChange { limits: Some(draft::limits(scene)), ..QueueChange::default() };
        store.set_queue(queue.clone(), change, scene.time.now()).await?;
    }
    for kind in scene.plan.kinds.iter().filter(|_| scene.odds(scene.plan.mix.limits)) {
        store.set_kind(kind.clone(), draft::limits(scene), scene.time.now()).await?;
    }
    Ok(())
}

async fn once(scene: &Scene, store: &dyn Store) -> StoreResult<()> {
    let now = scene.time.now();
    let queue = draft::queue(scene);
    match scene.chance.below(if scene.plan.tame { 6 } else { 13 }) {
        0 => {
            let change = QueueChange { paused: Some(true), ..QueueChange::default() };
            store.set_queue(queue.clone(), change, now).await?;
            scene.time.sleep(scene.between(10, scene.plan.span * 2 / 5)).await;
            resume(scene, store).await?;
        }
        1 => resume(scene, store).await?,
        2..=5 => {
            let change = *scene.pick(&[
                Change::Cancel,
                Change::Cancel,
                Change::Revive,
                Change::Revive,
                Change::Revive,
                Change::Remove { force: false },
                Change::Remove { force: true },
            ]);
            let ids = (0..scene.between(1, 3)).filter_map(|_| draft::some_id(scene)).collect();
            store.amend(ids, change, now).await?;
        }
        6 | 7 if scene.odds(scene.plan.mix.limits) => {
            let limits = Some(draft::limits(scene));
            store.set_queue(queue, QueueChange { limits, ..QueueChange::default() }, now).await?;
        }
        8 if scene.odds(scene.plan.mix.limits) => {
            let limits = if scene.odds(0.5) { Vec::new() } else { draft::limits(scene) };
            store.set_kind(scene.pick(&scene.plan.kinds).clone(), limits, now).await?;
        }
        9 => drop(store.free_unique(queue, draft::key(scene), now).await?),
        10 => drop(store.remove_queue(queue, now).await?),
        11 if scene.odds(scene.plan.mix.retention) => {
            let retention =
                RetentionChange { most: Some(scene.between(0, 20)), ..RetentionChange::default() };
            store.set_queue(queue, QueueChange { retention, ..QueueChange::default() }, now).await?;
        }
        _ => drop(store.list(JobFilter::default(), Page { after: None, limit: 10 }).await?),
    }
    Ok(())
}

async fn resume(scene: &Scene, store: &dyn Store) -> StoreResult<()> {
    let change = QueueChange { paused: Some(false), ..QueueChange::default() };
    store.set_queue(draft::queue(scene), change, scene.time.now()).await.map(drop)
}
