//! What was computed once, kept for those who ask again.

mod backend;
mod body;
mod config;
mod error;
mod flight;
mod glob;
mod load;
mod marks;
mod memory;
#[cfg(feature = "redis")]
mod redis;
mod stats;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use longshore_clock::{Door, Timestamp};
use longshore_core::Invalid;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{SemaphoreLimiter, SemaphoreLimiterConfig};

use backend::{Backend, Life, Which};
use body::Body;
use flight::Flights;
use glob::Glob;
use memory::MemoryStore;
use stats::Counters;

pub use config::{CacheConfig, CachePolicy, Ttl};
pub use error::{CacheError, LoadError};
pub use glob::escape_pattern;
#[cfg(feature = "redis")]
pub use redis::{RedisCache, RedisCacheConfig};
pub use stats::CacheStats;

/// Values by key, as JSON, with an end to their lives. Cheap to clone; all clones are one cache.
///
/// Lookups and new values never fail because of the cache itself: a shared store that is away, slow or wrong counts as a
/// miss, and [`CacheStats::errors`] tells of it.
#[derive(Clone)]
pub struct Cache(Arc<Inner>);

struct Inner {
    backend: Backend,
    config: CacheConfig,
    flights: Arc<Flights>,
    refreshes: SemaphoreLimiter,
    counters: Arc<Counters>,
    door: Door,
    since: Timestamp,
}

impl Cache {
    /// A cache in the memory of this process. Refuses a configuration with values out of range.
    pub fn in_memory(config: CacheConfig, door: &Door) -> Result<Self, Invalid> {
        config.check()?;
        let backend = Backend::Memory(MemoryStore::new(&config, &door.clock));
        Self::new(backend, config, Arc::default(), door)
    }

    fn new(
        backend: Backend,
        config: CacheConfig,
        counters: Arc<Counters>,
        door: &Door,
    ) -> Result<Self, Invalid> {
        let limit = SemaphoreLimiterConfig {
            max_concurrent: config.max_refreshes,
            ..SemaphoreLimiterConfig::default()
        };
        let refreshes = SemaphoreLimiter::new(&limit, door)?;
        let (flights, door, since) = (Arc::default(), door.clone(), door.clock.now());
        Ok(Self(Arc::new(Inner { backend, config, flights, refreshes, counters, door, since })))
    }

    /// The value of a key, if there is a fresh one. A stored `null` is found by a `T` that can be one, such as an
    /// `Option`. What does not fit `T` counts as a fault of the cache, and is not found.
    pub async fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, CacheError> {
        config::check_key(key)?;
        let inner = &*self.0;
        let found = inner.backend.get(key).await.filter(|found| found.stale_for.is_none());
        let value = found.and_then(|found| inner.read(&found.body));
        if value.is_some() {
            inner.counters.hits.add()
        } else {
            inner.counters.misses.add()
        }
        Ok(value)
    }

    /// Keeps a value under a key, in the place of what is there. How it is kept is told by a [`CachePolicy`]: a duration
    /// is enough, `None` is for ever, `()` as the configuration says. Refuses a key or a tag with control characters or of a
    /// length out of range, and a value that is too long or that JSON cannot tell.
    ///
    /// A Redis that does not take the value is no error: it is counted as `errors` and `not_kept`, and what was there may be
    /// handed out until its time is over. Who must not read that any more invalidates the key, which tells whether it
    /// got through.
    pub async fn set<T: Serialize + ?Sized>(
        &self,
        key: &str,
        value: &T,
        policy: impl Into<CachePolicy>,
    ) -> Result<(), CacheError> {
        let policy = policy.into();
        config::check_key(key)?;
        policy.check()?;
        let inner = &*self.0;
        let json = Body::json(&value)?;
        if json.len() > inner.config.max_entry_bytes {
            inner.counters.too_large.add();
            let expected =
                format!("at most {} bytes of JSON (max_entry_bytes)", inner.config.max_entry_bytes);
            return Err(Invalid::new("value", expected, json.len()).into());
        }
        let life = inner.life(&policy, None);
        let body = Body::new(json, inner.config.compress_above);
        if inner.backend.put(&key.into(), &body, life, &policy.tags, None).await {
            inner.counters.sets.add();
        } else {
            inner.counters.not_kept.add();
        }
        Ok(())
    }

    /// Removes an entry, wherever this cache is used, and says whether there was one. A value that is being loaded for
    /// this key is not kept.
    pub async fn invalidate(&self, key: &str) -> Result<bool, CacheError> {
        config::check_key(key)?;
        self.remove(Which::Key(key)).await.map(|removed| removed > 0)
    }

    /// Removes all entries with a tag, and says how many there were.
    pub async fn invalidate_tag(&self, tag: &str) -> Result<u64, CacheError> {
        config::check_tag(tag)?;
        self.remove(Which::Tag(tag)).await
    }

    /// Removes all entries whose keys fit a pattern, and says how many there were. `*` is any text, `?` one character, and
    /// `\` takes the meaning of what follows ([`escape_pattern`]). In memory it looks only at keys with the same
    /// beginning; in Redis it looks at all, in small steps.
    pub async fn invalidate_pattern(&self, pattern: &str) -> Result<u64, CacheError> {
        let glob = Glob::parse(pattern)?;
        self.remove(Which::Pattern(&glob)).await
    }

    /// Removes all entries of this cache, and says how many there were.
    pub async fn clear(&self) -> Result<u64, CacheError> {
        self.remove(Which::All).await
    }

    async fn remove(&self, which: Which<'_>) -> Result<u64, CacheError> {
        let removed = self.0.backend.remove(which).await?;
        self.0.counters.invalidations.fetch_add(removed, Ordering::Relaxed);
        Ok(removed)
    }

    /// What it has seen so far.
    pub fn stats(&self) -> CacheStats {
        let inner = &*self.0;
        let (backend, memory) = match &inner.backend {
            Backend::Memory(memory) => ("memory", Some(memory)),
            #[cfg(feature = "redis")]
            Backend::Redis(_) => ("redis", None),
            #[cfg(feature = "redis")]
            Backend::Tiered(tiered) => ("tiered", Some(tiered.near())),
        };
        let mut stats = inner.counters.read(backend, &inner.config.prefix, inner.since);
        if let Some((entries, bytes, evictions)) = memory.map(MemoryStore::size) {
            (stats.entries, stats.bytes, stats.evictions) = (Some(entries), Some(bytes), evictions);
        }
        stats
    }
}

impl Inner {
    /// What a body says, if it can be read.
    fn read<T: DeserializeOwned>(&self, body: &Body) -> Option<T> {
        let value = body.read(self.config.max_entry_bytes);
        if value.is_none() {
            self.counters.errors.add();
        }
        value
    }

    /// How long a value lives; `at_most` cuts the time it is fresh.
    fn life(&self, policy: &CachePolicy, at_most: Option<Duration>) -> Life {
        let ttl = match policy.ttl {
            Ttl::Default => self.config.default_ttl,
            Ttl::For(ttl) => Some(ttl),
            Ttl::Never => None,
        };
        let jitter = self.config.ttl_jitter;
        let ttl = ttl.map(|ttl| match jitter {
            0.0 => ttl,
            jitter => ttl.mul_f64(1.0 + jitter * (2.0 * self.door.chance.unit() - 1.0)),
        });
        match at_most {
            None => Life { ttl, stale: policy.stale_while_revalidate.max(policy.stale_if_error) },
            Some(_) => Life { ttl: ttl.into_iter().chain(at_most).min(), stale: Duration::ZERO },
        }
    }
}
