//! A count that many threads raise without getting into each other's way.

use std::sync::atomic::{AtomicU64, Ordering};

/// Parts of a count; threads share them in turn.
pub(crate) const PARTS: usize = 8;

/// Stands alone in the lines that processors hand to each other.
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct Apart<T>(pub(crate) T);

/// Rises only.
#[derive(Default)]
pub(crate) struct StripedCount([Apart<AtomicU64>; PARTS]);

impl StripedCount {
    /// One more.
    pub(crate) fn add(&self) {
        self.0[part()].0.fetch_add(1, Ordering::Relaxed);
    }

    /// All of it.
    pub(crate) fn sum(&self) -> u64 {
        self.0.iter().map(|part| part.0.load(Ordering::Relaxed)).sum()
    }
}

/// The part of this thread, as the tool that tries orders tells them apart.
#[cfg(feature = "shuttle")]
pub(crate) fn part() -> usize {
    usize::from(shuttle::current::me()) % PARTS
}

/// The part of this thread.
#[cfg(not(feature = "shuttle"))]
pub(crate) fn part() -> usize {
    use std::cell::Cell;
    use std::sync::atomic::AtomicUsize;

    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static OWN: Cell<usize> = const { Cell::new(usize::MAX) });
    OWN.with(|own| {
        if own.get() == usize::MAX {
            own.set(NEXT.fetch_add(1, Ordering::Relaxed) % PARTS);
        }
        own.get()
    })
}
