//! How a thread is told that nobody waits for its work any more, and what a template may write.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};

const WAITING: u8 = 0;
const AT_WORK: u8 = 1;
const DONE: u8 = 2;
const LEFT: u8 = 3;

/// Raised when nobody waits for a piece of work any more. Its thread looks at it from time to time; as long as it has not,
/// the thread counts as overdue.
#[derive(Clone, Debug)]
pub(super) struct Flag(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    is_up: AtomicBool,
    stage: AtomicU8,
    overdue: Arc<AtomicUsize>,
}

impl Flag {
    /// A flag that is down; `overdue` counts the threads that were left behind.
    pub(super) fn new(overdue: &Arc<AtomicUsize>) -> Self {
        Self(Arc::new(Shared {
            is_up: AtomicBool::new(false),
            stage: AtomicU8::new(WAITING),
            overdue: overdue.clone(),
        }))
    }

    pub(super) fn is_up(&self) -> bool {
        self.0.is_up.load(Ordering::Relaxed)
    }

    /// To be held by whoever waits.
    pub(super) fn waiter(&self) -> Waiter {
        Waiter(self.clone())
    }

    /// To be held by the thread while it works.
    pub(super) fn at_work(&self) -> AtWork {
        let _ = self.0.stage.compare_exchange(WAITING, AT_WORK, Ordering::AcqRel, Ordering::Acquire);
        AtWork(self.clone())
    }
}

pub(super) struct Waiter(Flag);

impl Drop for Waiter {
    fn drop(&mut self) {
        let shared = &self.0.0;
        shared.is_up.store(true, Ordering::Relaxed);
        // Counted first, so that the thread can never take away what was not yet added.
        shared.overdue.fetch_add(1, Ordering::AcqRel);
        if shared.stage.compare_exchange(AT_WORK, LEFT, Ordering::AcqRel, Ordering::Acquire).is_err() {
            shared.overdue.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

pub(super) struct AtWork(Flag);

impl Drop for AtWork {
    fn drop(&mut self) {
        let shared = &self.0.0;
        if shared.stage.swap(DONE, Ordering::AcqRel) == LEFT {
            shared.overdue.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

/// Collects what a template writes, up to a limit, and until the flag goes up.
pub(super) struct Limited {
    pub(super) bytes: Vec<u8>,
    pub(super) limit: usize,
    pub(super) is_over: bool,
    pub(super) flag: Flag,
}

impl io::Write for Limited {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        if self.flag.is_up() {
            return Err(io::Error::other("stopped"));
        }
        if self.bytes.len() + piece.len() > self.limit {
            self.is_over = true;
            return Err(io::Error::other("too large"));
        }
        self.bytes.extend_from_slice(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_overdue_from_being_left_until_it_returns() {
        let overdue = Arc::new(AtomicUsize::new(0));
        let counted = || overdue.load(Ordering::Relaxed);
        let flag = Flag::new(&overdue);
        let (waiter, at_work) = (flag.waiter(), flag.at_work());
        drop(waiter);
        assert!(flag.is_up() && counted() == 1);
        drop(at_work);
        assert_eq!(counted(), 0);

        let flag = Flag::new(&overdue);
        let (waiter, at_work) = (flag.waiter(), flag.at_work());
        drop(at_work);
        drop(waiter);
        drop(Flag::new(&overdue).waiter());
        assert_eq!(counted(), 0);
    }
}
