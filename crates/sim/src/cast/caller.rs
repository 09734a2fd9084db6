//! Whoever submits jobs, and repeats what was not answered.

use std::sync::Arc;

use longshore_core::Store;

use super::{draft, may_repeat};
use crate::gate::Gate;
use crate::lock;
use crate::scene::Scene;
use crate::stage::{Make, Task};

pub(crate) fn make(name: String) -> Make {
    Box::new(move |scene: &Arc<Scene>| {
        let (store, scene) = (Gate::of(scene, &name), scene.clone());
        let task: Task = Box::pin(async move { call(&scene, &*store).await });
        vec![task]
    })
}

async fn call(scene: &Scene, store: &dyn Store) {
    let pause = (scene.plan.length as u64 / scene.plan.batches).max(1);
    for _ in 0..scene.plan.batches {
        let specs = draft::batch(scene);
        loop {
            match store.insert(specs.clone(), scene.time.now()).await {
                Ok(answers) => {
                    let ids = answers.into_iter().map(|answer| answer.id).collect();
                    lock(&scene.ledger).promise(ids);
                    break;
                }
                Err(error) if may_repeat(scene, &error) => {
                    scene.time.sleep(scene.between(10, scene.plan.span / 40)).await
                }
                Err(_) => break,
            }
        }
        scene.time.sleep(scene.between(1, pause)).await;
    }
}
