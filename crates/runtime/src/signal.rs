use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::Notify;

/// Why a running attempt shall end before its handler returns. Later ones outweigh earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Interrupt {
    /// Nothing.
    None = 0,
    /// The worker stops; the attempt is handed back if it does not end by itself.
    Stop = 1,
    /// An operator cancelled the job.
    Cancel = 2,
    /// The worker is cut; the attempt is handed back at once.
    Cut = 3,
    /// The lease belongs to somebody else, or the job is gone.
    Lost = 4,
}

impl Interrupt {
    const ALL: [Self; 5] = [Self::None, Self::Stop, Self::Cancel, Self::Cut, Self::Lost];
}

/// Carries interrupts to an attempt. No allocation until somebody waits.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    level: AtomicU8,
    raised: Notify,
}

impl Signal {
    pub(crate) fn raise(&self, interrupt: Interrupt) {
        let before = self.level.fetch_max(interrupt as u8, Ordering::AcqRel);
        if before < interrupt as u8 {
            self.raised.notify_waiters();
        }
    }

    pub(crate) fn level(&self) -> Interrupt {
        Interrupt::ALL[usize::from(self.level.load(Ordering::Acquire)).min(4)]
    }

    /// Waits for something above `level`.
    pub(crate) async fn above(&self, level: Interrupt) -> Interrupt {
        loop {
            let raised = self.raised.notified();
            let now = self.level();
            if now > level {
                return now;
            }
            raised.await;
        }
    }
}

/// Tells a handler that it should come to an end: its job was cancelled, its worker stops, or its lease was lost.
///
/// A handler that extracts it has the grace time of its kind to clean up and return; then it is dropped.
#[derive(Clone, Debug)]
pub struct Cancel(pub(crate) Arc<crate::attempt::Running>);

impl Cancel {
    /// Whether it should come to an end.
    pub fn is_cancelled(&self) -> bool {
        self.0.signal.level() > Interrupt::None
    }

    /// Waits until it should come to an end.
    pub async fn cancelled(&self) {
        self.0.signal.above(Interrupt::None).await;
    }
}
