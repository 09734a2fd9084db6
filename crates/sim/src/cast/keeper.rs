//! Whoever moves due, lost and old jobs.

use std::sync::Arc;

use longshore_core::{Kept, Store, StoreResult};

use super::may_repeat;
use crate::gate::Gate;
use crate::scene::Scene;
use crate::stage::{Make, Task};

/// Duties of a keeper.
const DUTIES: u64 = 6;

pub(crate) fn make(name: String) -> Make {
    Box::new(move |scene: &Arc<Scene>| {
        let (store, scene) = (Gate::of(scene, &name), scene.clone());
        let task: Task = Box::pin(async move { keep(&scene, &*store).await });
        vec![task]
    })
}

async fn keep(scene: &Scene, store: &dyn Store) {
    loop {
        let limit = *scene.pick(&[1, 2, 5, 100]);
        if let Err(error) = duty(scene, store, scene.chance.below(DUTIES), limit).await {
            may_repeat(scene, &error);
        }
        scene.time.sleep(scene.between(1, scene.plan.span / 50)).await;
    }
}

async fn duty(scene: &Scene, store: &dyn Store, duty: u64, limit: usize) -> StoreResult<Kept> {
    let now = scene.time.now();
    match duty {
        0 => store.promote(limit, now).await,
        1 => store.expire(limit, now).await,
        2 => store.settle(limit, now).await,
        3 => store.sort(limit, now).await,
        4 => store.reclaim(limit, scene.plan.stalls_max, now).await,
        _ => store.prune(limit, now).await,
    }
}

/// Every duty, until none has anything to do at this moment; tells whether anything was done.
pub(crate) async fn round(scene: &Scene, store: &dyn Store) -> StoreResult<bool> {
    let mut did = false;
    for each in 0..DUTIES {
        loop {
            let kept = duty(scene, store, each, 100).await?;
            did |= !kept.moved.is_empty() || kept.removed > 0;
            if kept.next.is_none_or(|next| next > scene.time.now()) {
                break;
            }
        }
    }
    Ok(did)
}
