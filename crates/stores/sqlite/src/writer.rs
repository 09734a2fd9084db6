//! The writer: one thread, one connection, one commit for everything that waits.
//!
//! While one commit is synced to the disk, the next requests gather. Each batch runs in one transaction and is answered
//! after its commit, so an answer is as durable as the setting promises.

use std::panic::AssertUnwindSafe;
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use longshore_clock::Chance;
use longshore_core::{StoreError, StoreResult, Wake};
use rusqlite::Connection;
use rusqlite::ErrorCode::{
    DatabaseBusy, DatabaseCorrupt, DatabaseLocked, NotADatabase, OutOfMemory, ReadOnly, SystemIoFailure,
};
use tokio::sync::{mpsc, oneshot};

use crate::config::Synchronous;
use crate::desk::WAITING_MAX;
use crate::error::{Tried, Trouble, sorted};
use crate::gate::Gate;
use crate::names::Names;
use crate::tx::Tx;
use crate::wake::Bell;

/// Requests that share one commit at most.
const SHARED_MAX: usize = 1_024;

/// One request: what to do inside the transaction, and whom to tell afterwards.
trait Step: Send {
    /// Whether its answer promises that it survives a power failure.
    fn is_promise(&self) -> bool;
    /// Does the work. May be called again after the transaction it was in became void.
    fn run(&mut self, tx: &mut Tx<'_>) -> Tried<()>;
    /// Tells the caller: the answer, or why the commit failed.
    fn settle(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Call<T, F> {
    is_promise: bool,
    work: F,
    answer: Option<StoreResult<T>>,
    reply: oneshot::Sender<StoreResult<T>>,
}

impl<T: Send, F: FnMut(&mut Tx<'_>) -> Tried<T> + Send> Step for Call<T, F> {
    fn is_promise(&self) -> bool {
        self.is_promise
    }

    fn run(&mut self, tx: &mut Tx<'_>) -> Tried<()> {
        match (self.work)(tx) {
            Ok(answer) => self.answer = Some(Ok(answer)),
            Err(Trouble::Refused(error)) => self.answer = Some(Err(error)),
            Err(trouble @ Trouble::Sql(_)) => return Err(trouble),
        }
        Ok(())
    }

    fn settle(self: Box<Self>, committed: Result<(), StoreError>) {
        let answer = match (committed, self.answer) {
            (Err(error), _) => Err(error),
            (Ok(()), Some(answer)) => answer,
            (Ok(()), None) => Err(StoreError::Closed),
        };
        // The caller may have gone; what was committed stays.
        let _ = self.reply.send(answer);
    }
}

/// The way to the writer thread.
pub(crate) struct Writer {
    requests: Mutex<Option<mpsc::Sender<Box<dyn Step>>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(crate) fn start(
        connection: Connection,
        synchronous: Synchronous,
        gate: Gate,
        bell: Bell,
        chance: Chance,
    ) -> StoreResult<Self> {
        let (requests, queue) = mpsc::channel(WAITING_MAX);
        let desk =
            Desk { connection, synchronous, now: synchronous, gate, bell, chance, names: Names::default() };
        let thread =
            std::thread::Builder::new().name("sqlite-write".to_owned()).spawn(move || desk.serve(queue));
        let thread =
            thread.map_err(|error| StoreError::Unavailable(format!("cannot start a thread: {error}")))?;
        Ok(Self { requests: Mutex::new(Some(requests)), thread: Mutex::new(Some(thread)) })
    }

    /// Runs `work` inside the next transaction and answers after its commit. `work` may run more than once; only the
    /// last time counts.
    pub(crate) async fn write<T, F>(&self, work: F) -> StoreResult<T>
    where
        T: Send + 'static,
        F: FnMut(&mut Tx<'_>) -> Tried<T> + Send + 'static,
    {
        self.call(true, work).await
    }

    /// The same for what may be lost when the power fails, because doing it again costs nothing: claims, renewals, and
    /// what the keeper does. Without anything else beside it, such a commit waits for no disk.
    pub(crate) async fn write_again<T, F>(&self, work: F) -> StoreResult<T>
    where
        T: Send + 'static,
        F: FnMut(&mut Tx<'_>) -> Tried<T> + Send + 'static,
    {
        self.call(false, work).await
    }

    async fn call<T, F>(&self, is_promise: bool, work: F) -> StoreResult<T>
    where
        T: Send + 'static,
        F: FnMut(&mut Tx<'_>) -> Tried<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let step: Box<dyn Step> = Box::new(Call { is_promise, work, answer: None, reply });
        requests.ok_or(StoreError::Closed)?.send(step).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Serves what was accepted, then ends the thread; it is to be joined.
    pub(crate) fn stop(&self) -> Option<JoinHandle<()>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.thread.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

struct Desk {
    connection: Connection,
    /// As configured, and as it stands.
    synchronous: Synchronous,
    now: Synchronous,
    gate: Gate,
    bell: Bell,
    chance: Chance,
    names: Names,
}

impl Desk {
    fn serve(mut self, mut queue: mpsc::Receiver<Box<dyn Step>>) {
        let mut batch = Vec::with_capacity(SHARED_MAX);
        while let Some(first) = queue.blocking_recv() {
            batch.push(first);
            while batch.len() < SHARED_MAX
                && let Ok(step) = queue.try_recv()
            {
                batch.push(step);
            }
            self.serve_batch(&mut batch);
        }
        // The last connection that is closed copies the log into the file; but of two that are closed in the same moment
        // each takes the other for the last.
        if let Ok(_turn) = self.gate.enter() {
            let copied = self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
            drop(copied.inspect_err(|error| tracing::debug!(%error, "the log was not copied into the file")));
        }
    }

    fn serve_batch(&mut self, batch: &mut Vec<Box<dyn Step>>) {
        let shared = self.commit(batch);
        if matches!(shared, Err(Failed::Step(_))) && batch.len() > 1 {
            // One of them spoils it for all, so each gets a transaction of its own.
            for step in batch.drain(..) {
                let mut alone = vec![step];
                let committed = self.commit(&mut alone).map_err(Failed::into_error);
                for step in alone {
                    step.settle(committed.clone());
                }
            }
            return;
        }
        let shared = shared.map_err(Failed::into_error);
        batch.drain(..).for_each(|step| step.settle(shared.clone()));
    }

    /// A commit that is synced takes every commit before it along, so the order on the disk is never broken.
    fn set(&mut self, synchronous: Synchronous) -> Result<(), StoreError> {
        if self.now != synchronous {
            let pragma = format!("PRAGMA synchronous = {}", synchronous.pragma());
            self.connection.execute_batch(&pragma).map_err(|error| sorted(&error))?;
            self.now = synchronous;
        }
        Ok(())
    }

    /// Runs the batch in one transaction, then tells whoever waits for such news.
    fn commit(&mut self, batch: &mut [Box<dyn Step>]) -> Result<(), Failed> {
        let promises = batch.iter().any(|step| step.is_promise());
        self.set(if promises { self.synchronous } else { Synchronous::Normal }).map_err(Failed::Whole)?;
        let wakes = {
            let _turn = self.gate.enter().map_err(Failed::Whole)?;
            match transact(&self.connection, &mut self.names, &self.chance, batch) {
                Ok(wakes) => wakes,
                Err(trouble) => {
                    if !self.connection.is_autocommit()
                        && let Err(error) = self.connection.execute_batch("ROLLBACK")
                    {
                        tracing::error!(%error, "could not roll back");
                    }
                    self.names.forget();
                    return Err(trouble);
                }
            }
        };
        self.bell.ring_everywhere(wakes);
        Ok(())
    }
}

/// Why a transaction did not happen.
enum Failed {
    /// Because of one step; the others may succeed without it.
    Step(StoreError),
    /// Whatever is in it: the file is locked, read-only or cannot be reached. Trying one by one would only take longer.
    Whole(StoreError),
}

impl Failed {
    fn of_step(trouble: &Trouble) -> Self {
        let error = trouble.sorted();
        let Trouble::Sql(sql) = trouble else { return Self::Step(error) };
        match sql.sqlite_error_code() {
            Some(
                DatabaseBusy | DatabaseCorrupt | DatabaseLocked | NotADatabase | OutOfMemory | ReadOnly
                | SystemIoFailure,
            ) => Self::Whole(error),
            _ => Self::Step(error),
        }
    }

    fn into_error(self) -> StoreError {
        match self {
            Self::Step(error) | Self::Whole(error) => error,
        }
    }
}

fn transact(
    connection: &Connection,
    names: &mut Names,
    chance: &Chance,
    batch: &mut [Box<dyn Step>],
) -> Result<Vec<Wake>, Failed> {
    // Taken as a writer from the start: a reader that turns writer can find that the file has moved on.
    connection
        .prepare_cached("BEGIN IMMEDIATE")
        .and_then(|mut begin| begin.execute([]))
        .map_err(|error| Failed::Whole(sorted(&error)))?;
    let mut tx = Tx::new(connection, names, chance);
    for step in batch.iter_mut() {
        // A step that panics must not take the writer along, and everybody who waits for it.
        let ran = std::panic::catch_unwind(AssertUnwindSafe(|| step.run(&mut tx)));
        let panicked = |_| Failed::Step(StoreError::Unavailable("a step of the writer panicked".to_owned()));
        ran.map_err(panicked)?.map_err(|trouble| Failed::of_step(&trouble))?;
    }
    let wakes = tx.flush().map_err(|trouble| Failed::of_step(&trouble))?;
    connection
        .prepare_cached("COMMIT")
        .and_then(|mut commit| commit.execute([]))
        .map_err(|error| Failed::Whole(sorted(&error)))?;
    Ok(wakes)
}
