use std::time::Duration;

use longshore_core::{Invalid, Variables};

use super::CircuitWindow;

/// When half-open ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HalfOpenRule {
    /// So many successes in a row close it; one failure opens it.
    Consecutive,
    /// After so many calls the rates decide; there must be one.
    Rate,
}

/// When a breaker opens, and how it closes again. Each rule that opens it can be off (`None`).
#[derive(Clone, Debug, PartialEq)]
pub struct CircuitBreakerConfig {
    /// What it is called in logs and metrics.
    pub name: String,
    /// So many failures in the window open it. Under high load that is a tiny share; a rate serves better there.
    pub failure_threshold: Option<u64>,
    /// So many failures in a row open it.
    pub consecutive_failures: Option<u64>,
    /// This share of failures opens it, above 0 and at most 1, once there are `minimum_calls`.
    pub error_rate_threshold: Option<f64>,
    /// This share of slow calls opens it, above 0 and at most 1, once there are `minimum_calls`.
    pub slow_call_rate_threshold: Option<f64>,
    /// How long a call usually takes.
    pub baseline_latency: Duration,
    /// A call is slow if it takes more than so many times `baseline_latency`.
    pub latency_threshold_multiplier: f64,
    /// Rates say nothing about fewer calls than this.
    pub minimum_calls: u64,
    /// Which calls count.
    pub window: CircuitWindow,
    /// How long it stays open.
    pub open_state_duration: Duration,
    /// Each further opening in a row lasts so many times longer, at least 1.
    pub open_growth: f64,
    /// No opening lasts longer.
    pub open_state_duration_max: Duration,
    /// Calls that decide whether it closes.
    pub half_open_max_calls: u64,
    /// Calls that are let through at a time while it is half-open.
    pub probe_count: u64,
    /// How they decide.
    pub half_open_rule: HalfOpenRule,
}

impl Default for CircuitBreakerConfig {
    fn default() -> Self {
        Self {
            name: "default".to_owned(),
            failure_threshold: Some(10),
            consecutive_failures: None,
            error_rate_threshold: Some(0.1),
            slow_call_rate_threshold: Some(0.5),
            baseline_latency: Duration::from_millis(100),
            latency_threshold_multiplier: 3.0,
            minimum_calls: 10,
            window: CircuitWindow::Time(Duration::from_secs(30)),
            open_state_duration: Duration::from_secs(60),
            open_growth: 1.0,
            open_state_duration_max: Duration::from_secs(600),
            half_open_max_calls: 3,
            probe_count: 1,
            half_open_rule: HalfOpenRule::Consecutive,
        }
    }
}

impl CircuitBreakerConfig {
    /// The simple breaker: `max_failures` in a row open it, and after `reset_timeout` one call decides.
    pub fn simple(name: &str, max_failures: u64, reset_timeout: Duration) -> Self {
        Self {
            name: name.to_owned(),
            failure_threshold: None,
            consecutive_failures: Some(max_failures),
            error_rate_threshold: None,
            slow_call_rate_threshold: None,
            open_state_duration: reset_timeout,
            open_state_duration_max: reset_timeout,
            half_open_max_calls: 1,
            ..Self::default()
        }
    }

    /// As usual, but for what the environment says of this name: `CIRCUIT_BREAKER_FAILURE_THRESHOLD_<NAME>` and
    /// `CIRCUIT_BREAKER_ERROR_RATE_<NAME>` (or `off`), `CIRCUIT_BREAKER_LATENCY_MULTIPLIER_<NAME>`,
    /// `CIRCUIT_BREAKER_HALF_OPEN_MAX_<NAME>`, `CIRCUIT_BREAKER_OPEN_DURATION_<NAME>` and `CIRCUIT_BREAKER_WINDOW_<NAME>` in
    /// seconds, `CIRCUIT_BREAKER_BASELINE_LATENCY_<NAME>` in milliseconds. `<NAME>` is the name in capitals, with `_` for
    /// what is neither letter nor digit.
    pub fn from_env(name: &str) -> Result<Self, Invalid> {
        Self::from_variables(name, |name| std::env::var(name).ok())
    }

