use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use longshore_clock::Door;
use longshore_core::Invalid;

use super::{CircuitBreaker, CircuitBreakerConfig};

/// Breakers by name, or by host: all alike, made when they are first asked for. Once there are as many as may be, those
/// are forgotten that nobody holds and that say nothing: closed, with nothing in their window. If there are none, further
/// names share one breaker, which is called `other`.
pub struct CircuitBreakers {
    config: CircuitBreakerConfig,
    door: Door,
    max: usize,
    breakers: Mutex<BTreeMap<String, CircuitBreaker>>,
    other: CircuitBreaker,
}

impl CircuitBreakers {
    /// What they are called in logs and metrics begins with the name in `config`, if it has one. Refuses thresholds out
    /// of range, and room for none.
    pub fn new(config: CircuitBreakerConfig, max: usize, door: &Door) -> Result<Self, Invalid> {
        if max == 0 {
            return Err(Invalid::new("max", "a whole number above 0", max));
        }
        let other = CircuitBreaker::new(named(&config, "other"), door)?;
        Ok(Self { config, door: door.clone(), max, breakers: Mutex::default(), other })
    }

    /// The breaker of a name.
    pub fn of(&self, name: &str) -> CircuitBreaker {
        let mut breakers = self.breakers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(breaker) = breakers.get(name) {
            return breaker.clone();
        }
        if breakers.len() >= self.max {
            breakers.retain(|_, breaker| !breaker.is_forgettable());
        }
        if breakers.len() >= self.max {
            return self.other.clone();
        }
        // The configuration was checked when the first one was made.
        match CircuitBreaker::new(named(&self.config, name), &self.door) {
            Ok(breaker) => breakers.entry(name.to_owned()).or_insert(breaker).clone(),
            Err(_) => self.other.clone(),
        }
    }

    /// All that there are, by name; the shared one only if it may have been used.
    pub fn all(&self) -> Vec<CircuitBreaker> {
        let breakers = self.breakers.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = (breakers.len() >= self.max).then(|| self.other.clone());
        breakers.values().cloned().chain(shared).collect()
    }
}

fn named(config: &CircuitBreakerConfig, name: &str) -> CircuitBreakerConfig {
    let name = match config.name.as_str() {
        "" | "default" => name.to_owned(),
        prefix => format!("{prefix}/{name}"),
    };
    CircuitBreakerConfig { name, ..config.clone() }
}
