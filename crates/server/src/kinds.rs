use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};

use longshore_core::{Invalid, KindName, StoreResult, Timestamp};
use longshore_runtime::Engine;
use serde_json::json;
use tokio::sync::Mutex;

use crate::error::ApiError;

/// The kinds that somebody can run: the worker in this process, or a live one elsewhere.
///
/// Looked up in memory; workers are asked again only when a kind is not among those known, and then not more often
/// than once a second.
#[derive(Clone)]
pub(crate) struct Kinds {
    known: Arc<RwLock<HashSet<KindName>>>,
    looked_at: Arc<Mutex<Timestamp>>,
}

impl Kinds {
    pub(crate) fn new(own: &[KindName]) -> Self {
        Self { known: Arc::new(RwLock::new(own.iter().cloned().collect())), looked_at: Arc::default() }
    }

    /// Whether it is known without asking.
    pub(crate) fn knows(&self, kind: &KindName) -> bool {
        self.known.read().unwrap_or_else(PoisonError::into_inner).contains(kind)
    }

    /// Refuses a kind that nobody can run; `field` says where the caller wrote it.
    pub(crate) async fn check(&self, engine: &Engine, kind: &KindName, field: &str) -> Result<(), ApiError> {
        if self.finds(engine, kind).await? {
            return Ok(());
        }
        let mut known: Vec<KindName> =
            self.known.read().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
        known.sort_unstable();
        let names = known.iter().map(KindName::as_str).collect::<Vec<_>>().join(", ");
        let expected = format!("a kind that a live worker knows ({names})");
        let invalid = Invalid::new(field, expected, format!("{:?}", kind.as_str())).code("unknown_kind");
        let details =
            json!({ "field": field, "expected": invalid.expected, "got": invalid.got, "known": known });
        Err(ApiError::from(invalid).details(details))
    }

    /// Whether somebody can run it, by asking if need be.
    pub(crate) async fn finds(&self, engine: &Engine, kind: &KindName) -> StoreResult<bool> {
        if self.knows(kind) {
            return Ok(true);
        }
        let mut looked_at = self.looked_at.lock().await;
        let now = engine.door().clock.now();
        if now.since(*looked_at).as_millis() >= 1_000 || *looked_at == Timestamp::ZERO {
            let control = engine.control();
            let workers = control.workers().await?;
            let alive =
                workers.into_iter().filter(|worker| control.is_alive(worker)).flat_map(|worker| worker.kinds);
            self.known.write().unwrap_or_else(PoisonError::into_inner).extend(alive);
            *looked_at = now;
        }
        drop(looked_at);
        Ok(self.knows(kind))
    }
}
