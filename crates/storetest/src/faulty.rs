use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use longshore_clock::Chance;
use longshore_core::{Store, StoreError, StoreResult};

use crate::wrapped::{Around, Wrapped};

/// How often a faulty store fails, as fractions of all calls.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Odds {
    /// The call fails before it reaches the store: nothing happened.
    pub before: f64,
    /// The call reaches the store and its answer is lost: it happened, and the caller does not know.
    pub after: f64,
}

impl Odds {
    /// Nothing fails.
    pub const CALM: Self = Self { before: 0.0, after: 0.0 };
    /// Everything fails: the store is down.
    pub const DOWN: Self = Self { before: 1.0, after: 0.0 };
}

/// A store that is not always available. Chance decides which calls fail with
/// [`StoreError::Unavailable`], before they reach the store inside or after; the same seed decides the same way.
pub type Faulty = Wrapped<Faults>;

/// What makes a store fail.
pub struct Faults {
    chance: Chance,
    odds: Mutex<Odds>,
    count: AtomicU64,
}

impl Faults {
    /// Around a store, at these odds.
    pub fn around(store: Arc<dyn Store>, chance: Chance, odds: Odds) -> Faulty {
        Wrapped::new(store, Self { chance, odds: Mutex::new(odds), count: AtomicU64::new(0) })
    }

    /// Changes how often it fails from now on.
    pub fn set(&self, odds: Odds) {
        *self.odds.lock().unwrap_or_else(PoisonError::into_inner) = odds;
    }

    /// How many calls have failed so far.
    pub fn faults(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    fn fault(&self, what: &str) -> StoreError {
        self.count.fetch_add(1, Ordering::Relaxed);
        StoreError::Unavailable(what.to_owned())
    }
}

impl Around for Faults {
    async fn pass<T: Send>(
        &self,
        _: &'static str,
        call: impl Future<Output = StoreResult<T>> + Send,
    ) -> StoreResult<T> {
        let odds = *self.odds.lock().unwrap_or_else(PoisonError::into_inner);
        let draw = self.chance.unit();
        if draw < odds.before {
            return Err(self.fault("the request did not arrive"));
        }
        let answer = call.await?;
        if draw < odds.before + odds.after {
            return Err(self.fault("the answer was lost"));
        }
        Ok(answer)
    }
}
