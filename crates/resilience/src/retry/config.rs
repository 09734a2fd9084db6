use std::time::Duration;

use longshore_clock::Chance;
use longshore_core::Invalid;

use super::RetryBudgetConfig;

/// How chance changes a wait. All kinds stay within `max_delay`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jitter {
    /// Not at all.
    None,
    /// By a fraction, `jitter_factor`, up or down.
    Symmetric,
    /// From nothing to all of it. Spreads best: what many callers should use.
    Full,
    /// From half of it to all of it.
    Equal,
    /// From `base_delay` to three times the wait before.
    Decorrelated,
}

/// How often, how long, and how much in all.
#[derive(Clone, Debug)]
pub struct RetryConfig {
    /// Attempts of one call in all, at least 1.
    pub max_attempts: u32,
    /// The wait before the second attempt; each further one is twice as long.
    pub base_delay: Duration,
    /// No wait is longer, but for one that the other side asks for.
    pub max_delay: Duration,
    /// How chance changes it.
    pub jitter: Jitter,
    /// For symmetric jitter, from 0 to 1.
    pub jitter_factor: f64,
    /// No attempt begins later than this after the call did, but for the lateness of a timer (10 ms).
    pub deadline: Option<Duration>,
    /// Wait at least as long as the other side asks for.
    pub honour_retry_after: bool,
    /// Retries of all calls with one key in `retry_budget_window`; `None` for as many as are asked for.
    pub retry_budget: Option<u32>,
    /// In what time these come back.
    pub retry_budget_window: Duration,
    /// What each call adds to the budget for `budget_ttl`.
    pub budget_ratio: f64,
    /// For how long.
    pub budget_ttl: Duration,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            base_delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(60),
            jitter: Jitter::Symmetric,
            jitter_factor: 0.1,
            deadline: None,
            honour_retry_after: true,
            retry_budget: Some(10),
            retry_budget_window: Duration::from_secs(60),
            budget_ratio: 0.2,
            budget_ttl: Duration::from_secs(10),
        }
    }
}

impl RetryConfig {
    /// Attempts in all, of which so many follow the first.
    #[must_use]
    pub fn max_retries(self, retries: u32) -> Self {
        Self { max_attempts: retries.saturating_add(1), ..self }
    }

    /// The budget of tower and of Finagle: ten retries in a second and a fifth of the calls.
    #[must_use]
    pub fn finagle_budget(self) -> Self {
        let (retry_budget, retry_budget_window) = (Some(10), Duration::from_secs(1));
        let (budget_ratio, budget_ttl) = (0.2, Duration::from_secs(10));
        Self { retry_budget, retry_budget_window, budget_ratio, budget_ttl, ..self }
    }

    /// The wait after an attempt, from 1 on, before chance.
    pub fn calculate_delay(&self, attempt: u32) -> Duration {
        let doublings = attempt.saturating_sub(1);
        let factor = 2_u32.checked_pow(doublings).unwrap_or(u32::MAX);
        self.base_delay.checked_mul(factor).unwrap_or(self.max_delay).min(self.max_delay)
    }

    /// The wait after an attempt. `before` is the one before; none for the first.
    pub(super) fn wait(&self, attempt: u32, before: Option<Duration>, chance: &Chance) -> Duration {
        let (plain, max) = (self.calculate_delay(attempt).as_secs_f64(), self.max_delay.as_secs_f64());
        let between = |low: f64, high: f64| low + (high - low) * chance.unit();
        let seconds = match self.jitter {
            Jitter::None => plain,
            Jitter::Symmetric => {
                let middle = plain.min(max / (1.0 + self.jitter_factor));
                between(middle * (1.0 - self.jitter_factor), middle * (1.0 + self.jitter_factor))
            }
            Jitter::Full => between(0.0, plain),
            Jitter::Equal => between(plain / 2.0, plain),
            Jitter::Decorrelated => {
                let base = self.base_delay.as_secs_f64();
                between(base, 3.0 * before.map_or(base, |before| before.as_secs_f64()))
            }
        };
        Duration::from_secs_f64(seconds.clamp(0.0, max))
    }

    pub(super) fn check(&self) -> Result<(), Invalid> {
        if self.max_attempts == 0 {
            return Err(Invalid::new("max_attempts", "a whole number above 0", 0));
        }
        self.budget().check(["retry_budget", "retry_budget_window", "budget_ratio", "budget_ttl"])?;
        let durations = [("base_delay", self.base_delay), ("max_delay", self.max_delay)];
        for (field, duration) in
            durations.into_iter().chain(self.deadline.map(|deadline| ("deadline", deadline)))
        {
            longshore_core::check_duration(field, duration)?;
        }
        if self.deadline.is_some_and(|deadline| deadline.is_zero()) {
            return Err(Invalid::new("deadline", "a duration above zero, or none", "0"));
        }
        if self.max_delay < self.base_delay {
            let got = longshore_core::format_duration(self.max_delay);
            return Err(Invalid::new("max_delay", "at least base_delay", got));
        }
        if !(0.0..=1.0).contains(&self.jitter_factor) {
            return Err(Invalid::new("jitter_factor", "a number from 0 to 1", self.jitter_factor));
        }
        Ok(())
    }

    pub(super) fn budget(&self) -> RetryBudgetConfig {
        RetryBudgetConfig {
            tokens: self.retry_budget,
            window: self.retry_budget_window,
            ratio: self.budget_ratio,
            ttl: self.budget_ttl,
        }
    }
}
