//! From many producers to one consumer, in batches, without losing anything silently.

mod config;
mod consumer;
mod jsonl;
mod line;
mod metrics;
#[cfg(feature = "sqlite")]
mod sqlite;
mod writer;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use longshore_clock::Door;
use longshore_core::Invalid;
use tokio::task::JoinHandle;

pub use self::config::{OnBatchFailure, PipelineConfig};
pub use self::consumer::{BatchSink, BoxError, DeadBatch};
pub use self::jsonl::{JsonlSink, JsonlWriter, JsonlWriterConfig};
pub use self::line::{PutError, PutManyReport};
pub use self::metrics::{PipelineEvent, PipelineMetrics};
#[cfg(feature = "sqlite")]
pub use self::sqlite::{SqliteSink, SqliteWriter, SqliteWriterConfig};
pub use self::writer::{BatchedWriter, BatchedWriterConfig, FlushReport};

use self::consumer::{Consumer, Ended, Left, Run};
use self::line::{Line, Phase};
use self::metrics::Meters;
use crate::events::heard;

/// What is left after a stop.
#[derive(Debug)]
pub struct StopReport<T> {
    /// What was taken and not processed, in its order.
    pub returned: Vec<T>,
    /// Why the consumer had stopped by itself, if it had.
    pub error: Option<String>,
}

/// Takes items from many producers, and hands them to one consumer in batches. Every item that was taken is processed,
/// or told of as dead, or handed back by the stop. Cheap to clone.
///
/// In numbers, always: accepted = processed + dead letters + returned + in the queue + in the batch.
pub struct ProducerConsumerPipeline<T, S>(Arc<Shared<T, S>>);

impl<T, S> Clone for ProducerConsumerPipeline<T, S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

struct Shared<T, S> {
    config: PipelineConfig,
    door: Door,
    meters: Arc<Meters>,
    seat: Mutex<Seat<T, S>>,
}

impl<T, S> Drop for Shared<T, S> {
    // Nobody can hand in more or stop it: what was taken is processed, and the consumer ends.
    fn drop(&mut self) {
        if let Seat::Running { line, .. } = &*self.seat.lock().unwrap_or_else(PoisonError::into_inner) {
            line.close(Phase::Drain);
        }
    }
}

/// Collects what a pipeline needs beside its configuration.
pub struct PipelineBuilder<T, S> {
    config: PipelineConfig,
    consumer: Consumer<T, S>,
}

impl<T: Send + Sync + 'static, S: BatchSink<T>> PipelineBuilder<T, S> {
    /// Who is told of batches that could not be processed, and gets their items.
    #[must_use]
    pub fn on_error(mut self, on_error: impl FnMut(DeadBatch<T>) + Send + 'static) -> Self {
        self.consumer.on_error = Some(Box::new(on_error));
        self
    }

    /// The size of an item in bytes, for `batch_bytes`.
    #[must_use]
    pub fn size(mut self, size: fn(&T) -> usize) -> Self {
        self.consumer.size = Some(size);
        self
    }

    /// The pipeline; it is not started. Refuses sizes and times of zero.
    pub fn build(self, door: &Door) -> Result<ProducerConsumerPipeline<T, S>, Invalid> {
        let Self { config, consumer } = self;
        config.check(consumer.on_error.is_some(), consumer.size.is_some())?;
        Ok(ProducerConsumerPipeline(Arc::new(Shared {
            config,
            door: door.clone(),
            meters: Arc::default(),
            seat: Mutex::new(Seat::Idle(consumer)),
        })))
    }
}

/// Where the consumer is.
enum Seat<T, S> {
    Idle(Consumer<T, S>),
    /// Also while it is being stopped: several may do that, and any of them may give up.
    Running {
        line: Arc<Line<T>>,
        left: Left<T, S>,
        task: Task,
    },
    /// For the moment of a start.
    Empty,
}

/// The consumer at work; none once a stop has what it left.
type Task = Arc<tokio::sync::Mutex<Option<JoinHandle<()>>>>;

