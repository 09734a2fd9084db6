//! How many retries a key has left: a bucket that fills with time, and a share of the calls that were made lately.

use std::time::Duration;

use super::RetryConfig;

/// Parts into which the life of a call's share is cut.
const SLOTS: usize = 10;

/// One token, as far as sums of tenths are exact.
const ALMOST: f64 = 1.0 - 1e-9;

/// Tokens, one for each retry. Knows the time only as it is told.
///
/// In any span of time `t` it gives at most `retry_budget` · (1 + `t` / window) + ratio · (calls in `t` + ttl).
#[derive(Debug)]
pub(super) struct Budget {
    /// What time has brought, at most `retry_budget`.
    filled: f64,
    at: Duration,
    /// What calls have brought, by when they did.
    shares: [f64; SLOTS],
    newest: u64,
}

impl Budget {
    /// A full one.
    pub(super) fn new(config: &RetryConfig, now: Duration) -> Self {
        let slot = Self::slot(config, now);
        Self { filled: Self::most(config), at: now, shares: [0.0; SLOTS], newest: slot }
    }

    fn most(config: &RetryConfig) -> f64 {
        config.retry_budget.map_or(f64::INFINITY, f64::from)
    }

    fn slot(config: &RetryConfig, now: Duration) -> u64 {
        let length = (config.budget_ttl / SLOTS as u32).as_nanos().max(1);
        (now.as_nanos() / length) as u64
    }

    fn pass(&mut self, config: &RetryConfig, now: Duration) {
        let most = Self::most(config);
        let passed = now.saturating_sub(self.at).as_secs_f64() / config.retry_budget_window.as_secs_f64();
        self.filled = if most.is_finite() { (self.filled + most * passed).min(most) } else { most };
        self.at = now.max(self.at);
        let slot = Self::slot(config, now);
        for gone in 0..slot.saturating_sub(self.newest).min(SLOTS as u64) {
            self.shares[(slot - gone) as usize % SLOTS] = 0.0;
        }
        self.newest = slot.max(self.newest);
    }

    /// A call begins.
    pub(super) fn call(&mut self, config: &RetryConfig, now: Duration) {
        self.pass(config, now);
        self.shares[self.newest as usize % SLOTS] += config.budget_ratio;
    }

    /// Takes a token, if there is one: first of what goes away soonest.
    pub(super) fn take(&mut self, config: &RetryConfig, now: Duration) -> bool {
        self.pass(config, now);
        if self.left() < ALMOST {
            return false;
        }
        let mut owed = 1.0;
        for age in (0..SLOTS as u64).rev() {
            let share = &mut self.shares[(self.newest + SLOTS as u64 - age) as usize % SLOTS];
            let part = share.min(owed);
            *share -= part;
            owed -= part;
        }
        self.filled = (self.filled - owed).max(0.0);
        true
    }

    fn left(&self) -> f64 {
        self.filled + self.shares.iter().sum::<f64>()
    }

    /// How much of what time brings is used up, from 0 to 1.
    pub(super) fn used(&mut self, config: &RetryConfig, now: Duration) -> f64 {
        self.pass(config, now);
        let most = Self::most(config);
        if most.is_finite() { 1.0 - self.filled / most } else { 0.0 }
    }
}
