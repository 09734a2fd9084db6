use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use longshore_clock::{Clock, Stopwatch};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::lock;

/// So far ahead is a timer set. The runtime keeps timers to a millisecond.
const AHEAD: Duration = Duration::from_millis(1);

/// A task on the runtime that a timer wakes, like every task that sleeps there, and that notes when it runs.
///
/// The timer is set from outside. To send a task would tell how long what comes from outside waits: in a burst that is
/// something else.
pub(super) struct Probe {
    runtime: Handle,
    started: Stopwatch,
    task: JoinHandle<()>,
    note: Arc<Note>,
    timer: Timer,
    /// What is awaited.
    wake: Option<Wake>,
}

type Timer = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What the task leaves.
#[derive(Default)]
struct Note {
    waker: OnceLock<Waker>,
    ran: Mutex<Option<Duration>>,
}

impl Note {
    fn ran(&self) -> MutexGuard<'_, Option<Duration>> {
        lock(&self.ran)
    }
}

/// A reading was due at a time since the start, and a timer for it at another.
#[derive(Clone, Copy)]
struct Wake {
    due: Duration,
    deadline: Duration,
}

impl Wake {
    /// How late it is if it comes now. Much is counted from where it was due: what holds it up may have begun before
    /// the timer was set.
    fn lag(self, now: Duration, much: Duration) -> Duration {
        let late = now.saturating_sub(self.deadline);
        if late < much { late } else { now.saturating_sub(self.due) }
    }
}

/// Sets a timer of the runtime. None if it has come already. Fails if the runtime is gone, or keeps no timers: to try
/// is the only way to know, and it panics.
fn set_timer(runtime: &Handle, waker: &Waker) -> std::thread::Result<Option<Timer>> {
    catch_unwind(AssertUnwindSafe(|| {
        let _entered = runtime.enter();
        let deadline = Clock::system().after(AHEAD);
        let mut timer: Timer = Box::pin(async move { deadline.wait().await });
        timer.as_mut().poll(&mut Context::from_waker(waker)).is_pending().then_some(timer)
    }))
}

/// Whether a runtime is there and keeps timers.
pub(super) fn has_timers(runtime: &Handle) -> bool {
    set_timer(runtime, Waker::noop()).is_ok()
}

impl Probe {
    /// What is awaited at first is that its task begins.
    pub(super) fn new(runtime: Handle, started: Stopwatch) -> Self {
        let note = Arc::<Note>::default();
        let own = note.clone();
        let task = runtime.spawn(poll_fn(move |context| {
            own.waker.get_or_init(|| context.waker().clone());
            *own.ran() = Some(started.elapsed());
            Poll::Pending
        }));
        let now = started.elapsed();
        let wake = Some(Wake { due: now, deadline: now });
        Self { runtime, started, task, note, timer: Box::pin(std::future::ready(())), wake }
    }

    /// Whether it waits for its task to run.
    pub(super) fn is_set(&self) -> bool {
        self.wake.is_some()
    }

    /// Whether the runtime has dropped the task: it is gone.
    pub(super) fn is_gone(&self) -> bool {
        self.task.is_finished()
    }

    /// Sets the timer for a reading that was due at a time since the start.
    pub(super) fn set(&mut self, due: Duration) {
        let Some(waker) = self.note.waker.get().filter(|_| !self.is_gone()) else { return };
        *self.note.ran() = None;
        let deadline = self.started.elapsed() + AHEAD;
        // A runtime that goes at this very moment takes the task along.
        let Ok(timer) = set_timer(&self.runtime, waker) else { return };
        self.wake = Some(Wake { due, deadline });
        match timer {
            Some(timer) => self.timer = timer,
            None => *self.note.ran() = Some(self.started.elapsed()),
        }
    }

    /// How late the task ran, told once; what is `much` is told as longer, by as long as it may have been before.
    pub(super) fn take(&mut self, much: Duration) -> Option<Duration> {
        let ran = self.note.ran().take();
        let wake = self.wake.take_if(|_| ran.is_some() || self.task.is_finished())?;
        ran.map(|ran| wake.lag(ran, much))
    }

    /// How late it is by now.
    pub(super) fn lasting(&self, much: Duration) -> Option<Duration> {
        self.wake.filter(|_| !self.is_gone()).map(|wake| wake.lag(self.started.elapsed(), much))
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.task.abort();
    }
}
