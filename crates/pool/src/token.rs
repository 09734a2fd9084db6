//! How a thread is told that nobody waits for its work any more.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Where a piece of work is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Waiting,
    AtWork,
    /// At work, and nobody waits for it.
    Overdue,
    Over,
}

/// Raised when nobody waits for a piece of work any more. Its thread looks at it from time to time; as long as it has not
/// come to an end, the thread counts as overdue.
#[derive(Clone, Debug)]
pub struct CpuToken(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    is_raised: AtomicBool,
    stage: Mutex<Stage>,
    overdue: Arc<AtomicUsize>,
}

impl Shared {
    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CpuToken {
    /// One that is not raised; `overdue` counts the threads that were left behind.
    pub(crate) fn new(overdue: &Arc<AtomicUsize>) -> Self {
        let (is_raised, stage) = (AtomicBool::new(false), Mutex::new(Stage::Waiting));
        Self(Arc::new(Shared { is_raised, stage, overdue: overdue.clone() }))
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
        let mut stage = self.0.stage();
        if *stage != Stage::Waiting {
            return None;
        }
        *stage = Stage::AtWork;
        Some(AtWork(self.clone()))
    }
}

pub(crate) struct Waiter(CpuToken);

impl Drop for Waiter {
    fn drop(&mut self) {
        let shared = &self.0.0;
        shared.is_raised.store(true, Ordering::Relaxed);
        let mut stage = shared.stage();
        *stage = match *stage {
            Stage::AtWork => {
                shared.overdue.fetch_add(1, Ordering::Relaxed);
                Stage::Overdue
            }
            _ => Stage::Over,
        };
    }
}

pub(crate) struct AtWork(CpuToken);

impl Drop for AtWork {
    fn drop(&mut self) {
        let shared = &self.0.0;
        let mut stage = shared.stage();
        if *stage == Stage::Overdue {
            shared.overdue.fetch_sub(1, Ordering::Relaxed);
        }
        *stage = Stage::Over;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_overdue_from_being_left_until_it_returns() {
        let overdue = Arc::<AtomicUsize>::default();
        let counted = || overdue.load(Ordering::Relaxed);
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
