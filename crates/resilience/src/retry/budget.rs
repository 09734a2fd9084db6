//! How many retries a key has left: a bucket that fills with time, and a share of the calls that were made lately.

use std::iter::Sum;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use longshore_clock::{Clock, Door};
use longshore_core::Invalid;

/// Parts into which a window is cut.
const TENTHS: usize = 10;

/// One token, as far as sums of tenths are exact.
const ALMOST: f64 = 1.0 - 1e-9;

/// How many retries there may be of all calls together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryBudgetConfig {
    /// Retries in `window`; `None` for as many as are asked for.
    pub tokens: Option<u32>,
    /// In what time these come back.
    pub window: Duration,
    /// What each call adds for `ttl`.
    pub ratio: f64,
    /// For how long.
    pub ttl: Duration,
}

impl Default for RetryBudgetConfig {
    fn default() -> Self {
        Self { tokens: Some(10), window: Duration::from_secs(60), ratio: 0.2, ttl: Duration::from_secs(10) }
    }
}

impl RetryBudgetConfig {
    /// By the names that its parts have for those who set them: tokens, window, ratio, ttl.
    pub(super) fn check(&self, [tokens, window, ratio, ttl]: [&str; 4]) -> Result<(), Invalid> {
        if self.tokens == Some(0) {
            return Err(Invalid::new(tokens, "a whole number above 0, or none for no limit", 0));
        }
        for (field, time) in [(window, self.window), (ttl, self.ttl)] {
            if time.is_zero() {
                return Err(Invalid::new(field, "a duration above zero", "0"));
            }
            longshore_core::check_duration(field, time)?;
        }
        if !(self.ratio >= 0.0 && self.ratio.is_finite()) {
            return Err(Invalid::new(ratio, "a number, not negative", self.ratio));
        }
        Ok(())
    }
}

/// A bound on retries for callers who keep their own loop: each call tells of itself, each retry asks. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RetryBudget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    config: RetryBudgetConfig,
    clock: Clock,
    budget: Mutex<Budget>,
}

impl RetryBudget {
    /// Refuses counts and durations of zero.
    pub fn new(config: RetryBudgetConfig, door: &Door) -> Result<Self, Invalid> {
        config.check(["tokens", "window", "ratio", "ttl"])?;
        let budget = Mutex::new(Budget::new(&config, door.clock.uptime()));
        Ok(Self(Arc::new(Shared { config, clock: door.clock.clone(), budget })))
    }

    /// A call begins: the first attempt at something.
    pub fn call(&self) {
        self.with(|budget, shared, now| budget.call(&shared.config, now));
    }

    /// Takes what one retry costs. The error is how long it takes until there may be enough again.
    pub fn take(&self) -> Result<(), Duration> {
        self.with(
            |budget, shared, now| {
                if budget.take(&shared.config, now) { Ok(()) } else { Err(budget.wait(&shared.config)) }
            },
        )
    }

    /// Gives back what a retry cost that was not made.
    pub fn put_back(&self) {
        self.with(|budget, shared, _| budget.put_back(&shared.config));
    }

    /// How much of what time brings is used up, from 0 to 1.
    pub fn consumed(&self) -> f64 {
        self.with(|budget, shared, now| budget.used(&shared.config, now))
    }

    fn with<T>(&self, act: impl FnOnce(&mut Budget, &Shared, Duration) -> T) -> T {
        let shared = &*self.0;
        let now = shared.clock.uptime();
        act(&mut shared.budget.lock().unwrap_or_else(PoisonError::into_inner), shared, now)
    }
}

/// What there was in a window that ends now, to a tenth of its length. Knows the time only as it is told.
#[derive(Debug, Default)]
pub(super) struct Recent<N> {
    tenths: [N; TENTHS],
    newest: u64,
}

impl<N: Copy + Default + Sum> Recent<N> {
    /// The tenth that it is now. What is older than the window is forgotten.
    pub(super) fn tenth(&mut self, window: Duration, now: Duration) -> &mut N {
        let length = (window / TENTHS as u32).as_nanos().max(1);
        let tenth = (now.as_nanos() / length) as u64;
        for gone in 0..tenth.saturating_sub(self.newest).min(TENTHS as u64) {
            self.tenths[(tenth - gone) as usize % TENTHS] = N::default();
        }
        self.newest = tenth.max(self.newest);
        &mut self.tenths[self.newest as usize % TENTHS]
    }

    pub(super) fn sum(&self) -> N {
        self.tenths.iter().copied().sum()
    }

    /// All tenths.
    fn oldest_first(&mut self) -> impl Iterator<Item = &mut N> {
        let (later, sooner) = self.tenths.split_at_mut((self.newest as usize + 1) % TENTHS);
        sooner.iter_mut().chain(later)
    }
}

/// Tokens, one for each retry. Knows the time only as it is told.
///
/// In any span of time `t` it gives at most `tokens` · (1 + `t` / window) + ratio · (calls in `t` + ttl).
#[derive(Debug)]
pub(super) struct Budget {
    /// What time has brought, at most `tokens`.
    filled: f64,
    at: Duration,
    /// What calls have brought.
    shares: Recent<f64>,
}

impl Budget {
    /// A full one.
    pub(super) fn new(config: &RetryBudgetConfig, now: Duration) -> Self {
        Self { filled: Self::most(config), at: now, shares: Recent::default() }
    }

    fn most(config: &RetryBudgetConfig) -> f64 {
        config.tokens.map_or(f64::INFINITY, f64::from)
    }

    /// Time has passed. Returns what the calls of now have brought.
    fn pass(&mut self, config: &RetryBudgetConfig, now: Duration) -> &mut f64 {
        let most = Self::most(config);
        let passed = now.saturating_sub(self.at).as_secs_f64() / config.window.as_secs_f64();
        self.filled = if most.is_finite() { (self.filled + most * passed).min(most) } else { most };
        self.at = now.max(self.at);
        self.shares.tenth(config.ttl, now)
    }

    /// A call begins.
    pub(super) fn call(&mut self, config: &RetryBudgetConfig, now: Duration) {
        *self.pass(config, now) += config.ratio;
    }

    /// Takes a token, if there is one: first of what goes away soonest.
    pub(super) fn take(&mut self, config: &RetryBudgetConfig, now: Duration) -> bool {
        self.pass(config, now);
        if self.left() < ALMOST {
            return false;
        }
        let mut owed = 1.0;
        for share in self.shares.oldest_first() {
            let part = share.min(owed);
            *share -= part;
            owed -= part;
        }
        self.filled = (self.filled - owed).max(0.0);
        true
    }

    pub(super) fn put_back(&mut self, config: &RetryBudgetConfig) {
        self.filled = (self.filled + 1.0).min(Self::most(config));
    }

    /// How long it takes until time has brought what is missing.
    fn wait(&self, config: &RetryBudgetConfig) -> Duration {
        let missing = (1.0 - self.left()).max(0.0);
        config.window.mul_f64((missing / Self::most(config)).min(1.0))
    }

    fn left(&self) -> f64 {
        self.filled + self.shares.sum()
    }

    /// How much of what time brings is used up, from 0 to 1.
    pub(super) fn used(&mut self, config: &RetryBudgetConfig, now: Duration) -> f64 {
        self.pass(config, now);
        let most = Self::most(config);
        if most.is_finite() { 1.0 - self.filled / most } else { 0.0 }
    }
}