    fn from_variables(name: &str, said: impl Fn(&str) -> Option<String>) -> Result<Self, Invalid> {
        let suffix: String = name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
            .collect();
        let said = Variables(said);
        let of = |key: &str| format!("CIRCUIT_BREAKER_{key}_{suffix}");
        let (second, milli) = (Duration::from_secs(1), Duration::from_millis(1));
        let usual = Self::default();
        let window = match usual.window {
            CircuitWindow::Time(time) => time,
            CircuitWindow::Count(_) => Duration::from_secs(30),
        };
        let open = said.time(&of("OPEN_DURATION"), second, usual.open_state_duration)?;
        let config = Self {
            name: name.to_owned(),
            failure_threshold: said.number_or_off(&of("FAILURE_THRESHOLD"), usual.failure_threshold)?,
            error_rate_threshold: said.number_or_off(&of("ERROR_RATE"), usual.error_rate_threshold)?,
            latency_threshold_multiplier: said
                .number(&of("LATENCY_MULTIPLIER"), usual.latency_threshold_multiplier)?,
            half_open_max_calls: said.number(&of("HALF_OPEN_MAX"), usual.half_open_max_calls)?,
            open_state_duration: open,
            open_state_duration_max: usual.open_state_duration_max.max(open),
            baseline_latency: said.time(&of("BASELINE_LATENCY"), milli, usual.baseline_latency)?,
            window: CircuitWindow::Time(said.time(&of("WINDOW"), second, window)?),
            ..usual
        };
        let made = [
            ("failure_threshold", of("FAILURE_THRESHOLD")),
            ("error_rate_threshold", of("ERROR_RATE")),
            ("latency_threshold_multiplier", of("LATENCY_MULTIPLIER")),
            ("half_open_max_calls", of("HALF_OPEN_MAX")),
        ];
        let made = made.each_ref().map(|(field, name)| (*field, name.as_str()));
        config.check().map_err(|wrong| said.blame(wrong, &made))?;
        Ok(config)
    }

    pub(super) fn slow_after(&self) -> Duration {
        let seconds = self.baseline_latency.as_secs_f64() * self.latency_threshold_multiplier;
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }

