use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use longshore_clock::Door;
use longshore_core::Invalid;

use super::{CircuitBreaker, CircuitBreakerConfig};

/// Breakers by name, or by host: all alike, made when they are first asked for. Once there are as many as may be, those
/// are forgotten that nobody holds or hears and that say nothing: closed, with nothing in their window. If there are none,
/// further names share one breaker, which is called `other`; that name has no other one.
pub struct CircuitBreakers {
    config: CircuitBreakerConfig,
    door: Door,
    max: usize,
    book: Mutex<Book>,
    other: CircuitBreaker,
    /// Whether anybody has got that one.
    is_shared: AtomicBool,
}

#[derive(Default)]
struct Book {
    breakers: BTreeMap<String, CircuitBreaker>,
    /// The name up to which it was last looked whether a breaker can be forgotten; empty before the first.
    looked: String,
}

/// So many are looked at for one new name.
const SWEEP_MAX: usize = 1_000;
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
        let (book, is_shared) = (Mutex::default(), AtomicBool::new(false));
        Ok(Self { config, door: door.clone(), max, book, other, is_shared })
    }

    /// The breaker of a name.
    pub fn of(&self, name: &str) -> CircuitBreaker {
        if name == OTHER {
            return self.shared();
        }
        let mut book = self.book();
        if let Some(breaker) = book.breakers.get(name) {
            return breaker.clone();
        }
        if book.breakers.len() >= self.max && !book.forget_some() {
            return self.shared();
        }
        // The configuration was checked when the first one was made.
        match CircuitBreaker::new(named(&self.config, name), &self.door) {
            Ok(breaker) => book.breakers.entry(name.to_owned()).or_insert(breaker).clone(),
            Err(_) => self.shared(),
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shared(&self) -> CircuitBreaker {
        self.is_shared.store(true, Ordering::Relaxed);
        self.other.clone()
    }

    /// Each by itself, so that no more than one is held at a time.
    pub(crate) fn each(&self, mut with: impl FnMut(&CircuitBreaker)) {
        let names: Vec<String> = self.book().breakers.keys().cloned().collect();
        for name in names {
            let breaker = self.book().breakers.get(&name).cloned();
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

impl Book {
    /// Makes room, if some of those whose turn it is to be looked at can be forgotten.
    fn forget_some(&mut self) -> bool {
        let after = match std::mem::take(&mut self.looked) {
            none if none.is_empty() => Bound::Unbounded,
            last => Bound::Excluded(last),
        };
        let mut gone = Vec::new();
        for (name, breaker) in self.breakers.range_mut((after, Bound::Unbounded)).take(SWEEP_MAX) {
            self.looked.clone_from(name);
            if breaker.is_forgettable() {
                gone.push(name.clone());
            }
        }
        if self.breakers.last_key_value().is_some_and(|(last, _)| *last == self.looked) {
            self.looked.clear();
        }
        for name in &gone {
            self.breakers.remove(name);
        }
        !gone.is_empty()
    }
}

fn named(config: &CircuitBreakerConfig, name: &str) -> CircuitBreakerConfig {
    let name = match config.name.as_str() {
        "" | "default" => name.to_owned(),
        prefix => format!("{prefix}/{name}"),
    };
    CircuitBreakerConfig { name, ..config.clone() }
}
