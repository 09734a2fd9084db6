//! The configured retention, for queues that nobody gave one of their own.

use std::sync::Arc;
use std::time::Duration;

use longshore_clock::Clock;
use longshore_core::{QueueChange, Retention, Store, StoreResult};
use longshore_runtime::Stop;

/// New queues are found this often.
const EVERY: Duration = Duration::from_secs(60);

/// Gives it to them now, and to new ones within a minute, until `stop` drains. Does nothing if it is the usual one.
pub(crate) async fn apply(store: Arc<dyn Store>, clock: Clock, retention: Retention, stop: Stop) {
    if retention == Retention::default() {
        return;
    }
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
    for queue in store.queues().await? {
        if queue.retention == Retention::default() {
            let change = QueueChange { retention: Some(retention), ..QueueChange::default() };
            store.set_queue(queue.name, change, clock.now()).await?;
        }
    }
    Ok(())
}
