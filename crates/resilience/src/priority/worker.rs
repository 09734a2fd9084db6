use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;

use super::{Done, Shared};
use crate::panics::drop_quietly;

/// A worker of one turn. One that was left behind in a task takes no other.
pub(super) struct Worker {
    shared: Arc<Shared>,
    turn: u64,
    is_running: bool,
}

impl Drop for Worker {
    fn drop(&mut self) {
        let mut line = self.shared.line();
        if line.turn == self.turn {
            line.present -= 1;
            if self.is_running {
                // Its runtime has gone, and what it ran with it.
                line.metrics.running -= 1;
                line.metrics.cancelled += 1;
                line.lost += 1;
            }
        }
        drop(line);
        self.shared.rest.notify_waiters();
    }
}

impl Worker {
    pub(super) fn new(shared: Arc<Shared>, turn: u64) -> Self {
        Self { shared, turn, is_running: false }
    }

    /// Whether it was left behind in a task that gave a value.
    pub(super) async fn work(mut self) -> bool {
        let shared = self.shared.clone();
        loop {
            let next = {
                let mut line = shared.line();
                if line.turn != self.turn {
                    // What it was woken for is for another.
                    shared.news.notify_one();
                    return false;
                }
                let next = line.waiting.pop_first();
                self.is_running = next.is_some();
                line.metrics.running += usize::from(self.is_running);
                if !line.waiting.is_empty() {
                    // There is more for another worker.
                    shared.news.notify_one();
                }
                next
            };
            let Some((_, task)) = next else {
                shared.news.notified().await;
                continue;
            };
            // What a task holds may panic as it is dropped.
            let done = AssertUnwindSafe(async { task().await }).catch_unwind().await;
            let done = done.unwrap_or_else(|panic| {
                drop_quietly(panic);
                Done::Panicked
            });
            self.is_running = false;
            {
                let mut line = shared.line();
                let is_left_behind = line.turn != self.turn;
                let metrics = &mut line.metrics;
                if is_left_behind {
                    // Its stop took it for one that ends without a value.
                    metrics.cancelled -= 1;
                } else {
                    metrics.running -= 1;
                }
                match done {
                    Done::Completed => metrics.completed += 1,
                    Done::Panicked => metrics.panicked += 1,
                    Done::Cancelled => metrics.cancelled += 1,
                }
                if is_left_behind {
                    return matches!(done, Done::Completed);
                }
            }
            shared.rest.notify_waiters();
        }
    }
}
