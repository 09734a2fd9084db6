use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use longshore_clock::{Clock, Deadline, Door};
use longshore_core::Invalid;
use longshore_resilience::{Advice, Fault, panic_text};
use longshore_telemetry::traces::Carried;
use longshore_telemetry::{Histogram, Metered, Samples, Snapshot};
use serde::Serialize;
use tokio::sync::oneshot;

use crate::line::{Line, Place, Unsent, Work};
use crate::{CpuToken, cores};

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
    /// It did not end in time. If it had begun, its thread was told, and is overdue until it has seen that.
    #[error("the work did not end within its deadline of {}s", .0.as_secs_f64())]
    DeadlineExceeded(
        /// The deadline, counted from the call.
        Duration,
    ),
    /// The operating system gave no thread.
    #[error("cannot start a thread: {0}")]
    NoThread(String),
    /// A figure of the configuration, or of the environment, makes no sense.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The pool has shut down.
    #[error("the pool has shut down")]
    Closed,
}

/// A panic is a failure of the work, and so is one that takes too long; all else says that it was not begun.
impl Fault for PoolError {
    fn advice(&self) -> Advice {
        Advice::Pass
    }

    fn is_local(&self) -> bool {
        !matches!(self, Self::Panicked(_) | Self::DeadlineExceeded(_))
    }

    fn is_unsent(&self) -> bool {
        self.is_local()
    }
}

/// What happens to work while the line is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum WhenFull {
    /// It is refused.
    #[default]
    Refuse,
    /// It waits for room, until its deadline if it has one.
    Wait,
}

/// How to build a pool.
#[derive(Clone, Debug)]
pub struct CpuPoolConfig {
    /// Threads, at least 1.
    pub threads: usize,
    /// Pieces of work that may wait.
    pub waiting_max: usize,
    /// What happens to further ones.
    pub when_full: WhenFull,
    /// The longest time from the call to the value; `None` for as long as it takes.
    pub deadline: Option<Duration>,
    /// Stack of each thread, in bytes.
    pub stack_bytes: usize,
    /// Name of the threads.
    pub name: String,
    /// On Linux: how much the threads give way to others, 0 to 19, so that the runtime is served first while all of them are
    /// busy.
    pub nice: u8,
}

/// How much threads give way unless it is said.
const NICE: u8 = 5;
/// How much they may.
const NICE_MAX: u8 = 19;

/// How large a stack may be.
const STACK_BYTES: std::ops::RangeInclusive<usize> = 1 << 16..=1 << 30;
/// The longest line.
const WAITING_MAX: usize = 1 << 20;

/// The most threads of a pool.
const THREADS_MAX: usize = 1_024;

pub(crate) fn check_threads(field: &str, threads: usize) -> Result<(), Invalid> {
    if (1..=THREADS_MAX).contains(&threads) {
        return Ok(());
    }
    Err(Invalid::new(field, format!("a whole number from 1 to {THREADS_MAX}"), threads))
}

fn check_deadline(deadline: Duration) -> Result<(), Invalid> {
    if deadline.is_zero() {
        return Err(Invalid::new("deadline", "a duration above zero, or none", "0"));
    }
    longshore_core::check_duration("deadline", deadline)
}

impl CpuPoolConfig {
    fn check(&self) -> Result<(), Invalid> {
        check_threads("threads", self.threads)?;
        if !(1..=WAITING_MAX).contains(&self.waiting_max) {
            let expected = format!("a whole number from 1 to {WAITING_MAX}");
            return Err(Invalid::new("waiting_max", expected, self.waiting_max));
        }
        if self.nice > NICE_MAX {
            return Err(Invalid::new("nice", format!("a whole number from 0 to {NICE_MAX}"), self.nice));
        }
        if self.name.is_empty() || self.name.contains('\0') {
            let expected = "at least one character, and no zero byte";
            return Err(Invalid::new("name", expected, format!("{:?}", self.name)));
        }
        if !STACK_BYTES.contains(&self.stack_bytes) {
            let expected = format!("{} to {} bytes", STACK_BYTES.start(), STACK_BYTES.end());
            return Err(Invalid::new("stack_bytes", expected, self.stack_bytes));
        }
        self.deadline.map_or(Ok(()), check_deadline)
    }
}

impl Default for CpuPoolConfig {
    /// One thread per core, 1024 waiting, further ones refused, no deadline, 2 MiB of stack, niceness 5.
    fn default() -> Self {
        Self {
            threads: cores(),
            waiting_max: 1_024,
            when_full: WhenFull::Refuse,
            deadline: None,
            stack_bytes: 2 << 20,
            name: "cpu".to_owned(),
            nice: NICE,
        }
    }
}

