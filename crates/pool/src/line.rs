use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use longshore_resilience::drop_quietly;
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

/// The work that waits for a thread, first come, first served. Work that nobody waits for any more leaves it at once.
pub(crate) struct Line {
    waiting: Mutex<Waiting>,
    news: Condvar,
    /// One for each place.
    places: Arc<Semaphore>,
    /// Callers who wait for room.
    outside: AtomicUsize,
    /// Those who left before their turn.
    left: AtomicU64,
}

/// A caller who waits for room.
struct Outside<'a> {
    line: &'a Line,
    has_room: bool,
}

impl Drop for Outside<'_> {
    fn drop(&mut self) {
        self.line.outside.fetch_sub(1, Ordering::Relaxed);
        self.line.left.fetch_add(u64::from(!self.has_room), Ordering::Relaxed);
    }
}

#[derive(Default)]
struct Waiting {
    work: BTreeMap<u64, (Work, OwnedSemaphorePermit)>,
    next: u64,
    is_closed: bool,
}

/// Where work stands in the line, or stood. Dropped, it takes the work out.
pub(crate) struct Place<'a> {
    line: &'a Line,
    number: u64,
}

impl Line {
    pub(crate) fn new(places: usize) -> Self {
        let places = Arc::new(Semaphore::new(places));
        let (outside, left) = (AtomicUsize::new(0), AtomicU64::new(0));
        Self { waiting: Mutex::default(), news: Condvar::new(), places, outside, left }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Room for one more, if there is some.
    pub(crate) fn try_room(&self) -> Option<OwnedSemaphorePermit> {
        self.places.clone().try_acquire_owned().ok()
    }

    /// Waits for room, in front of the line. None once the line is closed.
    pub(crate) async fn room(&self) -> Option<OwnedSemaphorePermit> {
        self.outside.fetch_add(1, Ordering::Relaxed);
        let mut outside = Outside { line: self, has_room: false };
        let room = self.places.clone().acquire_owned().await.ok();
        outside.has_room = room.is_some();
        room
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

    /// How many wait, those in front of it with them.
    pub(crate) fn len(&self) -> usize {
        self.waiting().work.len() + self.outside.load(Ordering::Relaxed)
    }

    /// How many left before their turn.
    pub(crate) fn left(&self) -> u64 {
        self.left.load(Ordering::Relaxed)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let work = self.line.waiting().work.remove(&self.number);
        // What it holds may call the pool as it is dropped: not under the lock.
        if let Some((work, _room)) = work {
            self.line.left.fetch_add(1, Ordering::Relaxed);
            drop_quietly(work);
        }
    }
}
