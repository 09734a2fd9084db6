use std::time::Duration;

use longshore::resilience::{CircuitBreakerConfig, CircuitWindow, RateLimiterConfig, RetryBudgetConfig};
use longshore_runtime::KindGuard;

use super::Values;
use super::value::Value;

/// How long a breaker stays open unless it is said.
const OPEN: Duration = Duration::from_secs(30);

/// Reads what was checked before: what stands before the handler of a kind.
pub(super) fn guard_of(values: &Values) -> KindGuard {
    let (count, duration) = (|key| super::count(values, key), |key| super::duration(values, key));
    let share = match values.get("breaker_error_rate") {
        Some((Value::Share(share), _)) => Some(*share),
        _ => None,
    };
    let failures = count("breaker_failures");
    let breaker = (failures.is_some() || share.is_some()).then(|| {
        let simple = CircuitBreakerConfig::simple("", 1, duration("breaker_open").unwrap_or(OPEN));
        let window = duration("breaker_window").map_or(simple.window, CircuitWindow::Time);
        CircuitBreakerConfig { consecutive_failures: failures, error_rate_threshold: share, window, ..simple }
    });
    let usual = RetryBudgetConfig::default();
    let retry_budget = count("retry_budget").map(|tokens| RetryBudgetConfig {
        tokens: Some(tokens as u32),
        window: duration("retry_budget_window").unwrap_or(usual.window),
        // So many in the window and no more, whatever the number of first attempts.
        ratio: 0.0,
        ..usual
    });
    let rate = count("rate_limit").map(|rate| RateLimiterConfig {
        per: duration("rate_interval").unwrap_or(Duration::from_secs(1)),
        burst: count("rate_burst").unwrap_or(rate) as u32,
        ..RateLimiterConfig::per_second(rate as u32)
    });
    let max_concurrent = count("max_concurrent").map(|most| most as usize);
    KindGuard { breaker, retry_budget, rate, max_concurrent }
}