    /// How long the `opening`th opening in a row lasts, from 1 on.
    pub(super) fn open_for(&self, opening: u32) -> Duration {
        let growth = self.open_growth.powi(opening.saturating_sub(1).min(1_000) as i32);
        let seconds = self.open_state_duration.as_secs_f64() * growth;
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX).min(self.open_state_duration_max)
    }

    pub(super) fn check(&self) -> Result<(), Invalid> {
        if self.name.len() > NAME_MAX || self.name.contains(char::is_control) {
            let expected = format!("at most {NAME_MAX} bytes without control characters");
            return Err(Invalid::new("name", expected, format!("{:?}", self.name)));
        }
        let above_zero = "a whole number above 0";
        let counts = [
            ("failure_threshold", self.failure_threshold),
            ("consecutive_failures", self.consecutive_failures),
            ("minimum_calls", Some(self.minimum_calls)),
            ("half_open_max_calls", Some(self.half_open_max_calls)),
            ("probe_count", Some(self.probe_count)),
        ];
        if let Some((field, _)) = counts.iter().find(|(_, count)| *count == Some(0)) {
            return Err(Invalid::new(*field, above_zero, 0));
        }
        if self.failure_threshold.or(self.consecutive_failures).is_none()
            && self.error_rate_threshold.or(self.slow_call_rate_threshold).is_none()
        {
            return Err(Invalid::new("failure_threshold", "one rule at least by which it opens", "none"));
        }
        if self.half_open_rule == HalfOpenRule::Rate
            && self.error_rate_threshold.or(self.slow_call_rate_threshold).is_none()
        {
            let expected = "consecutive, or an error_rate_threshold or slow_call_rate_threshold beside it";
            return Err(Invalid::new("half_open_rule", expected, "rate"));
        }
        let shares = [
            ("error_rate_threshold", self.error_rate_threshold),
            ("slow_call_rate_threshold", self.slow_call_rate_threshold),
        ];
        for (field, share) in shares {
            if let Some(share) = share.filter(|share| !(*share > 0.0 && *share <= 1.0)) {
                return Err(Invalid::new(field, "a number above 0 and at most 1, or none", share));
            }
        }
        let factors = [
            ("latency_threshold_multiplier", self.latency_threshold_multiplier),
            ("open_growth", self.open_growth),
        ];
        for (field, factor) in factors {
            if !(factor >= 1.0 && factor.is_finite()) {
                return Err(Invalid::new(field, "a number of at least 1", factor));
            }
        }
        let durations = [
            ("baseline_latency", self.baseline_latency),
            ("open_state_duration", self.open_state_duration),
            ("open_state_duration_max", self.open_state_duration_max),
        ];
        for (field, duration) in durations {
            if duration.is_zero() {
                return Err(Invalid::new(field, "a duration above zero", "0"));
            }
            longshore_core::check_duration(field, duration)?;
        }
        if self.open_state_duration_max < self.open_state_duration {
            let expected = "at least open_state_duration";
            let got = longshore_core::format_duration(self.open_state_duration_max);
            return Err(Invalid::new("open_state_duration_max", expected, got));
        }
        match self.window {
            CircuitWindow::Time(time) if time.is_zero() => {
                Err(Invalid::new("window", "a duration above zero", "0"))
            }
            CircuitWindow::Time(time) => longshore_core::check_duration("window", time),
            CircuitWindow::Count(count) if !(1..=COUNT_MAX).contains(&count) => {
                Err(Invalid::new("window", format!("1 to {COUNT_MAX} calls"), count))
            }
            CircuitWindow::Count(count) => {
                // Only rates need so many calls.
                let has_rate = self.error_rate_threshold.or(self.slow_call_rate_threshold).is_some();
                let counts = [
                    ("minimum_calls", if has_rate { self.minimum_calls } else { 0 }),
                    ("failure_threshold", self.failure_threshold.unwrap_or_default()),
                ];
                let expected = format!("at most as many as the window of {count} calls holds");
                match counts.into_iter().find(|(_, wanted)| *wanted > count as u64) {
                    Some((field, wanted)) => Err(Invalid::new(field, expected, wanted)),
                    None => Ok(()),
                }
            }
        }
    }
}

/// The longest window of calls.
const COUNT_MAX: usize = 100_000;
/// The longest name, in bytes.
const NAME_MAX: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_has_a_say_by_name() {
        let said = |name: &str| match name {
            "CIRCUIT_BREAKER_FAILURE_THRESHOLD_PRICE_API" => Some("off".to_owned()),
            "CIRCUIT_BREAKER_ERROR_RATE_PRICE_API" => Some("0.5".to_owned()),
            "CIRCUIT_BREAKER_OPEN_DURATION_PRICE_API" => Some("900".to_owned()),
            "CIRCUIT_BREAKER_BASELINE_LATENCY_PRICE_API" => Some("20".to_owned()),
            "CIRCUIT_BREAKER_HALF_OPEN_MAX_OTHER" => Some("none".to_owned()),
            "CIRCUIT_BREAKER_ERROR_RATE_WRONG" => Some("2".to_owned()),
            _ => None,
        };
        let config = CircuitBreakerConfig::from_variables("price-api", said).unwrap();
        assert_eq!((config.failure_threshold, config.error_rate_threshold), (None, Some(0.5)));
        assert_eq!(config.open_state_duration, Duration::from_secs(900));
        assert_eq!(config.baseline_latency, Duration::from_millis(20));
        let error = CircuitBreakerConfig::from_variables("other", said).unwrap_err();
        assert_eq!(error.field, "CIRCUIT_BREAKER_HALF_OPEN_MAX_OTHER");
        assert_eq!(
            CircuitBreakerConfig::from_variables("wrong", said).unwrap_err().field,
            "CIRCUIT_BREAKER_ERROR_RATE_WRONG"
        );
    }
}
