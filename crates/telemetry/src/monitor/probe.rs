use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::task::{Poll, Waker};
use std::time::Duration;

use longshore_clock::Stopwatch;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::lock;

/// A task on the runtime that tells how long the line of tasks is in which it stands.
///
/// It is called from outside, and once it runs it goes to the end of the line. The time from there is what counts: how
/// long a call from outside takes is another matter. It takes nobody's turn.
pub(super) struct Probe {
    started: Stopwatch,
    note: Arc<Note>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Note {
    waker: OnceLock<Waker>,
    turn: Mutex<Turn>,
}

impl Note {
    fn turn(&self) -> MutexGuard<'_, Turn> {
        lock(&self.turn)
    }
}

#[derive(Clone, Copy, Default)]
enum Turn {
    #[default]
    Idle,
    Called,
    /// At the end of the line since then.
    Waits(Duration),
    /// Its turn came after so long.
    Came(Duration),
}

impl Probe {
    pub(super) fn new(runtime: &Handle, started: Stopwatch) -> Self {
        let note = Arc::<Note>::default();
        let own = note.clone();
        let task = runtime.spawn(poll_fn(move |context| {
            own.waker.get_or_init(|| context.waker().clone());
            let mut turn = own.turn();
            *turn = match *turn {
                Turn::Called => {
                    // Whoever wakes itself goes to the end.
                    context.waker().wake_by_ref();
                    Turn::Waits(started.elapsed())
                }
                Turn::Waits(since) => Turn::Came(started.elapsed().saturating_sub(since)),
                other => other,
            };
            Poll::Pending
        }));
        Self { started, note, task }
    }

    /// Sends it to the end of the line, if it is nowhere yet.
    pub(super) fn call(&self) {
        let Some(waker) = self.note.waker.get() else { return };
        if self.is_idle() {
            *self.note.turn() = Turn::Called;
            waker.wake_by_ref();
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        matches!(*self.note.turn(), Turn::Idle)
    }

    /// How long the line was, told once.
    pub(super) fn take(&self) -> Option<Duration> {
        let mut turn = self.note.turn();
        let Turn::Came(wait) = *turn else { return None };
        *turn = Turn::Idle;
        Some(wait)
    }

    /// How long it has waited by now.
    pub(super) fn lasting(&self) -> Duration {
        match *self.note.turn() {
            Turn::Waits(since) if !self.is_gone() => self.started.elapsed().saturating_sub(since),
            _ => Duration::ZERO,
        }
    }

    /// Whether the runtime has dropped it: that is gone.
    pub(super) fn is_gone(&self) -> bool {
        self.task.is_finished()
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.task.abort();
    }
}
