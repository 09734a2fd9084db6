use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};

use tokio::sync::{Notify, oneshot};

use super::{Shared, TaskError};
use crate::panics::drop_quietly;

/// Waits for the value of a task, and may cancel it. As a future it gives that value, so that `&mut handle` can be waited for
/// beside something else. Dropped, it lets the task go on.
pub struct TaskHandle<T> {
    pub(super) value: oneshot::Receiver<Result<T, TaskError>>,
    pub(super) cancel: Arc<Notify>,
    pub(super) is_cancelled: AtomicBool,
    pub(super) place: (i64, u64),
    pub(super) queue: Weak<Shared>,
}

impl<T> Future for TaskHandle<T> {
    type Output = Result<T, TaskError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let ended = ready!(Pin::new(&mut self.value).poll(context));
        let is_cancelled = self.is_cancelled.load(Ordering::Acquire);
        let never = if is_cancelled { TaskError::Cancelled } else { TaskError::Stopped };
        Poll::Ready(ended.unwrap_or(Err(never)))
    }
}

impl<T> TaskHandle<T> {
    /// What the task gives.
    pub async fn result(self) -> Result<T, TaskError> {
        self.await
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
