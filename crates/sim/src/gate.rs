//! Between an actor and the store: requests that do not arrive, answers that are lost, and the moments at which
//! somebody else goes on or a process dies.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use longshore_core::{Store, StoreError, StoreResult};
use longshore_storetest::{Around, Wrapped};

use crate::lock;
use crate::scene::Scene;

/// One actor's way to the store.
pub(crate) struct Gate {
    scene: Arc<Scene>,
    who: Arc<str>,
}

impl Gate {
    /// The store as this actor sees it.
    pub(crate) fn of(scene: &Arc<Scene>, who: &str) -> Arc<dyn Store> {
        Arc::new(Wrapped::new(scene.store.clone(), Self { scene: scene.clone(), who: who.into() }))
    }

    fn fault(&self, name: &str, what: &str) -> StoreError {
        self.scene.faulted();
        self.speak();
        self.scene.tell(&format!("{name}: {what}"));
        StoreError::Unavailable(what.to_owned())
    }

    fn speak(&self) {
        lock(&self.scene.trace).who = self.who.clone();
    }

    async fn travel(&self) {
        self.scene.step_aside().await;
        if self.scene.odds(0.15) {
            self.scene.time.sleep(self.scene.between(1, self.scene.plan.latency)).await;
        }
    }
}

impl Around for Gate {
    async fn pass<T: Send>(
        &self,
        name: &'static str,
        call: impl Future<Output = StoreResult<T>> + Send,
    ) -> StoreResult<T> {
        if !self.scene.rough.load(Ordering::Relaxed) {
            self.scene.step_aside().await;
            self.speak();
            return call.await;
        }
        let draw = self.scene.chance.unit();
        let odds = self.scene.plan.fault;
        self.travel().await;
        if draw < odds / 2.0 {
            return Err(self.fault(name, "the request did not arrive"));
        }
        self.speak();
        let answer = call.await?;
        self.travel().await;
        if draw < odds {
            return Err(self.fault(name, "the answer was lost"));
        }
        Ok(answer)
    }
}
