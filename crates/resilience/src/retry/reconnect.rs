use std::time::Duration;

use longshore_clock::Door;
use longshore_core::{Backoff, DurationText};

/// The waits between tries of something that fails. The caller owns the loop, so that the loop can be read:
///
/// ```no_run
/// # async fn connect() -> Result<(), ()> { Ok(()) }
/// # async fn example(door: longshore_clock::Door) {
/// let mut retry = longshore_resilience::Retry::reconnect(door);
/// while connect().await.is_err() {
///     retry.wait().await;
/// }
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Retry {
    backoff: Backoff,
    door: Door,
    failures: u32,
}

impl Retry {
    /// With these waits.
    pub fn new(backoff: Backoff, door: Door) -> Self {
        Self { backoff, door, failures: 0 }
    }

    /// For a store or an upstream that went away: from 0.1 s to 5 s, with jitter, for as long as it takes.
    pub fn reconnect(door: Door) -> Self {
        let second = |seconds: f64| DurationText(Duration::from_secs_f64(seconds));
        Self::new(
            Backoff::Exponential { base: second(0.1), factor: 2.0, max: second(5.0), jitter: 0.3 },
            door,
        )
    }

    /// How many waits there were.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Waits after a failure, longer each time.
    pub async fn wait(&mut self) {
        self.failures += 1;
        let wait = self.backoff.delay(self.failures, self.door.chance.unit());
        self.door.clock.sleep(wait).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use longshore_clock::Timestamp;

    #[tokio::test]
    async fn waits_grow_up_to_their_cap() {
        let (door, manual) = Door::manual(Timestamp::ZERO, 1);
        let backoff: Backoff = Backoff::Linear {
            base: DurationText(Duration::from_secs(1)),
            max: DurationText(Duration::from_secs(3)),
            jitter: 0.0,
        };
        let mut retry = Retry::new(backoff, door);
        for seconds in [1, 2, 3, 3] {
            let mut wait = std::pin::pin!(retry.wait());
            let early = Duration::from_millis(seconds * 1_000 - 1);
            assert!(poll_once(&mut wait).await.is_none());
            manual.advance(early);
            assert!(poll_once(&mut wait).await.is_none(), "{seconds} s must not end early");
            manual.advance(Duration::from_millis(1));
            assert!(poll_once(&mut wait).await.is_some(), "{seconds} s must end in time");
        }
        assert_eq!(retry.failures(), 4);
    }

    /// Polls once.
    async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(match std::pin::Pin::new(&mut *future).poll(context) {
                std::task::Poll::Ready(value) => Some(value),
                std::task::Poll::Pending => None,
            })
        })
        .await
    }
}
