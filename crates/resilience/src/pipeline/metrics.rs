use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use longshore_telemetry::{Histogram, Snapshot};
use serde::Serialize;

use crate::events::Audience;

/// What a pipeline has seen. A batch that failed counts nowhere as processed.
#[derive(Clone, Debug, Serialize)]
pub struct PipelineMetrics {
    /// Items that were taken.
    pub items_accepted: u64,
    /// Items that were processed.
    pub items_processed: u64,
    /// Batches that were processed.
    pub batches_processed: u64,
    /// Items that wait.
    pub items_in_queue: usize,
    /// Items that were taken from the queue and are neither processed nor given up.
    pub items_in_batch: u64,
    /// Items of a processed batch; 0 if there was none.
    pub avg_batch_size: f64,
    /// How long the consumer was at work, in milliseconds.
    pub processing_time_ms: f64,
    /// Items that were given back because there was no room.
    pub dropped_items: u64,
    /// Items of batches that failed, once for each try.
    pub failed_items: u64,
    /// Items that were told of as dead.
    pub dead_letters: u64,
    /// Items that a stop has handed back.
    pub returned_items: u64,
    /// How long producers waited for room.
    #[serde(skip)]
    pub put_wait: Snapshot,
}

/// Something that happened to a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PipelineEvent {
    /// A batch was processed.
    Processed {
        /// Its items.
        items: usize,
    },
    /// A try to process a batch failed.
    Failed {
        /// Its items.
        items: usize,
        /// What went wrong.
        error: Arc<str>,
    },
    /// A batch was told of as dead.
    Dead {
        /// Its items.
        items: usize,
    },
    /// An item was given back because there was no room.
    Dropped,
    /// The consumer has ended.
    Stopped {
        /// Items that are handed back.
        returned: usize,
        /// Why, if it ended by itself.
        error: Option<Arc<str>>,
    },
}

#[derive(Default)]
pub(super) struct Meters {
    pub(super) accepted: AtomicU64,
    pub(super) processed: AtomicU64,
    pub(super) batches: AtomicU64,
    pub(super) in_batch: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) dead: AtomicU64,
    pub(super) returned: AtomicU64,
    pub(super) busy_us: AtomicU64,
    pub(super) put_wait: Histogram,
    pub(super) audience: Audience<PipelineEvent>,
}

pub(super) fn add(count: &AtomicU64, more: usize) {
    count.fetch_add(more as u64, Ordering::Relaxed);
}

impl Meters {
    pub(super) fn worked(&self, time: Duration) {
        self.busy_us.fetch_add(time.as_micros() as u64, Ordering::Relaxed);
    }

    pub(super) fn read(&self, items_in_queue: usize) -> PipelineMetrics {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let (processed, batches) = (get(&self.processed), get(&self.batches));
        PipelineMetrics {
            items_accepted: get(&self.accepted),
            items_processed: processed,
            batches_processed: batches,
            items_in_queue,
            items_in_batch: get(&self.in_batch),
            avg_batch_size: if batches == 0 { 0.0 } else { processed as f64 / batches as f64 },
            processing_time_ms: get(&self.busy_us) as f64 / 1_000.0,
            dropped_items: get(&self.dropped),
            failed_items: get(&self.failed),
            dead_letters: get(&self.dead),
            returned_items: get(&self.returned),
            put_wait: self.put_wait.snapshot(),
        }
    }
}
