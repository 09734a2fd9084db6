use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use longshore_core::{Invalid, KindName, StoreResult, Timestamp};
use longshore_runtime::Engine;
use serde_json::json;
use tokio::sync::Mutex;

use crate::error::ApiError;

/// The kinds that somebody can run: the worker in this process, or a live one elsewhere.
///
/// Looked up in memory. Workers are asked again when a kind is not among those known, and when the last answer is old.
#[derive(Clone)]
pub(crate) struct Kinds {
    own: Arc<BTreeSet<KindName>>,
    seen: Arc<RwLock<Seen>>,
    asking: Arc<Mutex<()>>,
}

/// The kinds of the workers that were alive at a time.
#[derive(Default)]
struct Seen {
    kinds: BTreeSet<KindName>,
    at: Timestamp,
}

/// Workers are not asked more often than this.
const ASK_AGAIN: Duration = Duration::from_millis(100);
/// An answer that is older is not relied on.
const OLD: Duration = Duration::from_secs(30);

impl Kinds {
    pub(crate) fn new(own: &[KindName]) -> Self {
        let own = Arc::new(own.iter().cloned().collect());
        Self { own, seen: Arc::default(), asking: Arc::default() }
    }

    fn seen(&self) -> RwLockReadGuard<'_, Seen> {
        self.seen.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses a kind that nobody can run; `field` says where the caller wrote it. While no worker is alive at all nobody
    /// can tell, and the job waits for one.
    pub(crate) async fn check(
        &self,
        engine: &Engine,
        kind: &KindName,
        field: impl FnOnce() -> String,
    ) -> Result<(), ApiError> {
        if self.finds(engine, kind).await? {
            return Ok(());
        }
        let known: BTreeSet<KindName> = &*self.own | &self.seen().kinds;
        if known.is_empty() {
            return Ok(());
        }
        let field = field();
        let names = known.iter().map(KindName::as_str).collect::<Vec<_>>().join(", ");
        let expected = format!("a kind that a live worker knows ({names})");
        let invalid =
            Invalid::new(field.clone(), expected, format!("{:?}", kind.as_str())).code("unknown_kind");
        let details =
            json!({ "field": field, "expected": invalid.expected, "got": invalid.got, "known": known });
        Err(ApiError::from(invalid).details(details))
    }

    /// Whether somebody can run it, by asking if need be.
    pub(crate) async fn finds(&self, engine: &Engine, kind: &KindName) -> StoreResult<bool> {
        if self.own.contains(kind) {
            return Ok(true);
        }
        let is_known = |within: Duration, now: Timestamp| {
            let seen = self.seen();
            (seen.at != Timestamp::ZERO && now.since(seen.at) < within).then(|| seen.kinds.contains(kind))
        };
        let now = engine.door().clock.now();
        if is_known(OLD, now) == Some(true) {
            return Ok(true);
        }
        let _asking = self.asking.lock().await;
        // Somebody else may have asked meanwhile.
        if let Some(known) = is_known(ASK_AGAIN, engine.door().clock.now()) {
            return Ok(known);
        }
        let kinds = engine.control().live_kinds().await?;
        let known = kinds.contains(kind);
        *self.seen.write().unwrap_or_else(PoisonError::into_inner) =
            Seen { kinds, at: engine.door().clock.now() };
        Ok(known)
    }
}
