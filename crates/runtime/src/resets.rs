//! Breakers that an operator has closed by hand: asked for in a document, seen by each process at the next beat of a worker.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use longshore_core::{Expect, KindName, Store, StoreResult, Timestamp};

const PREFIX: &str = "breaker-reset/";
/// A worker that sees nothing for so long is gone.
const KEPT: Duration = Duration::from_secs(3_600);
/// Kinds that may be asked for in that time.
const KINDS_MAX: usize = 10_000;

/// What was asked for, by kind: it changes with each request.
pub(crate) type Resets = BTreeMap<KindName, Bytes>;

pub(crate) async fn ask(store: &dyn Store, kind: &KindName, mark: Bytes, now: Timestamp) -> StoreResult<()> {
    store.doc_put(&format!("{PREFIX}{kind}"), mark, Expect::Anything, Some(KEPT), now).await?;
    Ok(())
}

pub(crate) async fn read(store: &dyn Store, now: Timestamp) -> StoreResult<Resets> {
    let docs = store.doc_list(PREFIX, None, KINDS_MAX, now).await?;
    let known = |key: &str| KindName::new(key.strip_prefix(PREFIX)?).ok();
    Ok(docs.into_iter().filter_map(|doc| Some((known(&doc.key)?, doc.value))).collect())
}
