//! Who works here: workers tell of themselves in documents that go away by themselves.

use std::time::Duration;

use bytes::Bytes;
use longshore_core::{Expect, Store, StoreResult, Timestamp, WorkerId, WorkerInfo};

const PREFIX: &str = "worker/";
/// A silent worker stays listed so long.
const LISTED: Duration = Duration::from_secs(3_600);
/// Workers listed at most.
const WORKERS_MAX: usize = 1_000;

pub(crate) async fn tell(store: &dyn Store, info: &WorkerInfo, now: Timestamp) -> StoreResult<()> {
    let value = serde_json::to_vec(info).unwrap_or_default();
    store
        .doc_put(&format!("{PREFIX}{}", info.id), Bytes::from(value), Expect::Anything, Some(LISTED), now)
        .await?;
    Ok(())
}

pub(crate) async fn leave(store: &dyn Store, id: &WorkerId, now: Timestamp) -> StoreResult<()> {
    store.doc_delete(&format!("{PREFIX}{id}"), Expect::Anything, now).await?;
    Ok(())
}

pub(crate) async fn list(store: &dyn Store, now: Timestamp) -> StoreResult<Vec<WorkerInfo>> {
    let docs = store.doc_list(PREFIX, None, WORKERS_MAX, now).await?;
    Ok(docs.iter().filter_map(|doc| serde_json::from_slice(&doc.value).ok()).collect())
}
