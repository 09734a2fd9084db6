use std::sync::Arc;
use std::time::Duration;

use super::CacheError;
use super::body::Body;
use super::glob::Glob;
use super::marks::Baseline;
use super::memory::{MemoryStore, Proof};
#[cfg(feature = "redis")]
use super::redis::{RedisStore, TieredStore};

/// Where entries are kept.
pub(super) enum Backend {
    Memory(MemoryStore),
    #[cfg(feature = "redis")]
    Redis(RedisStore),
    #[cfg(feature = "redis")]
    Tiered(TieredStore),
}

/// An entry that may be handed out.
pub(super) struct Found {
    pub(super) body: Body,
    /// How long ago it stopped being fresh.
    pub(super) stale_for: Option<Duration>,
}

/// How long an entry is fresh, and for how long after that it is kept.
#[derive(Clone, Copy)]
pub(super) struct Life {
    pub(super) ttl: Option<Duration>,
    pub(super) stale: Duration,
}

/// Which entries are to go.
#[derive(Clone, Copy)]
pub(super) enum Which<'a> {
    Key(&'a str),
    Tag(&'a str),
    Pattern(&'a Glob),
    All,
}

#[cfg_attr(
    not(feature = "redis"),
    expect(clippy::unused_async, reason = "other stores have to be waited for")
)]
impl Backend {
    pub(super) async fn get(&self, key: &str) -> Option<Found> {
        match self {
            Self::Memory(store) => store.get(key),
            #[cfg(feature = "redis")]
            Self::Redis(store) => store.get(key).await,
            #[cfg(feature = "redis")]
            Self::Tiered(store) => store.get(key).await,
        }
    }

    /// What a load has to know before it begins, and the entry, if another one has just put it there.
    pub(super) async fn begin(&self, key: &str, tags: &[Arc<str>]) -> (Baseline, Option<Found>) {
        match self {
            Self::Memory(store) => {
                let near = store.marks(key, tags);
                (Baseline { tags: tags.into(), near, far: None }, store.get(key))
            }
            #[cfg(feature = "redis")]
            Self::Redis(store) => store.begin(key, tags).await,
            #[cfg(feature = "redis")]
            Self::Tiered(store) => store.begin(key, tags).await,
        }
    }

    /// Keeps a value; with a baseline, only if nothing that matters to it was invalidated since.
    pub(super) async fn put(
        &self,
        key: &Arc<str>,
        body: &Body,
        life: Life,
        tags: &[Arc<str>],
        baseline: Option<&Baseline>,
    ) -> bool {
        match self {
            Self::Memory(store) => store.put(
                key,
                body,
                life,
                tags,
                baseline.map_or(Proof::News, |baseline| Proof::Marks(&baseline.near)),
            ),
            #[cfg(feature = "redis")]
            Self::Redis(store) => store.put(key, body, life, tags, baseline).await,
            #[cfg(feature = "redis")]
            Self::Tiered(store) => store.put(key, body, life, tags, baseline).await,
        }
    }

    /// Removes entries and says how many there were.
    pub(super) async fn remove(&self, which: Which<'_>) -> Result<u64, CacheError> {
        match self {
            Self::Memory(store) => Ok(store.remove(which)),
            #[cfg(feature = "redis")]
            Self::Redis(store) => store.remove(which).await,
            #[cfg(feature = "redis")]
            Self::Tiered(store) => store.remove(which).await,
        }
    }
}
