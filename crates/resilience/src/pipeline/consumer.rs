use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use longshore_clock::{Deadline, Door};
use tokio::sync::watch;

use super::line::{Line, Phase};
use super::metrics::{PipelineEvent, add};
use super::{OnBatchFailure, PipelineConfig};
use crate::Retry;
use crate::panics::{drop_each, panic_text};

/// Any error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Processes batches, one at a time. An error means that nothing of the batch was processed, as far as anybody knows.
pub trait BatchSink<T>: Send + 'static {
    /// Processes a batch; the items stay with the pipeline until it is done.
    fn write(&mut self, batch: &[T]) -> impl Future<Output = Result<(), BoxError>> + Send;
}

/// A plain function that does not wait.
impl<T: Sync, F: FnMut(&[T]) -> Result<(), BoxError> + Send + 'static> BatchSink<T> for F {
    async fn write(&mut self, batch: &[T]) -> Result<(), BoxError> {
        self(batch)
    }
}

/// A batch that could not be processed.
#[derive(Debug)]
pub struct DeadBatch<T> {
    /// Its items.
    pub items: Vec<T>,
    /// What went wrong last.
    pub error: String,
}

pub(super) struct Consumer<T, S> {
    pub(super) sink: S,
    pub(super) on_error: Option<Box<dyn FnMut(DeadBatch<T>) + Send>>,
    pub(super) size: Option<fn(&T) -> usize>,
}

/// What is left of a run.
pub(super) struct Ended<T, S> {
    pub(super) consumer: Consumer<T, S>,
    pub(super) returned: Vec<T>,
    pub(super) error: Option<String>,
}

/// Where a run leaves that, however it ends.
pub(super) type Left<T, S> = Arc<Mutex<Option<Ended<T, S>>>>;

/// A run, at work or not yet. Dropped, as when it has ended or its runtime goes down, it refuses what comes and leaves what it has.
pub(super) struct Run<T, S> {
    consumer: Option<Consumer<T, S>>,
    batch: Vec<T>,
    error: Option<String>,
    line: Arc<Line<T>>,
    left: Left<T, S>,
}

impl<T, S> Drop for Run<T, S> {
    fn drop(&mut self) {
        let Some(consumer) = self.consumer.take() else { return };
        let line = &self.line;
        // Whatever comes now is refused, and what is here is handed back.
        line.close(Phase::Cancel);
        line.meters.in_batch.fetch_sub(self.batch.len() as u64, Ordering::Relaxed);
        let mut returned = std::mem::take(&mut self.batch);
        returned.extend(line.take_all());
        add(&line.meters.returned, returned.len());
        line.end();
        if let Some(error) = &self.error {
            // Whoever has dropped the pipeline hears it nowhere else.
            tracing::warn!(error, returned = returned.len(), "a pipeline has stopped");
        }
        line.meters.audience.tell(|| PipelineEvent::Stopped {
            returned: returned.len(),
            error: self.error.as_deref().map(Arc::from),
        });
        let ended = Ended { consumer, returned, error: self.error.take() };
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = Some(ended);
    }
}

/// How a batch ended.
enum Fate {
    Processed,
    Failed(String),
    Cancelled,
}

impl<T, S> Run<T, S> {
    pub(super) fn new(consumer: Consumer<T, S>, line: Arc<Line<T>>, left: Left<T, S>) -> Self {
        let gone = "the runtime of the pipeline is gone".to_owned();
        Self { consumer: Some(consumer), batch: Vec::new(), error: Some(gone), line, left }
    }
}