/// What a pool has seen.
#[derive(Clone, Debug, Serialize)]
pub struct CpuPoolMetrics {
    /// Threads.
    pub threads: usize,
    /// Threads at work now.
    pub busy: usize,
    /// Pieces of work that wait for a thread, or for room in the line.
    pub waiting: usize,
    /// Threads at work on something that nobody waits for any more.
    pub overdue: usize,
    /// Pieces of work that gave a value.
    pub completed: u64,
    /// Pieces of work that panicked.
    pub panicked: u64,
    /// Pieces of work that were refused, because the line was full.
    pub refused: u64,
    /// Pieces of work that nobody waited for any more before their turn came. Every call that was made and has ended is one of
    /// these four.
    pub skipped: u64,
    /// From the call to the start.
    #[serde(skip)]
    pub wait: Snapshot,
    /// From the start to the end.
    #[serde(skip)]
    pub run: Snapshot,
}

/// A fixed number of threads for CPU-bound work. Cheap to clone; the threads end when the last clone goes.
#[derive(Clone)]
pub struct CpuPool {
    shared: Arc<Shared>,
    /// With the last clone the threads end.
    line: Arc<Open>,
}

/// The line, until it is dropped.
struct Open(Arc<Line>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.close();
    }
}

struct Shared {
    threads: usize,
    waiting_max: usize,
    when_full: WhenFull,
    deadline: Option<Duration>,
    clock: Clock,
    meters: Meters,
}

#[derive(Default)]
struct Meters {
    busy: AtomicUsize,
    overdue: Arc<AtomicUsize>,
    completed: AtomicU64,
    panicked: AtomicU64,
    refused: AtomicU64,
    skipped: AtomicU64,
    wait: Histogram,
    run: Histogram,
}

