//! Tasks in the order of their priority, in this process.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use longshore_clock::{Clock, Door};
use longshore_core::Invalid;
use serde::Serialize;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

use crate::panics::panic_text;

/// How many at once, and how many may wait.
#[derive(Clone, Debug)]
pub struct PriorityTaskQueueConfig {
    /// Tasks that run at once, at least 1.
    pub workers: usize,
    /// Tasks that may wait; further ones are given back.
    pub max_queue_size: usize,
}

impl Default for PriorityTaskQueueConfig {
    fn default() -> Self {
        Self { workers: 1, max_queue_size: 10_000 }
    }
}

/// A task that was not taken, with the task.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum EnqueueError<J> {
    /// As many wait as may.
    #[error("{limit} tasks wait already (max_queue_size)")]
    Full {
        /// What was not taken.
        item: J,
        /// How many may wait.
        limit: usize,
    },
    /// The queue does not run.
    #[error("the queue does not run")]
    Stopped {
        /// What was not taken.
        item: J,
    },
}

impl<J> std::fmt::Debug for EnqueueError<J> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// Why a task gave no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TaskError {
    /// It panicked; the queue goes on.
    #[error("the task panicked: {0}")]
    Panicked(String),
    /// Its handle has cancelled it.
    #[error("the task was cancelled")]
    Cancelled,
    /// The queue was stopped before it ended.
    #[error("the queue was stopped")]
    Stopped,
}

/// What becomes of the tasks that wait when a queue stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopMode {
    /// They run first.
    Drain,
    /// They end as stopped, and so do those that run.
    Abort,
}

/// What a queue has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PriorityMetrics {
    /// Tasks that wait.
    pub waiting: usize,
    /// Tasks that run.
    pub running: usize,
    /// Tasks that gave a value.
    pub completed: u64,
    /// Tasks that panicked.
    pub panicked: u64,
    /// Tasks that were cancelled, or stopped before they ended.
    pub cancelled: u64,
}

type Run = Pin<Box<dyn Future<Output = Done> + Send>>;

#[derive(Clone, Copy)]
enum Done {
    Completed,
    Panicked,
    Cancelled,
}

/// A task in the line: begun by being called.
type Task = Box<dyn FnOnce() -> Run + Send>;

/// Runs tasks: the lowest priority first, those of one priority in the order in which they came. Cheap to clone.
#[derive(Clone)]
pub struct PriorityTaskQueue(Arc<Shared>);

struct Shared {
    config: PriorityTaskQueueConfig,
    clock: Clock,
    line: Mutex<Line>,
    news: Notify,
    /// Something has ended, or the line is empty.
    rest: Notify,
    closing: AtomicBool,
}

#[derive(Default)]
struct Line {
    waiting: BTreeMap<(i64, u64), Task>,
    next: u64,
    workers: Vec<JoinHandle<()>>,
    metrics: PriorityMetrics,
}

/// Waits for the value of a task, and may cancel it. Dropped, it lets the task go on.
pub struct TaskHandle<T> {
    value: oneshot::Receiver<Result<T, TaskError>>,
    cancel: Arc<Notify>,
}

impl<T> TaskHandle<T> {
    /// What the task gives.
    pub async fn result(self) -> Result<T, TaskError> {
        self.value.await.unwrap_or(Err(TaskError::Stopped))
    }

    /// Ends it: at its next await if it runs, and otherwise when its turn comes.
    pub fn cancel(&self) {
        self.cancel.notify_one();
    }
}

/// How long an aborted task has to end.
const LET_GO: Duration = Duration::from_secs(1);

impl PriorityTaskQueue {
    /// Refuses zero workers.
    pub fn new(config: PriorityTaskQueueConfig, door: &Door) -> Result<Self, Invalid> {
        for (field, count) in [("workers", config.workers), ("max_queue_size", config.max_queue_size)] {
            if count == 0 {
                return Err(Invalid::new(field, "a whole number above 0", 0));
            }
        }
        Ok(Self(Arc::new(Shared {
            config,
            clock: door.clock.clone(),
            line: Mutex::default(),
            news: Notify::new(),
            rest: Notify::new(),
            closing: AtomicBool::new(false),
        })))
    }

    /// Starts the workers on the tokio runtime of the caller; nothing if they run.
    pub fn start(&self) {
        let mut line = self.0.line();
        if line.workers.is_empty() {
            self.0.closing.store(false, Ordering::Release);
            line.workers = (0..self.0.config.workers).map(|_| tokio::spawn(work(self.0.clone()))).collect();
        }
    }

