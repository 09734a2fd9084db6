use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use tokio::sync::{Notify, oneshot};

use super::{Shared, TaskError};
use crate::panics::drop_quietly;

/// Waits for the value of a task, and may cancel it. Dropped, it lets the task go on.
pub struct TaskHandle<T> {
    pub(super) value: oneshot::Receiver<Result<T, TaskError>>,
    pub(super) cancel: Arc<Notify>,
    pub(super) is_cancelled: AtomicBool,
    pub(super) place: (i64, u64),
    pub(super) queue: Weak<Shared>,
}

impl<T> TaskHandle<T> {
    /// What the task gives.
    pub async fn result(self) -> Result<T, TaskError> {
        let is_cancelled = self.is_cancelled.into_inner();
        let never = if is_cancelled { TaskError::Cancelled } else { TaskError::Stopped };
        self.value.await.unwrap_or(Err(never))
    }

    /// Ends it: at once if it waits, and at its next await if it runs.
    pub fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::Release);
        let Some(queue) = self.queue.upgrade() else { return };
        let waiting = {
            let mut line = queue.line();
            let waiting = line.waiting.remove(&self.place);
            line.metrics.cancelled += u64::from(waiting.is_some());
            waiting
        };
        match waiting {
            Some(task) => {
                drop_quietly(task);
                queue.rest.notify_waiters();
            }
            None => self.cancel.notify_one(),
        }
    }
}
