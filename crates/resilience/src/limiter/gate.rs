//! Permits with a fair line: one atomic word while nobody waits.

use std::collections::BTreeMap;

use tokio::sync::oneshot;

use crate::sync::{AtomicU64, Mutex, Ordering, lock};

/// The lowest bit of the word: somebody waits, or permits have to be paid back, so that the line decides.
const SLOW: u64 = 1;
/// One free permit.
const ONE: u64 = 2;

/// So many permits. In the word stand those that are free.
///
/// What keeps it exact: free permits and those that are out are together the limit and the debt; the bit is set exactly
/// while the line holds somebody or there is a debt, and then none is free; it changes only under the lock.
pub(super) struct Gate {
    word: AtomicU64,
    line: Mutex<Line>,
    /// Limit and debt together, to be read without the lock.
    total: AtomicU64,
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
            word: AtomicU64::new(limit * ONE),
            line: Mutex::new(Line { limit, ..Line::default() }),
            total: AtomicU64::new(limit),
        }
    }

    /// Takes a permit if one is free: how many are out then.
    pub(super) fn try_take(&self) -> Option<usize> {
        let mut word = self.word.load(Ordering::Relaxed);
        while word >= ONE && word & SLOW == 0 {
            match self.word.compare_exchange_weak(word, word - ONE, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Some(self.out_of(word - ONE)),
                Err(other) => word = other,
            }
        }
        None
    }

    fn out_of(&self, word: u64) -> usize {
        self.total.load(Ordering::Relaxed).saturating_sub(word / ONE) as usize
    }

    /// How many are out, or about to be.
    pub(super) fn out(&self) -> usize {
        self.out_of(self.word.load(Ordering::Relaxed))
    }

    /// A place in the line, or nothing if a permit was free after all, which is taken then.
    pub(super) fn join(&self) -> Option<Place<'_>> {
        let mut line = lock(&self.line);
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            // With the bit, none is free.
            let next = if word >= ONE { word - ONE } else { word | SLOW };
            match self.word.compare_exchange(word, next, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) if word >= ONE => return None,
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
        let mut word = self.word.load(Ordering::Relaxed);
        while word & SLOW == 0 {
            match self.word.compare_exchange_weak(word, word + ONE, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(other) => word = other,
            }
        }
        let mut line = lock(&self.line);
        if line.debt > 0 {
            line.debt -= 1;
            self.total.store(line.limit + line.debt, Ordering::Relaxed);
        } else if !Self::grant(&mut line) {
            self.word.fetch_add(ONE, Ordering::Release);
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
            self.word.fetch_and(!SLOW, Ordering::Release);
        }
    }

    pub(super) fn resize(&self, limit: usize) {
        let mut line = lock(&self.line);
        let limit = limit as u64;
        if limit < line.limit {
            let mut less = line.limit - limit;
            // First, so that nobody takes those that go for permits that are out.
            self.total.store(limit, Ordering::Relaxed);
            let mut word = self.word.load(Ordering::Relaxed);
            // Those that are free go at once.
            while less > 0 && word >= ONE {
                let gone = less.min(word / ONE);
                match self.word.compare_exchange(
                    word,
                    word - gone * ONE,
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                ) {
                    Ok(_) => {
                        less -= gone;
                        word = self.word.load(Ordering::Relaxed);
                    }
                    Err(other) => word = other,
                }
            }
            // And those that come back before the bit is seen.
            while less > 0 {
                match self.word.compare_exchange(word, word | SLOW, Ordering::Relaxed, Ordering::Relaxed) {
                    Ok(_) if word >= ONE => {
                        // Some came back meanwhile; with the bit set nobody else takes them.
                        let gone = less.min(word / ONE);
                        self.word.fetch_sub(gone * ONE, Ordering::Relaxed);
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
            self.word.fetch_add(more * ONE, Ordering::Release);
        }
        line.limit = limit;
        self.total.store(line.limit + line.debt, Ordering::Relaxed);
        self.quicken(&line);
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
