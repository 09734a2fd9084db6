use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use longshore_clock::{Door, ManualClock, Timestamp};

pub(crate) fn door() -> (Door, ManualClock) {
    Door::manual(Timestamp::ZERO, 7)
}

pub(crate) fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

pub(crate) fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// A future that is polled by hand.
pub(crate) struct Slow<T>(Pin<Box<dyn Future<Output = T>>>);

impl<T> Slow<T> {
    pub(crate) fn new(future: impl Future<Output = T> + 'static) -> Self {
        Self(Box::pin(future))
    }

    pub(crate) fn poll(&mut self) -> Option<T> {
        match self.0.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        }
    }
}

/// Looks at a future once: whether it has not ended.
pub(crate) async fn waits(future: Pin<&mut impl Future>) -> bool {
    let mut future = future;
    std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_pending())).await
}

/// What a future gives at once.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits"),
    }
}

/// Lets the other tasks go on until they wait.
pub(crate) async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

/// Panics as it is dropped, with something that does so as well.
pub(crate) struct Bomb;

/// What such a panic carries.
struct Shrapnel;

impl Drop for Bomb {
    fn drop(&mut self) {
        std::panic::panic_any(Shrapnel);
    }
}

impl Drop for Shrapnel {
    fn drop(&mut self) {
        panic!("on purpose");
    }
}

/// A runtime of its own, to be taken away.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}
