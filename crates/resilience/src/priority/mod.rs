//! Tasks in the order of their priority, in this process.

mod handle;
mod worker;

use std::collections::BTreeMap;
use std::ops::Deref;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use longshore_clock::{Clock, Door};
use longshore_core::Invalid;
use serde::Serialize;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

pub use self::handle::TaskHandle;

use self::worker::Worker;
use crate::panics::{drop_each, drop_quietly, panic_text};

/// How many at once, and how many may wait.
#[derive(Clone, Debug)]
pub struct PriorityTaskQueueConfig {
    /// Tasks that run at once, at least 1 and at most 10 000.
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

/// Runs tasks: the lowest priority first, those of one priority in the order in which they came. Cheap to clone; with the
/// last clone it ends as if it were aborted.
#[derive(Clone)]
pub struct PriorityTaskQueue(Arc<Owner>);

/// What callers hold, and workers do not.
struct Owner(Arc<Shared>);

impl Deref for Owner {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let (waiting, workers) = {
            let mut line = self.line();
            (std::mem::take(&mut line.waiting), std::mem::take(&mut line.workers))
        };
        for worker in workers {
            worker.abort();
        }
        // What tasks leave behind may do anything as it is dropped, so not under the lock.
        drop_each(waiting.into_values());
    }
}

struct Shared {
    config: PriorityTaskQueueConfig,
    clock: Clock,
    line: Mutex<Line>,
    news: Notify,
    /// A task or a worker has ended, or the line is empty.
    rest: Notify,
}

#[derive(Default)]
struct Line {
    waiting: BTreeMap<(i64, u64), Task>,
    next: u64,
    /// Each tells whether a task in which it was left behind gave a value.
    workers: Vec<JoinHandle<bool>>,
    /// How many of them have not gone, and what ended with those that have.
    present: usize,
    lost: usize,
    /// Changes with every start and every stop that has happened.
    turn: u64,
    /// Stops under way in this turn, and whether one has happened and no start since.
    stops: usize,
    is_stopped: bool,
    metrics: PriorityMetrics,
}

/// A stop that is under way. Dropped while it drains, it has not happened.
struct Closing<'a> {
    shared: &'a Shared,
    turn: u64,
}

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        let mut line = self.shared.line();
        if line.turn == self.turn {
            line.stops -= 1;
        }
    }
}

/// Tasks that may run at once.
const WORKERS_MAX: usize = 10_000;
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
        if config.workers > WORKERS_MAX {
            let most = format!("at most {WORKERS_MAX}");
            return Err(Invalid::new("workers", most, config.workers));
        }
        let shared = Shared {
            config,
            clock: door.clock.clone(),
            line: Mutex::default(),
            news: Notify::new(),
            rest: Notify::new(),
        };
        Ok(Self(Arc::new(Owner(Arc::new(shared)))))
    }

    /// Starts the workers on the tokio runtime of the caller; nothing if they run. If their runtime is gone, what waits is run
    /// here.
    pub fn start(&self) {
        let (shared, count) = (&self.0.0, self.0.config.workers);
        let (workers, turn) = {
            let mut line = shared.line();
            if line.present > 0 {
                return;
            }
            line.turn += 1;
            (line.present, line.lost) = (count, 0);
            (line.stops, line.is_stopped) = (0, false);
            let turn = line.turn;
            let workers: Vec<_> = (0..count).map(|_| Worker::new(shared.clone(), turn)).collect();
            (workers, turn)
        };
        // A runtime that shuts down drops them at once, so not under the lock.
        let workers: Vec<_> = workers.into_iter().map(|worker| tokio::spawn(worker.work())).collect();
        let mut line = shared.line();
        if line.turn == turn {
            line.workers = workers;
            return;
        }
        drop(line);
        // Somebody has stopped it meanwhile, and could not end them.
        for worker in workers {
            worker.abort();
        }
    }

    /// Puts a task into the line; a lower priority runs first. Tasks may be put in before the start.
    pub fn enqueue<T, J, F>(&self, job: J, priority: i64) -> Result<TaskHandle<T>, EnqueueError<J>>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
        J: FnOnce() -> F + Send + 'static,
    {
        let (shared, mut line) = (&self.0.0, self.0.line());
        if line.stops > 0 || line.is_stopped {
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
                        ended.map_err(|panic| TaskError::Panicked(panic_text(panic))),
                };
                let done = match &ended {
                    Ok(_) => Done::Completed,
                    Err(TaskError::Panicked(_)) => Done::Panicked,
                    Err(_) => Done::Cancelled,
                };
                // Nobody may wait for it any more.
                drop_quietly(reply.send(ended));
                done
            })
        });
        let place = (priority, line.next);
        line.next += 1;
        line.waiting.insert(place, task);
        drop(line);
        shared.news.notify_one();
        let (is_cancelled, queue) = (AtomicBool::new(false), Arc::downgrade(shared));
        Ok(TaskHandle { value, cancel, is_cancelled, place, queue })
    }

    /// Stops: takes nothing more, and lets those that wait run first or not. After `deadline` it ends what is left in
    /// any case. Returns how many had given no value by then. Of two stops at once the one that ends first counts them.
    /// Dropped while it drains, it has not happened.
    pub async fn stop(&self, mode: StopMode, deadline: Duration) -> usize {
        let shared = &**self.0;
        let turn = {
            let mut line = shared.line();
            line.stops += 1;
            line.turn
        };
        let _closing = Closing { shared, turn };
        let over = shared.clock.after(deadline);
        if mode == StopMode::Drain {
            tokio::select! {
                biased;
                () = shared.drained(turn) => {}
                () = over.wait() => {}
            }
        }
        let (waiting, workers, running) = {
            let mut line = shared.line();
            if line.turn != turn {
                // Somebody else has stopped it.
                return 0;
            }
            line.turn += 1;
            (line.stops, line.is_stopped, line.present) = (0, true, 0);
            let (running, lost) = (std::mem::take(&mut line.metrics.running), std::mem::take(&mut line.lost));
            let waiting = std::mem::take(&mut line.waiting);
            line.metrics.cancelled += (waiting.len() + running) as u64;
            (waiting, std::mem::take(&mut line.workers), running + lost)
        };
        for worker in &workers {
            worker.abort();
        }
        let mut ended = waiting.len() + running;
        drop_each(waiting.into_values());
        // Others that stop it as well have nothing to wait for any more.
        shared.rest.notify_waiters();
        let mut workers: FuturesUnordered<_> = workers.into_iter().collect();
        let gone = async {
            while let Some(worker) = workers.next().await {
                ended -= usize::from(worker.unwrap_or_default());
            }
        };
        // A task that never awaits hears nothing; it is left behind.
        let patience = over.sooner(shared.clock.after(LET_GO));
        tokio::select! {
            biased;
            () = gone => {}
            () = patience.wait() => {}
        }
        ended
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

    async fn drained(&self, turn: u64) {
        loop {
            let rest = self.rest.notified();
            {
                let line = self.line();
                // Without workers nothing will ever run.
                if line.turn != turn
                    || line.present == 0
                    || (line.waiting.is_empty() && line.metrics.running == 0)
                {
                    return;
                }
            }
            rest.await;
        }
    }
}
