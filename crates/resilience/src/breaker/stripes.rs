//! Successes of a breaker in whose window nothing is wrong, counted without its lock.
//!
//! While there is neither a failure nor a slow call in the window, one more success can change no state. Each thread adds it
//! to a word of its own; whoever holds the lock gathers the words before anything is decided or shown. A word says which state and
//! which slice of the window it counts for, so an end of an earlier state finds no word that takes it.

use crate::striped::{Apart, PARTS, part};
use crate::sync::{AtomicU64, Ordering};

/// Bits of a word: the generation above, then the slice, then the count.
const COUNT_BITS: u32 = 24;
const SLICE_BITS: u32 = 24;
const COUNT: u64 = (1 << COUNT_BITS) - 1;
const SLICE: u64 = (1 << SLICE_BITS) - 1;

pub(super) struct Stripes([Apart<AtomicU64>; PARTS]);

/// What a word held.
pub(super) struct Gathered {
    /// Whether it was counted in the state of now.
    pub(super) is_current: bool,
    /// How many slices ago.
    pub(super) age: u64,
    pub(super) count: u64,
}

fn head(generation: u64, slice: u64) -> u64 {
    generation << (COUNT_BITS + SLICE_BITS) | (slice & SLICE) << COUNT_BITS
}

impl Stripes {
    pub(super) fn new() -> Self {
        Self(std::array::from_fn(|_| Apart(AtomicU64::new(0))))
    }

    /// Counts a success; not if the word of this thread counts for something else, or is full.
    pub(super) fn add(&self, generation: u64, slice: u64) -> bool {
        let own = &self.0[part()].0;
        let head = head(generation, slice);
        let mut word = own.load(Ordering::Relaxed);
        loop {
            if word & !COUNT != head || word & COUNT == COUNT {
                return false;
            }
            match own.compare_exchange_weak(word, word + 1, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
    }

    /// Takes what was counted; from now on the words count for this state and slice.
    pub(super) fn gather(&self, generation: u64, slice: u64) -> impl Iterator<Item = Gathered> {
        let new = head(generation, slice);
        self.0.iter().filter_map(move |own| {
            let word = own.0.swap(new, Ordering::AcqRel);
            let is_current = word >> (COUNT_BITS + SLICE_BITS) == new >> (COUNT_BITS + SLICE_BITS);
            // A slice that is ahead was begun by somebody whose clock was read later.
            let age = slice.wrapping_sub(word >> COUNT_BITS) & SLICE;
            let age = if age > SLICE / 2 { 0 } else { age };
            let count = word & COUNT;
            (count > 0).then_some(Gathered { is_current, age, count })
        })
    }
}
