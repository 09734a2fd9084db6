//! Permits with a fair line: one atomic word while nobody waits, and a word for each thread while many come and go.

use std::collections::BTreeMap;

use tokio::sync::oneshot;

use super::stash::Stash;
use crate::striped::Apart;
use crate::sync::{AtomicU64, Mutex, MutexGuard, Ordering, lock, try_lock};

/// The lowest bit of the word: somebody waits, or permits have to be paid back, so that the line decides.
const SLOW: u64 = 1;
/// The next one: the stash is open.
const STASHED: u64 = 2;
/// One free permit: 31 bits.
const FREE: u64 = 4;
/// One permit that there is, free or not: the 31 bits above.
const TOTAL: u64 = 1 << 33;

/// The largest limit.
pub(super) const LIMIT_MAX: usize = 1 << 30;

fn free(word: u64) -> u64 {
    word % TOTAL / FREE
}

/// How many are out or in the stash.
fn out(word: u64) -> u64 {
    word / TOTAL - free(word)
}

/// So many permits. The word says how many there are and which of them are free.
///
/// What keeps it exact: permits in the word, in the stash and out are together the limit and the debt. The bit `SLOW` is
/// set exactly while the line holds somebody or there is a debt; then none is free and the stash is closed. Both bits
/// change only under the lock. While the stash is open, those in it and those out are together at most the peak, so
/// that whoever takes one from it makes no peak; for more than that it is closed first, and then the word alone tells
/// how many are out. It opens when threads have got into each other's way at the word.
pub(super) struct Gate {
    word: Apart<AtomicU64>,
    stash: Stash,
    line: Mutex<Line>,
    /// The most that were out at once.
    peak: AtomicU64,
}

#[derive(Default)]
struct Line {
    waiting: BTreeMap<u64, oneshot::Sender<()>>,
    next: u64,
    limit: u64,
    /// Permits that are taken out of use as they come back, because the limit was lowered while they were out.
    debt: u64,
}

/// What becomes of somebody who found no permit at once.
pub(super) enum Joined<'a> {
    /// One was free after all, and is taken.
    Taken,
    /// A place in the line.
    Waits(Place<'a>),
    /// As many wait as may.
    Full,
}

impl Gate {
    pub(super) fn new(limit: usize) -> Self {
        let limit = limit as u64;
        Self {
            word: Apart(AtomicU64::new(limit * (FREE + TOTAL))),
            stash: Stash::closed(),
            line: Mutex::new(Line { limit, ..Line::default() }),
            peak: AtomicU64::new(0),
        }
    }

    /// Takes a permit if one is free.
    pub(super) fn try_take(&self) -> bool {
        if self.stash.take() {
            return true;
        }
        let mut word = self.word.0.load(Ordering::Relaxed);
        let mut others = false;
        while word & SLOW == 0 {
            let is_stashed = word & STASHED != 0;
            if is_stashed && (free(word) == 0 || out(word) >= self.peak.load(Ordering::Relaxed)) {
                return self.take_alone(&self.lock());
            }
            if free(word) == 0 {
                return false;
            }
            match self.word.0.compare_exchange_weak(word, word - FREE, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => {
                    if !is_stashed {
                        self.note_peak(word - FREE);
                    }
                    if others {
                        self.spread();
                    }
                    return true;
                }
                Err(other) => (word, others) = (other, true),
            }
        }
        false
    }

    /// Takes a free permit from the word, while the stash is closed and stays so.
    fn take_alone(&self, _line: &MutexGuard<'_, Line>) -> bool {
        let mut word = self.word.0.load(Ordering::Relaxed);
        while free(word) > 0 && word & SLOW == 0 {
            match self.word.0.compare_exchange(word, word - FREE, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => {
                    self.note_peak(word - FREE);
                    return true;
                }
                Err(other) => word = other,
            }
        }
        false
    }

