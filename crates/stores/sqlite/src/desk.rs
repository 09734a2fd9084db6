//! A desk: threads that own a connection each and serve requests in their order.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use longshore_core::{StoreError, StoreResult};
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

/// Requests that may wait at one desk; more wait in their callers.
pub(crate) const WAITING_MAX: usize = 4_096;

type Look = Box<dyn FnOnce(&Connection) + Send>;

/// Serves looks on a few read-only connections.
pub(crate) struct Readers {
    requests: Mutex<Option<mpsc::Sender<Look>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Readers {
    pub(crate) fn start(connections: Vec<Connection>) -> StoreResult<Self> {
        let (requests, queue) = mpsc::channel::<Look>(WAITING_MAX);
        let queue = Arc::new(Mutex::new(queue));
        let mut threads = Vec::new();
        for (index, connection) in connections.into_iter().enumerate() {
            let queue = queue.clone();
            let serve = move || {
                loop {
                    let look = queue.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
                    match look {
                        Some(look) => look(&connection),
                        None => return,
                    }
                }
            };
            let thread = std::thread::Builder::new().name(format!("sqlite-read-{index}")).spawn(serve);
            threads.push(
                thread.map_err(|error| StoreError::Unavailable(format!("cannot start a thread: {error}")))?,
            );
        }
        Ok(Self { requests: Mutex::new(Some(requests)), threads: Mutex::new(threads) })
    }

    /// Runs a look in one short read transaction.
    pub(crate) async fn look<T, F>(&self, look: F) -> StoreResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let request: Look = Box::new(move |connection| {
            let _ = reply.send(in_snapshot(connection, look).map_err(|error| crate::error::sorted(&error)));
        });
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone();
        requests.ok_or(StoreError::Closed)?.send(request).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Serves what was accepted, then ends the threads; they are to be joined.
    pub(crate) fn stop(&self) -> Vec<JoinHandle<()>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).take();
        std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn in_snapshot<T>(
    connection: &Connection,
    look: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let snapshot = connection.unchecked_transaction()?;
    let found = look(&snapshot)?;
    snapshot.commit()?;
    Ok(found)
}
