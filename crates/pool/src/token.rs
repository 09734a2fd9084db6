//! How a thread is told that nobody waits for its work any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicIsize, AtomicU8, Ordering};

const WAITING: u8 = 0;
const AT_WORK: u8 = 1;
const DONE: u8 = 2;
const LEFT: u8 = 3;
const GONE: u8 = 4;

/// Threads that were left behind. One that returns at once may be taken away before it was added.
#[derive(Debug, Default)]
pub(crate) struct Overdue(AtomicIsize);

impl Overdue {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed).try_into().unwrap_or_default()
    }

    fn add(&self, change: isize) {
        self.0.fetch_add(change, Ordering::Relaxed);
    }
}

/// Raised when nobody waits for a piece of work any more. Its thread looks at it from time to time; as long as it has not
/// come to an end, the thread counts as overdue.
#[derive(Clone, Debug)]
pub struct CpuToken(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    is_raised: AtomicBool,
    stage: AtomicU8,
    overdue: Arc<Overdue>,
}

impl CpuToken {
    /// One that is not raised; `overdue` counts the threads that were left behind.
    pub(crate) fn new(overdue: &Arc<Overdue>) -> Self {
        Self(Arc::new(Shared {
            is_raised: AtomicBool::new(false),
            stage: AtomicU8::new(WAITING),
            overdue: overdue.clone(),
        }))
    }

    /// Whether nobody waits any more: whoever did was dropped, or the deadline has passed.
    pub fn is_raised(&self) -> bool {
        self.0.is_raised.load(Ordering::Relaxed)
    }

    /// To be held by whoever waits.
    pub(crate) fn waiter(&self) -> Waiter {
        Waiter(self.clone())
    }

    /// To be held by the thread while it works; none if nobody waits any more.
    pub(crate) fn begin(&self) -> Option<AtWork> {
        let begun = self.0.stage.compare_exchange(WAITING, AT_WORK, Ordering::AcqRel, Ordering::Acquire);
        begun.is_ok().then(|| AtWork(self.clone()))
    }
}

pub(crate) struct Waiter(CpuToken);

impl Drop for Waiter {
    fn drop(&mut self) {
        let shared = &self.0.0;
        shared.is_raised.store(true, Ordering::Relaxed);
        let leave = |stage| match stage {
            WAITING => Some(GONE),
            AT_WORK => Some(LEFT),
            _ => None,
        };
        if shared.stage.fetch_update(Ordering::AcqRel, Ordering::Acquire, leave) == Ok(AT_WORK) {
            shared.overdue.add(1);
        }
    }
}

pub(crate) struct AtWork(CpuToken);

impl Drop for AtWork {
    fn drop(&mut self) {
        let shared = &self.0.0;
        if shared.stage.swap(DONE, Ordering::AcqRel) == LEFT {
            shared.overdue.add(-1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_overdue_from_being_left_until_it_returns() {
        let overdue = Arc::<Overdue>::default();
        let counted = || overdue.count();
        let token = CpuToken::new(&overdue);
        let (waiter, at_work) = (token.waiter(), token.begin());
        drop(waiter);
        assert!(token.is_raised() && counted() == 1);
        drop(at_work);
        assert_eq!(counted(), 0);

        let token = CpuToken::new(&overdue);
        let (waiter, at_work) = (token.waiter(), token.begin());
        drop(at_work);
        drop(waiter);
        assert_eq!(counted(), 0);

        let token = CpuToken::new(&overdue);
        drop(token.waiter());
        assert!(token.begin().is_none(), "nobody waits for it");
        assert_eq!(counted(), 0);
    }
}
