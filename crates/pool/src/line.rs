use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use longshore_resilience::panic_text;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub(crate) type Work = Box<dyn FnOnce() + Send>;

/// Work that is not in the line yet. What it holds may panic if it never gets there.
pub(crate) struct Unsent(Option<Work>);

impl Unsent {
    pub(crate) fn new(work: Work) -> Self {
        Self(Some(work))
    }
}

impl Drop for Unsent {
    fn drop(&mut self) {
        drop_quietly(self.0.take());
    }
}

fn drop_quietly(work: Option<Work>) {
    drop(catch_unwind(AssertUnwindSafe(|| drop(work))).map_err(panic_text));
}

/// The work that waits for a thread, first come, first served. Work that nobody waits for any more leaves it at once.
pub(crate) struct Line {
    waiting: Mutex<Waiting>,
    news: Condvar,
    /// One for each place.
    places: Arc<Semaphore>,
}

#[derive(Default)]
struct Waiting {
    work: BTreeMap<u64, (Work, OwnedSemaphorePermit)>,
    next: u64,
    is_closed: bool,
}

/// Where work stands in the line, or stood.
pub(crate) struct Place<'a> {
    line: &'a Line,
    number: u64,
}

impl Line {
    pub(crate) fn new(places: usize) -> Self {
        Self { waiting: Mutex::default(), news: Condvar::new(), places: Arc::new(Semaphore::new(places)) }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Room for one more, if there is some.
    pub(crate) fn try_room(&self) -> Option<OwnedSemaphorePermit> {
        self.places.clone().try_acquire_owned().ok()
    }

    /// Waits for room. None once the line is closed.
    pub(crate) async fn room(&self) -> Option<OwnedSemaphorePermit> {
        self.places.clone().acquire_owned().await.ok()
    }

    /// Puts work at the end. None if the line is closed.
    pub(crate) fn push(&self, mut unsent: Unsent, room: OwnedSemaphorePermit) -> Option<Place<'_>> {
        let number = {
            let mut waiting = self.waiting();
            if waiting.is_closed {
                return None;
            }
            let work = unsent.0.take()?;
            let number = waiting.next;
            waiting.next += 1;
            waiting.work.insert(number, (work, room));
            number
        };
        self.news.notify_one();
        Some(Place { line: self, number })
    }

    /// The first, once there is one. None once the line is closed and empty.
    pub(crate) fn pop(&self) -> Option<Work> {
        let mut waiting = self.waiting();
        loop {
            if let Some((_, (work, room))) = waiting.work.pop_first() {
                // Whoever waits for it is not woken under the lock.
                drop(waiting);
                drop(room);
                return Some(work);
            }
            if waiting.is_closed {
                return None;
            }
            waiting = self.news.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes nothing more. What waits is still handed out.
    pub(crate) fn close(&self) {
        self.waiting().is_closed = true;
        self.places.close();
        self.news.notify_all();
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting().work.len()
    }
}

impl Place<'_> {
    /// Takes the work out. Whether it still waited.
    pub(crate) fn leave(&self) -> bool {
        let work = self.line.waiting().work.remove(&self.number);
        // What it holds may call the pool as it is dropped: not under the lock.
        let is_out = work.is_some();
        drop_quietly(work.map(|(work, _)| work));
        is_out
    }
}