    /// Puts a task into the line; a lower priority runs first. Tasks may be put in before the start.
    pub fn enqueue<T, J, F>(&self, job: J, priority: i64) -> Result<TaskHandle<T>, EnqueueError<J>>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
        J: FnOnce() -> F + Send + 'static,
    {
        let (shared, mut line) = (&*self.0, self.0.line());
        if shared.closing.load(Ordering::Acquire) {
            return Err(EnqueueError::Stopped { item: job });
        }
        let limit = shared.config.max_queue_size;
        if line.waiting.len() >= limit {
            return Err(EnqueueError::Full { item: job, limit });
        }
        let (reply, value) = oneshot::channel();
        let cancel = Arc::new(Notify::new());
        let cancelled = cancel.clone();
        let task: Task = Box::new(move || {
            Box::pin(async move {
                // A cancellation from before it began is heard as well.
                let ended = tokio::select! {
                    biased;
                    () = cancelled.notified() => Err(TaskError::Cancelled),
                    ended = AssertUnwindSafe(async { job().await }).catch_unwind() =>
                        ended.map_err(|panic| TaskError::Panicked(panic_text(&*panic))),
                };
                let done = match &ended {
                    Ok(_) => Done::Completed,
                    Err(TaskError::Panicked(_)) => Done::Panicked,
                    Err(_) => Done::Cancelled,
                };
                let _ = reply.send(ended);
                done
            })
        });
        let place = (priority, line.next);
        line.next += 1;
        line.waiting.insert(place, task);
        drop(line);
        shared.news.notify_one();
        Ok(TaskHandle { value, cancel })
    }

    /// Stops: takes nothing more, and lets those that wait run first or not. After `deadline` it ends what is left in
    /// any case. Returns how many were ended without a value.
    pub async fn stop(&self, mode: StopMode, deadline: Duration) -> usize {
        let shared = &*self.0;
        shared.closing.store(true, Ordering::Release);
        let over = shared.clock.after(deadline);
        if mode == StopMode::Drain {
            tokio::select! {
                biased;
                () = shared.drained() => {}
                () = over.wait() => {}
            }
        }
        let (waiting, workers, running) = {
            let mut line = shared.line();
            let running = std::mem::take(&mut line.metrics.running);
            let waiting = std::mem::take(&mut line.waiting);
            line.metrics.cancelled += (waiting.len() + running) as u64;
            (waiting, std::mem::take(&mut line.workers), running)
        };
        for worker in &workers {
            worker.abort();
        }
        // Others that stop it as well have nothing to wait for any more.
        shared.rest.notify_waiters();
        let gone = async {
            for worker in workers {
                // Aborted or ended: either way it is gone.
                let _ = worker.await;
            }
        };
        // A task that never awaits hears nothing; it is left behind.
        let patience = over.sooner(shared.clock.after(LET_GO));
        tokio::select! {
            biased;
            () = gone => {}
            () = patience.wait() => {}
        }
        waiting.len() + running
    }

    /// What it has seen so far.
    pub fn get_metrics(&self) -> PriorityMetrics {
        let line = self.0.line();
        PriorityMetrics { waiting: line.waiting.len(), ..line.metrics }
    }
}

impl Shared {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn drained(&self) {
        loop {
            let rest = self.rest.notified();
            {
                let line = self.line();
                // Without workers nothing will ever run.
                if line.workers.is_empty() || (line.waiting.is_empty() && line.metrics.running == 0) {
                    return;
                }
            }
            rest.await;
        }
    }
}

async fn work(shared: Arc<Shared>) {
    loop {
        let next = {
            let mut line = shared.line();
            let next = line.waiting.pop_first();
            line.metrics.running += usize::from(next.is_some());
            if !line.waiting.is_empty() {
                // There is more for another worker.
                shared.news.notify_one();
            }
            next
        };
        let Some((_, task)) = next else {
            shared.news.notified().await;
            continue;
        };
        let done = task().await;
        {
            let mut line = shared.line();
            // A stop has counted it already if it has taken the worker away.
            line.metrics.running = line.metrics.running.saturating_sub(1);
            match done {
                Done::Completed => line.metrics.completed += 1,
                Done::Panicked => line.metrics.panicked += 1,
                Done::Cancelled => line.metrics.cancelled += 1,
            }
        }
        shared.rest.notify_waiters();
    }
}
