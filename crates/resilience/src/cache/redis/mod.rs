//! Entries that many processes share.

mod config;
mod entry;
mod link;
mod store;
mod tiered;

use std::sync::{Arc, Mutex};

use longshore_clock::Door;
use longshore_core::Invalid;

use super::marks::Marks;
use super::memory::MemoryStore;
use super::stats::Counters;
use super::{Backend, Cache, CacheConfig};
use crate::{CircuitBreaker, Timeout};
use link::Link;

pub use config::RedisCacheConfig;
pub(super) use store::RedisStore;
pub(super) use tiered::TieredStore;

/// A Redis as a place for caches. Cheap to clone; several caches, with different prefixes, may use one.
#[derive(Clone)]
pub struct RedisCache {
    link: Arc<Link>,
    config: RedisCacheConfig,
    door: Door,
}

impl RedisCache {
    /// Refuses values out of range, an address that is none, a server that speaks another protocol, and a password that
    /// is refused. A Redis that is away is no error: it may come, and nothing is found until then.
    pub async fn connect(config: RedisCacheConfig, door: &Door) -> Result<Self, Invalid> {
        Ok(Self { link: Link::open(&config, door).await?, config, door: door.clone() })
    }

    /// What keeps callers from waiting for a Redis that does not answer.
    pub fn breaker(&self) -> &CircuitBreaker {
        self.link.breaker()
    }

    fn store(&self, config: &CacheConfig, counters: &Arc<Counters>) -> RedisStore {
        RedisStore {
            link: self.link.clone(),
            prefix: config.prefix.clone(),
            marks: Mutex::new(Marks::new()),
            chance: self.door.chance.clone(),
            counters: counters.clone(),
            clock: self.door.clock.clone(),
        }
    }
}

impl Cache {
    /// A cache in Redis, shared by all processes that use the same prefix. Refuses a configuration with values out of
    /// range.
    pub fn in_redis(config: CacheConfig, redis: &RedisCache) -> Result<Self, Invalid> {
        config.check()?;
        let counters = Arc::default();
        let backend = Backend::Redis(redis.store(&config, &counters));
        Self::new(backend, config, counters, &redis.door)
    }

    /// A cache in Redis that also keeps what it has read in the memory of this process. What any process invalidates goes
    /// everywhere. To be called on a runtime, on which it listens until the last clone is dropped.
    pub fn tiered(config: CacheConfig, redis: &RedisCache) -> Result<Self, Invalid> {
        config.check()?;
        let counters = Arc::default();
        let near = MemoryStore::new(&config, &redis.door.clock);
        let far = redis.store(&config, &counters);
        let (near_ttl, heartbeat) = (redis.config.near_ttl, redis.config.heartbeat);
        let beat = Timeout::new(redis.config.timeout, &redis.door)?;
        let backend = Backend::Tiered(TieredStore::start(near, far, near_ttl, &beat, heartbeat, &redis.door));
        Self::new(backend, config, counters, &redis.door)
    }

    /// Whether a tiered cache hears what others invalidate, and so reads from the memory of this process; none for other
    /// caches.
    pub fn hears_invalidations(&self) -> Option<bool> {
        match &self.0.backend {
            Backend::Tiered(tiered) => Some(tiered.hears()),
            Backend::Memory(_) | Backend::Redis(_) => None,
        }
    }
}

longshore_core::opaque!(RedisCache);
