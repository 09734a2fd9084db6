//! Threads for work that must not block the async runtime.
//!
//! [`CpuPool`] has threads of its own, a bounded line in front of them, and turns a panic into an error.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};

type Work = Box<dyn FnOnce() + Send>;

/// Why a piece of work gave no value.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PoolError {
    /// It panicked; the pool goes on.
    #[error("the work panicked: {0}")]
    Panicked(String),
    /// The line in front of the pool is full. Try again later.
    #[error("the pool is full: {waiting} pieces of work wait (limit {limit})")]
    Full {
        /// Pieces of work that wait.
        waiting: usize,
        /// How many may.
        limit: usize,
    },
    /// The operating system gave no thread.
    #[error("cannot start a thread: {0}")]
    NoThread(String),
    /// The pool has shut down.
    #[error("the pool has shut down")]
    Closed,
}

/// How to build a pool.
#[derive(Clone, Debug)]
pub struct CpuPoolConfig {
    /// Threads, at least 1.
    pub threads: usize,
    /// Pieces of work that may wait; further ones are refused.
    pub waiting_max: usize,
    /// Stack of each thread, in bytes.
    pub stack_bytes: usize,
    /// Name of the threads.
    pub name: String,
}

impl Default for CpuPoolConfig {
    /// One thread per core, 1024 waiting, 2 MiB of stack.
    fn default() -> Self {
        Self { threads: cores(), waiting_max: 1_024, stack_bytes: 2 << 20, name: "cpu".to_owned() }
    }
}

/// Cores that this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// A fixed number of threads for CPU-bound work. Cheap to clone; the threads end when the last clone goes.
#[derive(Clone)]
pub struct CpuPool {
    work: mpsc::Sender<Work>,
    meters: Arc<Meters>,
    waiting_max: usize,
}

#[derive(Default)]
struct Meters {
    busy: AtomicUsize,
}

impl CpuPool {
    /// Starts the threads.
    pub fn start(config: &CpuPoolConfig) -> Result<Self, PoolError> {
        let (work, line) = mpsc::channel::<Work>(config.waiting_max.max(1));
        let line = Arc::new(Mutex::new(line));
        for index in 0..config.threads.max(1) {
            let line = line.clone();
            let serve = move || {
                loop {
                    let next = line.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
                    match next {
                        Some(work) => work(),
                        None => return,
                    }
                }
            };
            let thread = std::thread::Builder::new()
                .name(format!("{}-{index}", config.name))
                .stack_size(config.stack_bytes);
            thread.spawn(serve).map_err(|error| PoolError::NoThread(error.to_string()))?;
        }
        Ok(Self { work, meters: Arc::default(), waiting_max: config.waiting_max.max(1) })
    }

    /// Runs `work` on a thread of the pool. Dropping the future does not stop work that has begun.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PoolError> {
        let (reply, answer) = oneshot::channel();
        let meters = self.meters.clone();
        let work: Work = Box::new(move || {
            // Nobody waits any more: the work was cancelled before it began.
            if reply.is_closed() {
                return;
            }
            meters.busy.fetch_add(1, Ordering::Relaxed);
            let done = catch_unwind(AssertUnwindSafe(work))
                .map_err(|panic| PoolError::Panicked(panic_text(&*panic)));
            meters.busy.fetch_sub(1, Ordering::Relaxed);
            let _ = reply.send(done);
        });
        match self.work.try_send(work) {
            Ok(()) => answer.await.map_err(|_| PoolError::Closed)?,
            Err(mpsc::error::TrySendError::Full(_)) => {
                Err(PoolError::Full { waiting: self.waiting(), limit: self.waiting_max })
            }
            Err(mpsc::error::TrySendError::Closed(_)) => Err(PoolError::Closed),
        }
    }

    /// Threads at work now.
    pub fn busy(&self) -> usize {
        self.meters.busy.load(Ordering::Relaxed)
    }

    /// Pieces of work that wait for a thread.
    pub fn waiting(&self) -> usize {
        self.waiting_max - self.work.capacity()
    }
}

/// What a panic said.
pub fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("it gave no text").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc as blocking;

    fn pool(threads: usize, waiting_max: usize) -> CpuPool {
        CpuPool::start(&CpuPoolConfig { threads, waiting_max, ..CpuPoolConfig::default() }).unwrap()
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_the_pool_goes_on() {
        let pool = pool(1, 4);
        let panicked = pool.run(|| panic!("on purpose")).await;
        assert_eq!(panicked, Err::<(), _>(PoolError::Panicked("on purpose".to_owned())));
        assert_eq!(pool.run(|| 6 * 7).await, Ok(42));
    }

    #[tokio::test]
    async fn work_beyond_the_line_is_refused() {
        let pool = pool(1, 1);
        let (started, starts) = blocking::channel();
        let (release, gate) = blocking::channel::<()>();
        let first = tokio::spawn({
            let pool = pool.clone();
            async move {
                pool.run(move || {
                    started.send(()).unwrap();
                    gate.recv().unwrap();
                })
                .await
            }
        });
        tokio::task::yield_now().await;
        starts.recv().unwrap();
        assert_eq!(pool.busy(), 1);
        let second = tokio::spawn({
            let pool = pool.clone();
            async move { pool.run(|| ()).await }
        });
        tokio::task::yield_now().await;
        assert_eq!(pool.run(|| ()).await, Err(PoolError::Full { waiting: 1, limit: 1 }));
        release.send(()).unwrap();
        assert_eq!((first.await.unwrap(), second.await.unwrap()), (Ok(()), Ok(())));
    }
}
