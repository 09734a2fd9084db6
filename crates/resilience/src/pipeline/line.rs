//! The bounded queue between producers and the consumer.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use longshore_clock::{Clock, Deadline};
use tokio::sync::{Notify, Semaphore, watch};

use super::metrics::{Meters, PipelineEvent, add};
use super::{FlushReport, PipelineConfig};
use crate::panics::drop_quietly;

/// An item that was not taken, with the item.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum PutError<T> {
    /// There was no room, or none in time.
    #[error("{limit} items wait already (max_queue_size)")]
    Full {
        /// What was not taken.
        item: T,
        /// How many may wait.
        limit: usize,
    },
    /// The pipeline does not run: it was not started, was stopped, or its consumer failed.
    #[error("the pipeline does not run")]
    Shutdown {
        /// What was not taken.
        item: T,
    },
}

impl<T> PutError<T> {
    /// What was not taken.
    pub fn into_item(self) -> T {
        match self {
            Self::Full { item, .. } | Self::Shutdown { item } => item,
        }
    }
}

impl<T> std::fmt::Debug for PutError<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// What became of several items.
#[derive(Debug)]
pub struct PutManyReport<T> {
    /// How many were taken: the first so many.
    pub accepted: usize,
    /// The others.
    pub rest: Vec<T>,
    /// Whether those were not taken because there was no room; otherwise the pipeline does not run.
    pub is_full: bool,
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    /// What is there is processed, and nothing more comes.
    Drain,
    /// What is there is handed back.
    Cancel,
}

/// An item in line.
pub(super) struct Waiting<T> {
    pub(super) item: T,
    pub(super) came: Duration,
    pub(super) size: usize,
}

pub(super) struct Line<T> {
    items: Mutex<VecDeque<Waiting<T>>>,
    /// How large an item is, if that matters.
    size: Option<fn(&T) -> usize>,
    room: Semaphore,
    pub(super) news: Notify,
    phase: watch::Sender<Phase>,
    limit: usize,
    drop_on_full: bool,
    clock: Clock,
    pub(super) meters: Arc<Meters>,
    /// Items that were taken in this run, those that a flush waits for, and those that are settled in one way or another.
    taken: AtomicU64,
    pub(super) flush_to: AtomicU64,
    settled: watch::Sender<Settled>,
}

#[derive(Clone, Copy, Default)]
struct Settled {
    written: u64,
    failed: u64,
    over: bool,
}

impl<T> Line<T> {
    pub(super) fn new(
        config: &PipelineConfig,
        size: Option<fn(&T) -> usize>,
        clock: Clock,
        meters: Arc<Meters>,
    ) -> Self {
        Self {
            items: Mutex::default(),
            size: size.filter(|_| config.batch_bytes.is_some()),
            room: Semaphore::new(config.max_queue_size),
            news: Notify::new(),
            phase: watch::Sender::new(Phase::Open),
            limit: config.max_queue_size,
            drop_on_full: config.drop_on_full,
            clock,
            meters,
            taken: AtomicU64::new(0),
            flush_to: AtomicU64::new(0),
            settled: watch::Sender::default(),
        }
    }

    fn items(&self) -> MutexGuard<'_, VecDeque<Waiting<T>>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn len(&self) -> usize {
        self.items().len()
    }

    pub(super) fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    pub(super) fn is_open(&self) -> bool {
        *self.phase.borrow() == Phase::Open
    }

    /// Takes nothing more. Under the lock of the items, so that none comes in afterwards.
    pub(super) fn close(&self, phase: Phase) {
        let _items = self.items();
        self.phase.send_if_modified(|now| {
            let later = *now != Phase::Cancel && *now != phase;
            if later {
                *now = phase;
            }
            later
        });
    }

    pub(super) async fn put(&self, item: T, timeout: Option<Duration>) -> Result<(), PutError<T>> {
        let permit = match self.room.try_acquire() {
            Ok(permit) => permit,
            Err(_) if self.drop_on_full => return Err(self.full(item)),
            Err(_) => {
                let mut phase = self.phase();
                let over = timeout.map_or(Deadline::NEVER, |timeout| self.clock.after(timeout));
                let began = self.clock.uptime();
                let waited = tokio::select! {
                    biased;
                    _ = phase.wait_for(|phase| *phase != Phase::Open) => Ok(None),
                    permit = self.room.acquire() => Ok(permit.ok()),
                    () = over.wait() => Err(()),
                };
                self.meters.put_wait.record(self.clock.uptime().saturating_sub(began));
                match waited {
                    Ok(Some(permit)) => permit,
                    Ok(None) => return Err(PutError::Shutdown { item }),
                    Err(()) => return Err(self.full(item)),
                }
            }
        };
        // A size that cannot be told counts as none; the item itself is not to blame.
        let told = self.size.map(|size| catch_unwind(AssertUnwindSafe(|| size(&item))));
        let size = told.map_or(0, |told| told.map_err(drop_quietly).unwrap_or(0));
        {
            let mut items = self.items();
            if !self.is_open() {
                return Err(PutError::Shutdown { item });
            }
            items.push_back(Waiting { item, came: self.clock.uptime(), size });
            permit.forget();
            self.taken.fetch_add(1, Ordering::Relaxed);
            add(&self.meters.accepted, 1);
        }
        self.news.notify_one();
        Ok(())
    }

    fn full(&self, item: T) -> PutError<T> {
        add(&self.meters.dropped, 1);
        self.meters.audience.tell(|| PipelineEvent::Dropped);
        PutError::Full { item, limit: self.limit }
    }

    /// What waits, to be handed back.
    pub(super) fn take_all(&self) -> impl Iterator<Item = T> {
        std::mem::take(&mut *self.items()).into_iter().map(|waiting| waiting.item)
    }

    /// The next item, if one of its size fits; there is room for another one then.
    pub(super) fn take(&self, fits: impl FnOnce(usize) -> bool) -> Option<Waiting<T>> {
        let mut items = self.items();
        if !items.front().is_some_and(|waiting| fits(waiting.size)) {
            return None;
        }
        let next = items.pop_front();
        self.room.add_permits(1);
        self.meters.in_batch.fetch_add(1, Ordering::Relaxed);
        next
    }

    /// So many items have left the batch, for good or not.
    pub(super) fn settle(&self, written: usize, failed: usize) {
        self.meters.in_batch.fetch_sub((written + failed) as u64, Ordering::Relaxed);
        self.settled.send_modify(|settled| {
            settled.written += written as u64;
            settled.failed += failed as u64;
        });
    }

    /// Nothing more will be settled.
    pub(super) fn end(&self) {
        self.settled.send_modify(|settled| settled.over = true);
    }

    /// Whether a flush waits for something in a batch that begins after so many settled items.
    pub(super) fn is_asked_for(&self) -> bool {
        let settled = *self.settled.borrow();
        self.flush_to.load(Ordering::Acquire) > settled.written + settled.failed
    }

    pub(super) async fn flush(&self) -> FlushReport {
        let mut settled = self.settled.subscribe();
        let before = *settled.borrow_and_update();
        let target = self.taken.load(Ordering::Acquire);
        self.flush_to.fetch_max(target, Ordering::AcqRel);
        self.news.notify_one();
        let reached = settled.wait_for(|now| now.over || now.written + now.failed >= target).await;
        let after = reached.map_or(before, |now| *now);
        FlushReport {
            written: after.written - before.written,
            failed: after.failed - before.failed,
            left: target.saturating_sub(after.written + after.failed),
        }
    }
}
