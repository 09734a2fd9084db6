use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use longshore_clock::Door;
use longshore_core::Invalid;

use super::{CircuitBreaker, CircuitBreakerConfig};

/// Breakers by name, or by host: all alike, made when they are first asked for. Once there are as many as may be, those
/// are forgotten that nobody holds and that say nothing: closed, with nothing in their window. If there are none, further
/// names share one breaker, which is called `other`; that name has no other one.
pub struct CircuitBreakers {
    config: CircuitBreakerConfig,
    door: Door,
    max: usize,
    breakers: Mutex<BTreeMap<String, CircuitBreaker>>,
    other: CircuitBreaker,
    /// Whether anybody has got that one.
    is_shared: AtomicBool,
}

/// The name of the breaker that names share.
const OTHER: &str = "other";

impl CircuitBreakers {
    /// What they are called in logs and metrics begins with the name in `config`, if it has one. Refuses thresholds out
    /// of range, and room for none.
    pub fn new(config: CircuitBreakerConfig, max: usize, door: &Door) -> Result<Self, Invalid> {
        if max == 0 {
            return Err(Invalid::new("max", "a whole number above 0", max));
        }
        let other = CircuitBreaker::new(named(&config, OTHER), door)?;
        let (breakers, is_shared) = (Mutex::default(), AtomicBool::new(false));
        Ok(Self { config, door: door.clone(), max, breakers, other, is_shared })
    }

    /// The breaker of a name.
    pub fn of(&self, name: &str) -> CircuitBreaker {
        if name == OTHER {
            return self.shared();
        }
        let mut breakers = self.breakers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(breaker) = breakers.get(name) {
            return breaker.clone();
        }
        if breakers.len() >= self.max {
            breakers.retain(|_, breaker| !breaker.is_forgettable());
        }
        if breakers.len() >= self.max {
            return self.shared();
        }
        // The configuration was checked when the first one was made.
        match CircuitBreaker::new(named(&self.config, name), &self.door) {
            Ok(breaker) => breakers.entry(name.to_owned()).or_insert(breaker).clone(),
            Err(_) => self.shared(),
        }
    }

    fn shared(&self) -> CircuitBreaker {
        self.is_shared.store(true, Ordering::Relaxed);
        self.other.clone()
    }

    /// Each by itself, so that no more than one is held at a time.
    pub(crate) fn each(&self, mut with: impl FnMut(&CircuitBreaker)) {
        let breakers = || self.breakers.lock().unwrap_or_else(PoisonError::into_inner);
        let names: Vec<String> = breakers().keys().cloned().collect();
        for name in names {
            let breaker = breakers().get(&name).cloned();
            breaker.iter().for_each(&mut with);
        }
        if self.is_shared.load(Ordering::Relaxed) {
            with(&self.other);
        }
    }

    /// All that there are, by name; then the shared one, if anybody has ever got it.
    pub fn all(&self) -> Vec<CircuitBreaker> {
        let mut all = Vec::new();
        self.each(|breaker| all.push(breaker.clone()));
        all
    }
}

fn named(config: &CircuitBreakerConfig, name: &str) -> CircuitBreakerConfig {
    let name = match config.name.as_str() {
        "" | "default" => name.to_owned(),
        prefix => format!("{prefix}/{name}"),
    };
    CircuitBreakerConfig { name, ..config.clone() }
}
