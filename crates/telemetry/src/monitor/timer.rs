use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep, sleep_until};

/// So far ahead it is set. The runtime keeps timers to a millisecond.
const AHEAD: Duration = Duration::from_millis(1);

/// A timer of the runtime that wakes nobody. Whether it has come tells whether a thread looks for timers.
#[derive(Default)]
pub(super) enum Timer {
    #[default]
    Unused,
    Made(Pin<Box<Sleep>>),
    /// The runtime keeps no timers. To try is the only way to know that, and it panics.
    None,
}

impl Timer {
    /// Sets it to what is next. Nothing happens to it on a runtime that is gone: then it has come.
    #[expect(clippy::disallowed_methods, reason = "nobody waits for it")]
    pub(super) fn set(&mut self, runtime: &Handle) {
        if matches!(self, Self::Unused) {
            let made = catch_unwind(AssertUnwindSafe(|| {
                let _entered = runtime.enter();
                let mut timer = Box::pin(sleep_until(soon()));
                timer.as_mut().reset(soon());
                timer
            }));
            *self = made.map_or(Self::None, Self::Made);
        } else if let Self::Made(timer) = self {
            timer.as_mut().reset(soon());
        }
    }

    /// Nobody knows without timers.
    pub(super) fn has_come(&self) -> Option<bool> {
        match self {
            Self::Made(timer) => Some(timer.is_elapsed()),
            Self::Unused | Self::None => None,
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "for a timer of the runtime that is watched")]
fn soon() -> Instant {
    Instant::now() + AHEAD
}