    /// The line, with nothing in the stash.
    fn lock(&self) -> MutexGuard<'_, Line> {
        let line = lock(&self.line);
        if self.word.0.load(Ordering::Relaxed) & STASHED != 0 {
            self.word.0.fetch_add(self.stash.close() * FREE, Ordering::Release);
            self.word.0.fetch_and(!STASHED, Ordering::Release);
        }
        line
    }

    /// Opens the stash, if nobody waits and nobody else holds the lock.
    #[cold]
    fn spread(&self) {
        let Some(_line) = try_lock(&self.line) else { return };
        if self.word.0.load(Ordering::Relaxed) & (SLOW | STASHED) == 0 {
            self.word.0.fetch_or(STASHED, Ordering::AcqRel);
            self.stash.open();
        }
    }

    fn note_peak(&self, word: u64) {
        let out = out(word);
        // Most often there was a higher peak before, and a look is cheaper than a write.
        if out > self.peak.load(Ordering::Relaxed) {
            self.peak.fetch_max(out, Ordering::Relaxed);
        }
    }

    /// How many are out, or about to be; while others come and go it may miss one of them.
    pub(super) fn out(&self) -> usize {
        out(self.word.0.load(Ordering::Relaxed)).saturating_sub(self.stash.sum()) as usize
    }

    /// The most that were out at once.
    pub(super) fn peak(&self) -> usize {
        self.peak.load(Ordering::Relaxed) as usize
    }

    /// A place in the line, if fewer than `max` wait and no permit is free after all.
    pub(super) fn join(&self, max: usize) -> Joined<'_> {
        let mut line = self.lock();
        let mut word = self.word.0.load(Ordering::Relaxed);
        loop {
            let is_free = free(word) > 0;
            if !is_free && line.waiting.len() >= max {
                return Joined::Full;
            }
            // With the bit, none is free.
            let next = if is_free { word - FREE } else { word | SLOW };
            match self.word.0.compare_exchange(word, next, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) if is_free => {
                    self.note_peak(next);
                    return Joined::Taken;
                }
                Ok(_) => break,
                Err(other) => word = other,
            }
        }
        let (sender, granted) = oneshot::channel();
        let number = line.next;
        line.next += 1;
        line.waiting.insert(number, sender);
        Joined::Waits(Place { gate: self, number, granted, left: false })
    }

    /// Gives a permit back.
    pub(super) fn give_back(&self) {
        if self.stash.put() {
            return;
        }
        let mut word = self.word.0.load(Ordering::Relaxed);
        let mut others = false;
        while word & SLOW == 0 {
            match self.word.0.compare_exchange_weak(word, word + FREE, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => {
                    if others {
                        self.spread();
                    }
                    return;
                }
                Err(other) => (word, others) = (other, true),
            }
        }
        let next = {
            let mut line = lock(&self.line);
            if line.debt > 0 {
                line.debt -= 1;
                self.settle(&line, 0, 1);
                return;
            }
            let next = line.waiting.pop_first();
            self.settle(&line, u64::from(next.is_none()) * FREE, 0);
            next
        };
        grant(next);
    }

    /// Adds to the word, takes so many permits out of it that are not free, and lets it decide again as soon as it can.
    fn settle(&self, line: &Line, more: u64, gone: u64) {
        let is_slow = self.word.0.load(Ordering::Relaxed) & SLOW != 0;
        let quick = is_slow && line.waiting.is_empty() && line.debt == 0;
        let change = more.wrapping_sub(gone * TOTAL).wrapping_sub(u64::from(quick) * SLOW);
        self.word.0.fetch_add(change, Ordering::Release);
    }

    /// Changes the limit. Returns the one before.
    pub(super) fn resize(&self, limit: usize) -> usize {
        let mut line = self.lock();
        let before = std::mem::replace(&mut line.limit, limit as u64);
        if line.limit < before {
            self.shrink(&mut line, before);
            return before as usize;
        }
        let more = line.limit - before;
        // What is still to be paid back stays in use instead.
        let paid = more.min(line.debt);
        line.debt -= paid;
        let waiting = line.waiting.len() as u64;
        let granted: Vec<_> = (0..waiting.min(more - paid)).map_while(|_| line.waiting.pop_first()).collect();
        let taken = granted.len() as u64;
        self.settle(&line, (more - paid) * TOTAL + (more - paid - taken) * FREE, 0);
        self.note_peak(self.word.0.load(Ordering::Relaxed));
        drop(line);
        for next in granted {
            grant(Some(next));
        }
        before as usize
    }

    /// Takes away what is free at once, and the rest as it comes back.
    fn shrink(&self, line: &mut Line, before: u64) {
        let less = before - line.limit;
        let mut word = self.word.0.load(Ordering::Relaxed);
        loop {
            let gone = less.min(free(word));
            let slow = if gone < less { SLOW } else { 0 };
            let next = (word - gone * (FREE + TOTAL)) | slow;
            match self.word.0.compare_exchange(word, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => {
                    line.debt += less - gone;
                    return;
                }
                Err(other) => word = other,
            }
        }
    }

    pub(super) fn limit(&self) -> usize {
        lock(&self.line).limit as usize
    }

    pub(super) fn waiting(&self) -> usize {
        lock(&self.line).waiting.len()
    }
}

/// Hands a permit to the first in line, outside of the lock. If that one has left meanwhile, it has given the permit on.
fn grant(next: Option<(u64, oneshot::Sender<()>)>) {
    if let Some((_, waiting)) = next {
        let _ = waiting.send(());
    }
}

/// A place in the line. Left when it is dropped; a permit that was granted meanwhile goes back.
pub(super) struct Place<'a> {
    gate: &'a Gate,
    number: u64,
    granted: oneshot::Receiver<()>,
    left: bool,
}

impl Place<'_> {
    /// Waits for the permit.
    pub(super) async fn granted(mut self) {
        // Senders leave the line only by granting, or by this place leaving it.
        let _ = (&mut self.granted).await;
        self.left = true;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.left {
            return;
        }
        let was_waiting = {
            let mut line = lock(&self.gate.line);
            let was_waiting = line.waiting.remove(&self.number).is_some();
            if was_waiting {
                self.gate.settle(&line, 0, 0);
            }
            was_waiting
        };
        // Granted, and not taken: it is somebody else's turn.
        if !was_waiting {
            self.gate.give_back();
        }
    }
}

#[cfg(all(test, not(feature = "shuttle")))]
mod tests {
    use super::*;

    /// A gate of so many whose stash is open, with a peak of one.
    fn spread(limit: usize) -> Gate {
        let gate = Gate::new(limit);
        assert!(gate.try_take());
        gate.give_back();
        gate.spread();
        gate
    }

    #[test]
    fn a_permit_that_lies_in_the_stash_makes_no_peak() {
        let gate = spread(4);
        assert!(gate.try_take());
        gate.give_back();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                assert!(gate.try_take());
                gate.give_back();
            });
        });
        assert_eq!((gate.peak(), gate.out()), (1, 0));
    }

    #[test]
    fn a_peak_is_seen_while_the_stash_is_open() {
        let gate = spread(4);
        assert!(gate.try_take() && gate.try_take() && gate.try_take());
        assert_eq!((gate.peak(), gate.out()), (3, 3));
    }

    #[test]
    fn the_last_permit_is_found_in_the_part_of_another_thread() {
        let gate = spread(1);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                assert!(gate.try_take());
                gate.give_back();
            });
        });
        assert!(gate.try_take() && !gate.try_take());
    }
}
