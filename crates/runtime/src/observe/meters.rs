use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use longshore_core::{KindName, QueueName, Reason, State};
use longshore_telemetry::Histogram;

/// Queues that get meters of their own; the rest share one.
const QUEUES_MAX: usize = 200;

/// Kinds that get meters of their own; the rest share one.
const KINDS_MAX: usize = 200;

/// What this process did, by queue and by kind.
#[derive(Default)]
pub struct Meters {
    queues: RwLock<HashMap<QueueName, Arc<QueueMeters>>>,
    kinds: RwLock<HashMap<KindName, Arc<KindMeters>>>,
    other_kinds: Arc<KindMeters>,
}

/// What handlers of this process did with the jobs of one kind.
#[derive(Default)]
pub struct KindMeters {
    /// Attempts that completed their job.
    pub completed: AtomicU64,
    /// Attempts after which their job failed for good.
    pub failed: AtomicU64,
    /// Attempts that ended because their job was cancelled.
    pub cancelled: AtomicU64,
    /// From start to end of an attempt.
    pub run: Histogram,
    retried: [AtomicU64; RETRIED.len()],
}

/// Why another attempt follows.
const RETRIED: [Reason; 3] = [Reason::Error, Reason::Panic, Reason::Timeout];

impl KindMeters {
    /// Attempts that failed and are followed by another, by why.
    pub fn retried(&self) -> impl Iterator<Item = (Reason, u64)> {
        RETRIED.into_iter().zip(self.retried.iter().map(|meter| meter.load(Ordering::Relaxed)))
    }

    /// Counts an attempt that ran, whose job is now in this state.
    pub(crate) fn ran(&self, took: Duration, state: State, retried: Option<Reason>) {
        self.run.record(took);
        match state {
            State::Completed => count(&self.completed),
            State::Failed => count(&self.failed),
            State::Cancelled => count(&self.cancelled),
            State::Blocked | State::Scheduled | State::Ready | State::Running => {}
        }
        let place = retried.and_then(|reason| RETRIED.iter().position(|other| *other == reason));
        if let Some(meter) = place.filter(|_| state == State::Scheduled).map(|place| &self.retried[place]) {
            count(meter);
        }
    }
}

/// What this process did for one queue.
#[derive(Default)]
pub struct QueueMeters {
    /// Jobs inserted by callers here.
    pub inserted: AtomicU64,
    /// Attempts started.
    pub started: AtomicU64,
    /// Jobs that completed here.
    pub completed: AtomicU64,
    /// Jobs that failed for good, in an attempt or because a keeper or an operator here ended them.
    pub failed: AtomicU64,
    /// Jobs that were cancelled, likewise.
    pub cancelled: AtomicU64,
    /// Attempts that failed and will be followed by another.
    pub retried: AtomicU64,
    /// Attempts given back: snoozed or handed back.
    pub returned: AtomicU64,
    /// Ends that came too late for their lease.
    pub refused: AtomicU64,
    /// From insert (or due time) to the start of the first attempt.
    pub wait: Histogram,
    /// From start to end of an attempt.
    pub run: Histogram,
    /// From insert to the end of a job.
    pub duration: Histogram,
}

impl QueueMeters {
    /// Counts a job that ended without an attempt: expired, stalled, cancelled while it waited, or by its parents.
    pub(crate) fn ended(&self, state: State, took: Duration) {
        match state {
            State::Completed => count(&self.completed),
            State::Failed => count(&self.failed),
            _ => count(&self.cancelled),
        }
        self.duration.record(took);
    }
}

impl Meters {
    /// The meters of a queue.
    pub fn queue(&self, name: &QueueName) -> Arc<QueueMeters> {
        if let Some(meters) = self.queues.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return meters.clone();
        }
        let mut queues = self.queues.write().unwrap_or_else(PoisonError::into_inner);
        let name = if queues.len() < QUEUES_MAX { name.clone() } else { Self::others() };
        queues.entry(name).or_default().clone()
    }

    /// The meters of a kind.
    pub(crate) fn kind(&self, name: &KindName) -> Arc<KindMeters> {
        if let Some(meters) = self.kinds.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return meters.clone();
        }
        let mut kinds = self.kinds.write().unwrap_or_else(PoisonError::into_inner);
        if kinds.len() >= KINDS_MAX {
            return self.other_kinds.clone();
        }
        kinds.entry(name.clone()).or_default().clone()
    }

    /// All kinds of which something ran, sorted; those beyond the first two hundred together.
    pub fn kinds(&self) -> Vec<(String, Arc<KindMeters>)> {
        let kinds = self.kinds.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = kinds.iter().map(|(name, meters)| (name.to_string(), meters.clone())).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all.extend((kinds.len() >= KINDS_MAX).then(|| ("(others)".to_owned(), self.other_kinds.clone())));
        all
    }

    /// The name under which queues are counted that get no place of their own.
    pub(crate) fn others() -> QueueName {
        QueueName::new("(others)").unwrap_or_default()
    }

    /// All of them, sorted by queue.
    pub fn all(&self) -> Vec<(QueueName, Arc<QueueMeters>)> {
        let queues = self.queues.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = queues.iter().map(|(name, meters)| (name.clone(), meters.clone())).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }
}

pub(crate) fn count(meter: &AtomicU64) {
    meter.fetch_add(1, Ordering::Relaxed);
}
