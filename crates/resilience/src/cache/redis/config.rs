use std::fmt;
use std::time::Duration;

use longshore_core::Invalid;

use super::link::without_password;
use crate::cache::config::check_above_zero;

/// The largest `max_connections`.
const CONNECTIONS_MAX: usize = 1_000;

/// Where the Redis is, and how long it is waited for.
#[derive(Clone)]
pub struct RedisCacheConfig {
    /// `redis://[user:password@]host[:port][/database]`, or `redis+unix:///path/of/socket`.
    pub url: String,
    /// Longest time that one command may take; a caller goes on without the cache after it.
    pub timeout: Duration,
    /// Longest time that a new connection may take. It is made behind the backs of callers.
    pub connect_timeout: Duration,
    /// Connections for commands; a further one is opened when all have [`BUSY`](RedisCacheConfig::BUSY) commands under way.
    pub max_connections: usize,
    /// With [`Cache::tiered`](crate::Cache::tiered): longest time that an entry is kept in the memory of this process as well.
    pub near_ttl: Duration,
    /// With [`Cache::tiered`](crate::Cache::tiered): how often it is tried whether invalidations still arrive. When they
    /// do not, the memory of this process is not used, so no value outlives its invalidation by more than this and one
    /// `timeout`.
    pub heartbeat: Duration,
}

/// Without the password.
impl fmt::Debug for RedisCacheConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, timeout, connect_timeout, max_connections, near_ttl, heartbeat } = self;
        f.debug_struct("RedisCacheConfig")
            .field("url", &without_password(url))
            .field("timeout", timeout)
            .field("connect_timeout", connect_timeout)
            .field("max_connections", max_connections)
            .field("near_ttl", near_ttl)
            .field("heartbeat", heartbeat)
            .finish()
    }
}

impl Default for RedisCacheConfig {
    fn default() -> Self {
        Self {
            url: "redis://127.0.0.1:6379".to_owned(),
            timeout: Duration::from_millis(50),
            connect_timeout: Duration::from_secs(1),
            max_connections: 10,
            near_ttl: Duration::from_secs(60),
            heartbeat: Duration::from_millis(500),
        }
    }
}

impl RedisCacheConfig {
    /// Commands under way on one connection before another one is opened.
    pub const BUSY: usize = 64;

    /// The Redis of this address, all else as by default.
    pub fn at(url: &str) -> Self {
        Self { url: url.to_owned(), ..Self::default() }
    }

    /// The Redis that the environment names: `LONGSHORE_CACHE_URL`, or else `PIWARDRIVE_REDIS_URL`; none if it names
    /// none.
    pub fn from_env() -> Option<Self> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    fn from_variables(said: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let names = ["LONGSHORE_CACHE_URL", "PIWARDRIVE_REDIS_URL"];
        let url = names.iter().find_map(|name| said(name).filter(|url| !url.is_empty()))?;
        Some(Self::at(&url))
    }

    pub(super) fn check(&self) -> Result<(), Invalid> {
        if !(1..=CONNECTIONS_MAX).contains(&self.max_connections) {
            return Err(Invalid::new(
                "max_connections",
                format!("1 to {CONNECTIONS_MAX}"),
                self.max_connections,
            ));
        }
        let times = [
            ("timeout", self.timeout),
            ("connect_timeout", self.connect_timeout),
            ("near_ttl", self.near_ttl),
            ("heartbeat", self.heartbeat),
        ];
        times.into_iter().try_for_each(|(field, time)| check_above_zero(field, time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_variable_comes_first() {
        let url = |said: &[(&str, &str)]| {
            let said =
                |name: &str| said.iter().find(|(key, _)| *key == name).map(|(_, text)| (*text).to_owned());
            RedisCacheConfig::from_variables(said).map(|config| config.url)
        };
        let theirs = ("PIWARDRIVE_REDIS_URL", "redis://a");
        assert_eq!(url(&[]), None);
        assert_eq!(url(&[theirs]).as_deref(), Some("redis://a"));
        assert_eq!(url(&[theirs, ("LONGSHORE_CACHE_URL", "")]).as_deref(), Some("redis://a"));
        assert_eq!(url(&[theirs, ("LONGSHORE_CACHE_URL", "redis://b")]).as_deref(), Some("redis://b"));
    }
}