impl<T: Send + Sync + 'static, S: BatchSink<T>> ProducerConsumerPipeline<T, S> {
    /// Refuses sizes and times of zero.
    pub fn new(config: PipelineConfig, sink: S, door: &Door) -> Result<Self, Invalid> {
        Self::builder(config, sink).build(door)
    }

    /// With what only some pipelines need.
    pub fn builder(config: PipelineConfig, sink: S) -> PipelineBuilder<T, S> {
        PipelineBuilder { config, consumer: Consumer { sink, on_error: None, size: None } }
    }

    fn seat(&self) -> MutexGuard<'_, Seat<T, S>> {
        self.0.seat.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the consumer on the tokio runtime of the caller; nothing if it runs.
    pub fn start(&self) {
        let mut seat = self.seat();
        match std::mem::replace(&mut *seat, Seat::Empty) {
            Seat::Idle(consumer) => {
                let shared = &self.0;
                let (clock, meters) = (shared.door.clock.clone(), shared.meters.clone());
                let line = Arc::new(Line::new(&shared.config, consumer.size, clock, meters));
                let (left, task) = (Left::default(), Task::default());
                let run = Run::new(consumer, line.clone(), left.clone());
                // A stop waits for the rest of the start.
                let starting = task.clone().try_lock_owned();
                *seat = Seat::Running { line, left, task };
                // Without a runtime it goes no further, and one that shuts down drops the run at once; it leaves what it
                // has, and tells of its end those who may look at the pipeline.
                drop(seat);
                let work = tokio::spawn(run.work(shared.config.clone(), shared.door.clone()));
                if let Ok(mut task) = starting {
                    *task = Some(work);
                }
            }
            other => *seat = other,
        }
    }

    fn line(&self) -> Option<Arc<Line<T>>> {
        match &*self.seat() {
            Seat::Running { line, .. } => Some(line.clone()),
            Seat::Idle(_) | Seat::Empty => None,
        }
    }

    /// Hands in an item, and waits for room. Given up while it waits, it takes the item along.
    pub async fn put(&self, item: T) -> Result<(), PutError<T>> {
        self.put_within(item, None).await
    }

    /// Hands in an item, and waits at most so long for room.
    pub async fn put_timeout(&self, item: T, timeout: Duration) -> Result<(), PutError<T>> {
        self.put_within(item, Some(timeout)).await
    }

    async fn put_within(&self, item: T, timeout: Option<Duration>) -> Result<(), PutError<T>> {
        match self.line() {
            Some(line) => line.put(item, timeout).await,
            None => Err(PutError::Shutdown { item }),
        }
    }

    /// Hands in several items, in their order, until one is not taken. Given up, it takes along what has not been handed in;
    /// whoever may have to give up hands them in one by one.
    pub async fn put_many(&self, items: Vec<T>) -> PutManyReport<T> {
        let mut items = items.into_iter();
        let mut accepted = 0;
        while let Some(item) = items.next() {
            if let Err(error) = self.put(item).await {
                let is_full = matches!(error, PutError::Full { .. });
                let rest = std::iter::once(error.into_item()).chain(items).collect();
                return PutManyReport { accepted, rest, is_full };
            }
            accepted += 1;
        }
        PutManyReport { accepted, rest: Vec::new(), is_full: false }
    }

    /// Waits until everything that was taken before is processed, or could not be.
    pub async fn flush(&self) -> FlushReport {
        match self.line() {
            Some(line) => line.flush().await,
            None => FlushReport::default(),
        }
    }

    /// Stops taking items. With `drain` what was taken is processed first; without, it is handed back, and so is what
    /// is being processed: that may have happened.
    ///
    /// One that is given up may be repeated, also with less patience.
    pub async fn stop(&self, drain: bool) -> StopReport<T> {
        let nothing = StopReport { returned: Vec::new(), error: None };
        let (line, left, task) = match &*self.seat() {
            Seat::Running { line, left, task } => (line.clone(), left.clone(), task.clone()),
            Seat::Idle(_) | Seat::Empty => return nothing,
        };
        line.close(if drain { Phase::Drain } else { Phase::Cancel });
        let mut task = task.lock().await;
        if let Some(running) = task.as_mut() {
            // Ended, or gone with its runtime: either way it has left what it had.
            let _ = running.await;
            *task = None;
        }
        let ended = left.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Ended { consumer, returned, error }) = ended else { return nothing };
        *self.seat() = Seat::Idle(consumer);
        StopReport { returned, error }
    }

    /// Whether it takes items.
    pub fn is_running(&self) -> bool {
        self.line().is_some_and(|line| line.is_open())
    }

    /// Items that wait.
    pub fn queue_size(&self) -> usize {
        self.line().map_or(0, |line| line.len())
    }

    /// How many may wait.
    pub fn max_queue_size(&self) -> usize {
        self.0.config.max_queue_size
    }

    heard!(PipelineEvent, 0.meters.audience);

    /// What it has seen since it was made.
    pub fn get_metrics(&self) -> PipelineMetrics {
        self.0.meters.read(self.queue_size())
    }
}
