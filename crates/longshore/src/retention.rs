//! The configured retention, for queues that nobody gave one of their own.

use std::sync::Arc;
use std::time::Duration;

use longshore_clock::Clock;
use longshore_core::{Expect, QueueChange, Retention, Store, StoreResult};
use longshore_runtime::Stop;

/// New queues are found this often.
const EVERY: Duration = Duration::from_secs(60);

/// Remembers what was configured last, to tell it from what operators set.
const APPLIED: &str = "config/retention";

/// Gives it to them now, and to new ones within a minute, until `stop` drains.
pub(crate) async fn apply(store: Arc<dyn Store>, clock: Clock, retention: Retention, stop: Stop) {
    let rounds = async {
        loop {
            if let Err(error) = round(&*store, &clock, retention).await {
                tracing::warn!(%error, "the retention was not set; it is tried again later");
            }
            clock.sleep(EVERY).await;
        }
    };
    tokio::select! {
        () = stop.draining() => {}
        () = rounds => {}
    }
}

async fn round(store: &dyn Store, clock: &Clock, retention: Retention) -> StoreResult<()> {
    let now = clock.now();
    let applied = store.doc_get(APPLIED, now).await?;
    let applied: Option<Retention> = applied.and_then(|doc| serde_json::from_slice(&doc.value).ok());
    let before = applied.unwrap_or_default();
    if before == retention && retention == Retention::default() {
        return Ok(());
    }
    for queue in store.queues().await? {
        let is_own = queue.retention != Retention::default() && queue.retention != before;
        if !is_own && queue.retention != retention {
            let change = QueueChange { retention: retention.into(), ..QueueChange::default() };
            store.set_queue(queue.name, change, now).await?;
        }
    }
    if before != retention {
        let value = serde_json::to_vec(&retention).unwrap_or_default();
        store.doc_put(APPLIED, value.into(), Expect::Anything, None, now).await?;
    }
    Ok(())
}
