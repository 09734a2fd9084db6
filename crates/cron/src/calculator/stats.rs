use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

/// What a calculator counted since it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CalculatorStats {
    /// Requests and validations, those that were refused included.
    pub calculations: u64,
    /// Expressions that were found in the cache.
    pub cache_hits: u64,
    /// Expressions that were looked for in vain.
    pub cache_misses: u64,
    /// Expressions in the cache now.
    pub cached_expressions: u64,
    /// Steps that calculations took.
    pub iterations: u64,
    /// Steps that going minute by minute to the same moments would have taken besides.
    pub iterations_saved: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    calculations: AtomicU64,
    hits: AtomicU64,
    misses: AtomicU64,
    iterations: AtomicU64,
    saved: AtomicU64,
}

impl Counters {
    pub(super) fn calculated(&self) {
        self.calculations.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn looked_up(&self, hit: bool) {
        let counter = if hit { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn walked(&self, steps: u64, minutes: u64) {
        self.iterations.fetch_add(steps, Ordering::Relaxed);
        self.saved.fetch_add(minutes.saturating_sub(steps), Ordering::Relaxed);
    }

    pub(super) fn read(&self, cached: usize) -> CalculatorStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CalculatorStats {
            calculations: read(&self.calculations),
            cache_hits: read(&self.hits),
            cache_misses: read(&self.misses),
            cached_expressions: cached as u64,
            iterations: read(&self.iterations),
            iterations_saved: read(&self.saved),
        }
    }
}