/// Lowers the priority of this thread. Elsewhere than on Linux it would be that of the process.
fn give_way(nice: u8) {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(nice.into()) {
        tracing::debug!(%error, "a thread of a pool keeps its priority");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = nice;
}

impl CpuPool {
    /// Starts the threads. Refuses counts and a deadline of zero.
    pub fn start(config: &CpuPoolConfig, door: &Door) -> Result<Self, PoolError> {
        config.check()?;
        let CpuPoolConfig { threads, waiting_max, nice, .. } = *config;
        let line = Arc::new(Line::new(waiting_max));
        let open = Arc::new(Open(line.clone()));
        for index in 0..threads {
            let line = line.clone();
            let serve = move || {
                give_way(nice);
                while let Some(work) = line.pop() {
                    // What it leaves behind may panic as it is dropped; the thread goes on.
                    drop(catch_unwind(AssertUnwindSafe(work)).map_err(panic_text));
                }
            };
            let thread = std::thread::Builder::new()
                .name(format!("{}-{index}", config.name))
                .stack_size(config.stack_bytes);
            thread.spawn(serve).map_err(|error| PoolError::NoThread(error.to_string()))?;
        }
        let shared = Shared {
            threads,
            waiting_max,
            when_full: config.when_full,
            deadline: config.deadline,
            clock: door.clock.clone(),
            meters: Meters::default(),
        };
        Ok(Self { shared: Arc::new(shared), line: open })
    }

    /// Runs `work` on a thread of the pool. Dropping the future does not stop work that has begun. Work that waits for other
    /// work of the same pool holds a thread meanwhile; if all threads do, none ever comes to that.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PoolError> {
        self.run_with(move |_| work()).await
    }

    /// Runs `work` as [`Self::run`] does, and hands it a token by which it can look whether somebody still waits for it.
    pub async fn run_with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&CpuToken) -> T + Send + 'static,
    ) -> Result<T, PoolError> {
        self.run_until(self.shared.deadline, work).await
    }

    /// Runs `work` as [`Self::run_with`] does, with a deadline of its own instead of that of the pool, counted from the
    /// call. Panics outside of a tokio runtime with timers, as every deadline does.
    pub async fn run_within<T: Send + 'static>(
        &self,
        deadline: Duration,
        work: impl FnOnce(&CpuToken) -> T + Send + 'static,
    ) -> Result<T, PoolError> {
        check_deadline(deadline)?;
        self.run_until(Some(deadline), work).await
    }

    async fn run_until<T: Send + 'static>(
        &self,
        deadline: Option<Duration>,
        work: impl FnOnce(&CpuToken) -> T + Send + 'static,
    ) -> Result<T, PoolError> {
        let shared = &self.shared;
        let over = deadline.map_or(Deadline::NEVER, |deadline| shared.clock.after(deadline));
        let token = CpuToken::new(&shared.meters.overdue);
        let _waiter = token.waiter();
        let (reply, answer) = oneshot::channel();
        let work = self.wrap(work, token, reply);
        let done = async {
            let _place = self.send(Unsent::new(work)).await?;
            answer.await.map_err(|_| PoolError::Closed)?
        };
        tokio::select! {
            biased;
            done = done => done,
            () = over.wait() => Err(PoolError::DeadlineExceeded(deadline.unwrap_or_default())),
        }
    }

    fn wrap<T: Send + 'static>(
        &self,
        work: impl FnOnce(&CpuToken) -> T + Send + 'static,
        token: CpuToken,
        reply: oneshot::Sender<Result<T, PoolError>>,
    ) -> Work {
        let shared = self.shared.clone();
        let called = shared.clock.uptime();
        let trace = Carried::now();
        Box::new(move || {
            let meters = &shared.meters;
            // Without one the work was cancelled before it began.
            let Some(at_work) = token.begin() else {
                meters.skipped.fetch_add(1, Ordering::Relaxed);
                return;
            };
            let began = shared.clock.uptime();
            meters.wait.record(began.saturating_sub(called));
            meters.busy.fetch_add(1, Ordering::Relaxed);
            let done = catch_unwind(AssertUnwindSafe(|| trace.within(|| work(&token))))
                .map_err(|panic| PoolError::Panicked(panic_text(panic)));
            drop(at_work);
            meters.busy.fetch_sub(1, Ordering::Relaxed);
            meters.run.record(shared.clock.uptime().saturating_sub(began));
            let ended = if done.is_ok() { &meters.completed } else { &meters.panicked };
            ended.fetch_add(1, Ordering::Relaxed);
            let _ = reply.send(done);
        })
    }

    async fn send(&self, work: Unsent) -> Result<Place<'_>, PoolError> {
        let (line, shared) = (&self.line.0, &self.shared);
        let room = match line.try_room() {
            Some(room) => room,
            None if shared.when_full == WhenFull::Wait => line.room().await.ok_or(PoolError::Closed)?,
            None => {
                shared.meters.refused.fetch_add(1, Ordering::Relaxed);
                return Err(PoolError::Full { waiting: self.waiting(), limit: shared.waiting_max });
            }
        };
        line.push(work, room).ok_or(PoolError::Closed)
    }

    /// Threads at work now.
    pub fn busy(&self) -> usize {
        self.shared.meters.busy.load(Ordering::Relaxed)
    }

    /// Threads at work on something that nobody waits for any more.
    pub fn overdue(&self) -> usize {
        self.shared.meters.overdue.load(Ordering::Relaxed)
    }

    /// Pieces of work that wait for a thread, or for room in the line.
    pub fn waiting(&self) -> usize {
        self.line.0.len()
    }

    /// What it has seen so far.
    pub fn get_metrics(&self) -> CpuPoolMetrics {
        let meters = &self.shared.meters;
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        CpuPoolMetrics {
            threads: self.shared.threads,
            busy: self.busy(),
            waiting: self.waiting(),
            overdue: self.overdue(),
            completed: read(&meters.completed),
            panicked: read(&meters.panicked),
            refused: read(&meters.refused),
            skipped: read(&meters.skipped) + self.line.0.left(),
            wait: meters.wait.snapshot(),
            run: meters.run.snapshot(),
        }
    }
}

impl Metered for CpuPool {
    fn meter(&self, samples: &mut Samples<'_>) {
        let metrics = self.get_metrics();
        samples.gauge("longshore_cpu_pool_threads", "Threads for CPU-bound work.", metrics.threads as f64);
        samples.gauge("longshore_cpu_pool_busy", "Threads at work.", metrics.busy as f64);
        samples.gauge("longshore_cpu_pool_waiting", "Work that waits for a thread.", metrics.waiting as f64);
        let help = "Threads at work on something that nobody waits for any more.";
        samples.gauge("longshore_cpu_pool_overdue", help, metrics.overdue as f64);
        let help = "Pieces of work, by what became of them.";
        let values = [
            ("completed", metrics.completed),
            ("panicked", metrics.panicked),
            ("refused", metrics.refused),
            ("skipped", metrics.skipped),
        ];
        samples.counters("longshore_cpu_pool_work_total", help, "outcome", values);
        samples.histogram("longshore_cpu_pool_wait_seconds", "From the call to the start.", metrics.wait);
        samples.histogram("longshore_cpu_pool_run_seconds", "From the start to the end.", metrics.run);
    }
}