impl<T: Send + Sync + 'static, S: BatchSink<T>> Run<T, S> {
    pub(super) async fn work(mut self, config: PipelineConfig, door: Door) {
        let line = self.line.clone();
        let run = &mut self;
        let mut phase = line.phase();
        let Some(is_heard) = run.consumer.as_ref().map(|own| own.on_error.is_some()) else { return };
        let usual = if is_heard { OnBatchFailure::DeadLetter } else { OnBatchFailure::Stop };
        let on_failure = config.on_batch_failure.unwrap_or(usual);
        while gather(&mut run.batch, &line, &mut phase, &config, &door).await {
            let Some(consumer) = &mut run.consumer else { return };
            let items = run.batch.len();
            match consumer.process(&run.batch, &line, &mut phase, &config, &door).await {
                Fate::Processed => {
                    drop_each(run.batch.drain(..));
                    add(&line.meters.processed, items);
                    add(&line.meters.batches, 1);
                    line.settle(items, 0);
                    line.meters.audience.tell(|| PipelineEvent::Processed { items });
                }
                Fate::Failed(why) if on_failure == OnBatchFailure::DeadLetter => {
                    let dead = DeadBatch { items: std::mem::take(&mut run.batch), error: why };
                    if let Some(on_error) = &mut consumer.on_error
                        && let Err(panic) = catch_unwind(AssertUnwindSafe(|| on_error(dead)))
                    {
                        let error = panic_text(panic);
                        tracing::error!(error, "who takes dead letters has panicked");
                    }
                    add(&line.meters.dead, items);
                    line.settle(0, items);
                    line.meters.audience.tell(|| PipelineEvent::Dead { items });
                }
                Fate::Failed(why) => {
                    run.error = Some(why);
                    return;
                }
                Fate::Cancelled => break,
            }
        }
        run.error = None;
    }
}

impl<T: Send + Sync + 'static, S: BatchSink<T>> Consumer<T, S> {
    async fn process(
        &mut self,
        batch: &[T],
        line: &Line<T>,
        phase: &mut watch::Receiver<Phase>,
        config: &PipelineConfig,
        door: &Door,
    ) -> Fate {
        let mut retry = Retry::new(config.retry_backoff.clone(), door.clone());
        loop {
            let began = door.clock.uptime();
            let cancelled = phase.wait_for(|phase| *phase == Phase::Cancel);
            // Also what it does before it waits for the first time may panic.
            let write = AssertUnwindSafe(async { self.sink.write(batch).await }).catch_unwind();
            let written = tokio::select! {
                biased;
                written = write => written,
                _ = cancelled => return Fate::Cancelled,
            };
            line.meters.worked(door.clock.uptime().saturating_sub(began));
            let why = match written {
                Ok(Ok(())) => return Fate::Processed,
                Ok(Err(error)) => error.to_string(),
                Err(panic) => format!("it panicked: {}", panic_text(panic)),
            };
            add(&line.meters.failed, batch.len());
            line.meters
                .audience
                .tell(|| PipelineEvent::Failed { items: batch.len(), error: why.as_str().into() });
            if retry.failures() >= config.retries {
                return Fate::Failed(why);
            }
            // A drain waits for no timer: the tries that are left are made at once.
            let hurry = tokio::select! {
                // First, so that it counts.
                biased;
                () = retry.wait() => Phase::Open,
                phase = phase.wait_for(|phase| *phase != Phase::Open) => phase.map_or(Phase::Cancel, |phase| *phase),
            };
            if hurry == Phase::Cancel {
                return Fate::Cancelled;
            }
        }
    }
}

/// Fills a batch; false if there is none any more.
async fn gather<T>(
    batch: &mut Vec<T>,
    line: &Line<T>,
    phase: &mut watch::Receiver<Phase>,
    config: &PipelineConfig,
    door: &Door,
) -> bool {
    let (mut bytes, mut over) = (0_usize, Deadline::NEVER);
    loop {
        // Heard from before the look, so that nothing falls between the two.
        let news = line.news.notified();
        let now = *phase.borrow_and_update();
        if now == Phase::Cancel {
            return false;
        }
        let most = config.batch_bytes.unwrap_or(usize::MAX);
        let mut is_full = false;
        while !is_full && batch.len() < config.batch_size {
            let fits = |size: usize| {
                is_full = !batch.is_empty() && size.saturating_add(bytes) > most;
                !is_full
            };
            let Some(next) = line.take(fits) else { break };
            if batch.is_empty() {
                // Also the time that it waited while the batch before was processed.
                let waited = door.clock.uptime().saturating_sub(next.came);
                over = door.clock.after(config.batch_timeout.saturating_sub(waited));
            }
            bytes = bytes.saturating_add(next.size);
            batch.push(next.item);
        }
        is_full |= batch.len() >= config.batch_size;
        if is_full || (!batch.is_empty() && (over.is_over() || line.is_asked_for())) {
            return true;
        }
        if now == Phase::Drain {
            return !batch.is_empty();
        }
        tokio::select! {
            () = news => {}
            () = over.wait() => {}
            _ = phase.changed() => {}
        }
    }
}
