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
/// One free permit.
const ONE: u64 = 4;

/// So many permits. In the word stand those that are free.
///
/// What keeps it exact: those in the word, in the stash and out are together the limit and the debt. The bit `SLOW` is
/// set exactly while the line holds somebody or there is a debt; then none is free and the stash is closed. Both bits
/// change only under the lock. While the stash is open, those in it and those out are together at most the peak, so
/// that whoever takes one from it makes no peak; for more than that it is closed first, and then the word alone tells
/// how many are out. It opens when threads have got into each other's way at the word.
pub(super) struct Gate {
    word: Apart<AtomicU64>,
    stash: Stash,
    line: Mutex<Line>,
    /// Limit and debt together, to be read without the lock.
    total: AtomicU64,
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

impl Gate {
    pub(super) fn new(limit: usize) -> Self {
        let limit = limit as u64;
        Self {
            word: Apart(AtomicU64::new(limit * ONE)),
            stash: Stash::closed(),
            line: Mutex::new(Line { limit, ..Line::default() }),
            total: AtomicU64::new(limit),
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
            if is_stashed && (word < ONE || self.out_of(word) >= self.peak.load(Ordering::Relaxed)) {
                return self.take_alone(&self.lock());
            }
            if word < ONE {
                return false;
            }
            // Before it is taken: if the limit changes in between, so does the word.
            let out = self.out_of(word - ONE);
            match self.word.0.compare_exchange_weak(word, word - ONE, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => {
                    if !is_stashed {
                        self.note_peak(out);
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
        while word >= ONE && word & SLOW == 0 {
            match self.word.0.compare_exchange(word, word - ONE, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => {
                    self.note_peak(self.out_of(word - ONE));
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
            self.word.0.fetch_add(self.stash.close() * ONE, Ordering::Release);
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

    /// How many are out or in the stash.
    fn out_of(&self, word: u64) -> u64 {
        self.total.load(Ordering::Relaxed).saturating_sub(word / ONE)
    }

    fn note_peak(&self, out: u64) {
        // Most often there was a higher peak before, and a look is cheaper than a write.
        if out > self.peak.load(Ordering::Relaxed) {
            self.peak.fetch_max(out, Ordering::Relaxed);
        }
    }

    /// How many are out, or about to be.
    pub(super) fn out(&self) -> usize {
        let _line = self.lock();
        self.out_of(self.word.0.load(Ordering::Relaxed)) as usize
    }

    /// The most that were out at once.
    pub(super) fn peak(&self) -> usize {
        self.peak.load(Ordering::Relaxed) as usize
    }

    /// A place in the line, or nothing if a permit was free after all, which is taken then.
    pub(super) fn join(&self) -> Option<Place<'_>> {
        let mut line = self.lock();
        let mut word = self.word.0.load(Ordering::Relaxed);
        loop {
            // With the bit, none is free.
            let next = if word >= ONE { word - ONE } else { word | SLOW };
            match self.word.0.compare_exchange(word, next, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) if word >= ONE => {
                    self.note_peak(self.out_of(next));
                    return None;
                }
                Ok(_) => break,
                Err(other) => word = other,
            }
        }
        let (sender, granted) = oneshot::channel();
        let number = line.next;
        line.next += 1;
        line.waiting.insert(number, sender);
        Some(Place { gate: self, number, granted, left: false })
    }

    /// Gives a permit back.
    pub(super) fn give_back(&self) {
        if self.stash.put() {
            return;
        }
        let mut word = self.word.0.load(Ordering::Relaxed);
        let mut others = false;
        while word & SLOW == 0 {
            match self.word.0.compare_exchange_weak(word, word + ONE, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => {
                    if others {
                        self.spread();
                    }
                    return;
                }
                Err(other) => (word, others) = (other, true),
            }
        }
        let mut line = lock(&self.line);
        if line.debt > 0 {
            line.debt -= 1;
            self.total.store(line.limit + line.debt, Ordering::Relaxed);
        } else if !Self::grant(&mut line) {
            self.word.0.fetch_add(ONE, Ordering::Release);
        }
        self.quicken(&line);
    }

    /// Hands a permit to the first who still waits.
    fn grant(line: &mut Line) -> bool {
        while let Some((_, waiting)) = line.waiting.pop_first() {
            if waiting.send(()).is_ok() {
                return true;
            }
        }
        false
    }

    /// Lets the word decide again as soon as it can.
    fn quicken(&self, line: &Line) {
        if line.waiting.is_empty() && line.debt == 0 {
            self.word.0.fetch_and(!SLOW, Ordering::Release);
        }
    }

    /// Changes the limit. Returns the one before.
    pub(super) fn resize(&self, limit: usize) -> usize {
        let mut line = self.lock();
        let limit = limit as u64;
        if limit < line.limit {
            let mut less = line.limit - limit;
            // First, so that nobody takes those that go for permits that are out.
            self.total.store(limit, Ordering::Relaxed);
            let mut word = self.word.0.load(Ordering::Relaxed);
            // Those that are free go at once.
            while less > 0 && word >= ONE {
                let gone = less.min(word / ONE);
                match self.word.0.compare_exchange(
                    word,
                    word - gone * ONE,
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                ) {
                    Ok(_) => {
                        less -= gone;
                        word = self.word.0.load(Ordering::Relaxed);
                    }
                    Err(other) => word = other,
                }
            }
            // And those that come back before the bit is seen.
            while less > 0 {
                match self.word.0.compare_exchange(word, word | SLOW, Ordering::Relaxed, Ordering::Relaxed) {
                    Ok(_) if word >= ONE => {
                        // Some came back meanwhile; with the bit set nobody else takes them.
                        let gone = less.min(word / ONE);
                        self.word.0.fetch_sub(gone * ONE, Ordering::Relaxed);
                        line.debt += less - gone;
                        less = 0;
                    }
                    Ok(_) => {
                        line.debt += less;
                        less = 0;
                    }
                    Err(other) => word = other,
                }
            }
        } else {
            let mut more = limit - line.limit;
            let paid = more.min(line.debt);
            line.debt -= paid;
            more -= paid;
            while more > 0 && Self::grant(&mut line) {
                more -= 1;
            }
            self.word.0.fetch_add(more * ONE, Ordering::Release);
        }
        let before = std::mem::replace(&mut line.limit, limit);
        self.total.store(line.limit + line.debt, Ordering::Relaxed);
        self.note_peak(self.out_of(self.word.0.load(Ordering::Relaxed)));
        self.quicken(&line);
        before as usize
    }

    pub(super) fn limit(&self) -> usize {
        lock(&self.line).limit as usize
    }

    pub(super) fn waiting(&self) -> usize {
        lock(&self.line).waiting.len()
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
            self.gate.quicken(&line);
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
