//! The performance lab. Knows stores only as engines that somebody hands in.

pub mod cpu;
pub mod features;
pub mod queue;
mod statistics;

pub use statistics::{Rates, Spread, median};

use longshore_core::limits::ENDED_JOBS_MAX;
use longshore_core::{QueueChange, QueueName, RetentionChange, StoreResult};
use longshore_runtime::Engine;

/// Lets a queue keep all that ends in it, because the records are counted.
async fn keep_all(engine: &Engine, queue: &QueueName) -> StoreResult<()> {
    let retention = RetentionChange { most: Some(ENDED_JOBS_MAX), ..RetentionChange::default() };
    let change = QueueChange { retention, ..QueueChange::default() };
    engine.control().set_queue(queue, change).await.map(drop)
}
