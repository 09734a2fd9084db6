//! Permits that came back, kept where the thread that gave them back finds them again.

use crate::striped::{Apart, PARTS, part};
use crate::sync::{AtomicU64, Ordering};

/// The lowest bit of a part: it takes permits.
const OPEN: u64 = 1;
/// One permit.
const ONE: u64 = 2;

/// A word for each thread, or for a few of them. Empty while it is closed.
pub(super) struct Stash([Apart<AtomicU64>; PARTS]);

impl Stash {
    pub(super) fn closed() -> Self {
        Self(std::array::from_fn(|_| Apart(AtomicU64::new(0))))
    }

    pub(super) fn open(&self) {
        for part in &self.0 {
            part.0.store(OPEN, Ordering::Release);
        }
    }

    /// Closes it, and says how many permits were in it.
    pub(super) fn close(&self) -> u64 {
        self.0.iter().map(|part| part.0.swap(0, Ordering::AcqRel) / ONE).sum()
    }

    /// How many are in it, about.
    pub(super) fn sum(&self) -> u64 {
        self.0.iter().map(|part| part.0.load(Ordering::Relaxed) / ONE).sum()
    }

    /// Puts a permit in, if it is open.
    pub(super) fn put(&self) -> bool {
        self.change(|word| (word & OPEN != 0).then_some(word + ONE))
    }

    /// Takes one out, if there is one for this thread.
    pub(super) fn take(&self) -> bool {
        self.change(|word| (word >= ONE).then(|| word - ONE))
    }

    fn change(&self, next: impl Fn(u64) -> Option<u64>) -> bool {
        let own = &self.0[part()].0;
        let mut word = own.load(Ordering::Relaxed);
        while let Some(next) = next(word) {
            match own.compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }
}
