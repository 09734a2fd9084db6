//! The gate between processes that share the file: one writer at a time, in turns.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::time::Duration;

use longshore_core::{StoreError, StoreResult};

use crate::wake::Peers;

/// Longest wait for a turn. Only a process that was halted in the middle of its own holds up the others so long.
const PATIENCE: Duration = Duration::from_secs(5);

/// Lets one writer through at a time, in turns.
///
/// Whoever wants to write first takes the outer lock, then the inner one, then lets go of the outer. A process that
/// has just written must queue up behind the one that waits, so none can keep the others out. Locks cannot be waited
/// for with patience, so a thread of its own does the waiting.
pub(crate) struct Gate {
    locks: Arc<Locks>,
    waiters: Sender<SyncSender<()>>,
    /// The thread still waits for a turn that nobody wants any more.
    owed: Arc<AtomicBool>,
}

struct Locks {
    outer: File,
    inner: File,
}

impl Locks {
    /// Takes the turn if nobody else has it or waits for it.
    fn try_enter(&self) -> bool {
        if self.outer.try_lock().is_err() {
            return false;
        }
        let entered = self.inner.try_lock().is_ok();
        let _ = self.outer.unlock();
        entered
    }

    /// Waits for the turn.
    fn enter(&self) {
        // Without locks (some network drives) SQLite's own still keep the file sound, only less fairly.
        let _ = self.outer.lock();
        let _ = self.inner.lock();
        let _ = self.outer.unlock();
    }

    fn leave(&self) {
        let _ = self.inner.unlock();
    }
}

impl Gate {
    pub(crate) fn open(peers: &Peers) -> StoreResult<Self> {
        let locks = Locks { outer: peers.lock_file("gate-outer")?, inner: peers.lock_file("gate-inner")? };
        let (locks, owed) = (Arc::new(locks), Arc::new(AtomicBool::new(false)));
        let (waiters, requests) = channel();
        let wait = {
            let (locks, owed) = (locks.clone(), owed.clone());
            move || wait_for_turns(&locks, &owed, &requests)
        };
        std::thread::Builder::new()
            .name("sqlite-gate".to_owned())
            .spawn(wait)
            .map_err(|error| StoreError::Unavailable(format!("cannot start a thread: {error}")))?;
        Ok(Self { locks, waiters, owed })
    }

    /// Waits for the turn; it lasts until the value is dropped.
    pub(crate) fn enter(&self) -> StoreResult<Turn<'_>> {
        if !self.owed.load(Ordering::Acquire) && self.locks.try_enter() {
            return Ok(Turn(&self.locks));
        }
        // Handed over, not left lying: a turn that came too late is given back by the thread.
        let (come, turn) = sync_channel(0);
        let asked = self.waiters.send(come);
        if asked.is_ok() && turn.recv_timeout(PATIENCE).is_ok() {
            return Ok(Turn(&self.locks));
        }
        self.owed.store(true, Ordering::Release);
        let text = "another process has not finished writing for seconds; was it halted?";
        Err(StoreError::Unavailable(text.to_owned()))
    }
}

fn wait_for_turns(locks: &Locks, owed: &AtomicBool, requests: &Receiver<SyncSender<()>>) {
    while let Ok(turn) = requests.recv() {
        locks.enter();
        if turn.send(()).is_err() {
            locks.leave();
            owed.store(false, Ordering::Release);
        }
    }
}

pub(crate) struct Turn<'gate>(&'gate Locks);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}
