use longshore_clock::Timestamp;
use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::striped::StripedCount;

/// What a cache has seen since it was made.
#[derive(Clone, Debug, Serialize)]
pub struct CacheStats {
    /// `memory`, `redis` or `tiered`.
    pub backend: &'static str,
    /// The prefix of its keys.
    pub prefix: String,
    /// Entries in the memory of this process; none if it keeps none there.
    pub entries: Option<usize>,
    /// The bytes they count for.
    pub bytes: Option<usize>,
    /// Lookups that found a fresh value.
    pub hits: u64,
    /// Lookups that found a value past its end and handed it out.
    pub stale_hits: u64,
    /// Lookups that found nothing to hand out.
    pub misses: u64,
    /// The share of hits, stale ones among them; none before the first lookup.
    pub hit_rate: Option<f64>,
    /// Values kept.
    pub sets: u64,
    /// Entries of the memory that had to go because it was full.
    pub evictions: u64,
    /// Entries removed by invalidation.
    pub invalidations: u64,
    /// Loads that ended with a value.
    pub loads: u64,
    /// Loads that failed.
    pub load_errors: u64,
    /// Callers who got what another one had loaded.
    pub joined: u64,
    /// Callers who waited in vain for another one and loaded by themselves.
    pub wait_timeouts: u64,
    /// Loaded values that were not kept because they were invalidated meanwhile, or could not be kept.
    pub not_kept: u64,
    /// Values that were longer than may be.
    pub too_large: u64,
    /// Faults of the cache that callers were spared.
    pub errors: u64,
    /// Since when this is counted.
    pub since: Timestamp,
}

#[derive(Default)]
pub(super) struct Counters {
    pub(super) hits: StripedCount,
    pub(super) stale_hits: StripedCount,
    pub(super) misses: StripedCount,
    pub(super) sets: StripedCount,
    pub(super) invalidations: AtomicU64,
    pub(super) loads: StripedCount,
    pub(super) load_errors: StripedCount,
    pub(super) joined: StripedCount,
    pub(super) wait_timeouts: StripedCount,
    pub(super) not_kept: StripedCount,
    pub(super) too_large: StripedCount,
    pub(super) errors: StripedCount,
}

impl Counters {
    pub(super) fn read(&self, backend: &'static str, prefix: &str, since: Timestamp) -> CacheStats {
        let (hits, stale_hits, misses) = (self.hits.sum(), self.stale_hits.sum(), self.misses.sum());
        let lookups = hits + stale_hits + misses;
        CacheStats {
            backend,
            prefix: prefix.to_owned(),
            entries: None,
            bytes: None,
            hits,
            stale_hits,
            misses,
            hit_rate: (lookups > 0).then(|| (hits + stale_hits) as f64 / lookups as f64),
            sets: self.sets.sum(),
            evictions: 0,
            invalidations: self.invalidations.load(Ordering::Relaxed),
            loads: self.loads.sum(),
            load_errors: self.load_errors.sum(),
            joined: self.joined.sum(),
            wait_timeouts: self.wait_timeouts.sum(),
            not_kept: self.not_kept.sum(),
            too_large: self.too_large.sum(),
            errors: self.errors.sum(),
            since,
        }
    }
}
