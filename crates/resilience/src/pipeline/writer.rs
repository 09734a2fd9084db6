use std::time::Duration;

use longshore_clock::Door;
use longshore_core::Invalid;

use super::{
    BatchSink, DeadBatch, PipelineConfig, PipelineEvent, PipelineMetrics, ProducerConsumerPipeline, PutError,
    PutManyReport, StopReport,
};
use crate::events::heard;

/// How much is written at once, and how long it may wait.
#[derive(Clone, Copy, Debug)]
pub struct BatchedWriterConfig {
    /// Items that are written at once, at most.
    pub batch_size: usize,
    /// How long an item waits for others.
    pub flush_interval: Duration,
    /// Items that may wait.
    pub max_queue_size: usize,
}

impl Default for BatchedWriterConfig {
    fn default() -> Self {
        Self { batch_size: 100, flush_interval: Duration::from_secs(5), max_queue_size: 1_000 }
    }
}

/// What a flush found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlushReport {
    /// Items that were written while it waited.
    pub written: u64,
    /// Items that could not be, and were told of as dead.
    pub failed: u64,
    /// Items that it waited for and that are neither: the writer has stopped.
    pub left: u64,
}

/// A [`ProducerConsumerPipeline`] that writes. Cheap to clone.
pub struct BatchedWriter<T, S>(pub(crate) ProducerConsumerPipeline<T, S>);

impl<T, S> Clone for BatchedWriter<T, S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Send + Sync + 'static, S: BatchSink<T>> BatchedWriter<T, S> {
    /// Refuses sizes and times of zero. A write that fails stops the writer; the stop hands back what was not written.
    pub fn new(config: &BatchedWriterConfig, sink: S, door: &Door) -> Result<Self, Invalid> {
        ProducerConsumerPipeline::new(pipeline(config)?, sink, door).map(Self)
    }

    /// A writer that goes on after a write that failed: `on_error` gets what could not be written.
    pub fn with_dead_letters(
        config: &BatchedWriterConfig,
        sink: S,
        on_error: impl FnMut(DeadBatch<T>) + Send + 'static,
        door: &Door,
    ) -> Result<Self, Invalid> {
        ProducerConsumerPipeline::builder(pipeline(config)?, sink).on_error(on_error).build(door).map(Self)
    }

    /// Starts to write, on the tokio runtime of the caller.
    pub fn start(&self) {
        self.0.start();
    }

    /// Hands in an item, and waits for room.
    pub async fn write(&self, item: T) -> Result<(), PutError<T>> {
        self.0.put(item).await
    }

    /// Hands in several items.
    pub async fn write_many(&self, items: Vec<T>) -> PutManyReport<T> {
        self.0.put_many(items).await
    }

    /// Writes at once, and waits until everything that was handed in before is written or could not be.
    pub async fn flush(&self) -> FlushReport {
        self.0.flush().await
    }

    /// Writes what is there and stops.
    pub async fn stop(&self) -> StopReport<T> {
        self.0.stop(true).await
    }

    heard!(PipelineEvent, 0.0.meters.audience);

    /// What it has seen.
    pub fn get_metrics(&self) -> PipelineMetrics {
        self.0.get_metrics()
    }
}

/// The same, in the words of the writers that have a buffer.
pub(super) fn buffered(buffer_size: usize, flush_interval: Duration) -> Result<BatchedWriterConfig, Invalid> {
    if buffer_size == 0 {
        return Err(Invalid::new("buffer_size", "a whole number above 0", 0));
    }
    Ok(BatchedWriterConfig { batch_size: buffer_size, flush_interval, ..BatchedWriterConfig::default() })
}

fn pipeline(config: &BatchedWriterConfig) -> Result<PipelineConfig, Invalid> {
    if config.flush_interval.is_zero() {
        return Err(Invalid::new("flush_interval", "a duration above zero", "0"));
    }
    longshore_core::check_duration("flush_interval", config.flush_interval)?;
    Ok(PipelineConfig {
        max_queue_size: config.max_queue_size,
        batch_size: config.batch_size,
        batch_timeout: config.flush_interval,
        ..PipelineConfig::default()
    })
}
