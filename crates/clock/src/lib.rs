//! The one door through which time, ids and chance come in.
//!
//! Nothing else in the workspace may call `Instant::now`, `SystemTime::now`, a random generator or a UUID
//! constructor; `clippy.toml` locks those doors and points here. In return a test that passes a manual
//! [`Door`] sees the same times, ids and draws on every run.

mod timestamp;
pub use timestamp::{Timestamp, TimestampError};

#[cfg(feature = "door")]
mod chance;
#[cfg(feature = "door")]
mod clock;
#[cfg(feature = "door")]
mod ids;

#[cfg(feature = "door")]
pub use {
    chance::Chance,
    clock::{Clock, Deadline, ManualClock, Stopwatch},
    ids::Ids,
};

/// Time, ids and chance together, the way every part of the system receives them. Cheap to clone.
#[cfg(feature = "door")]
#[derive(Clone, Debug)]
pub struct Door {
    /// What time it is, and how to wait.
    pub clock: Clock,
    /// New job ids.
    pub ids: Ids,
    /// Jitter, tokens, sampling.
    pub chance: Chance,
}

#[cfg(feature = "door")]
impl Door {
    /// The machine's own clock and a generator seeded by the operating system.
    pub fn system() -> Self {
        let chance = Chance::system();
        Self { clock: Clock::system(), ids: Ids::new(chance.clone()), chance }
    }

    /// A clock that stands still until it is advanced, and chance that repeats for the same seed.
    pub fn manual(start: Timestamp, seed: u64) -> (Self, ManualClock) {
        let chance = Chance::seeded(seed);
        let manual = ManualClock::new(start);
        (Self { clock: manual.clock(), ids: Ids::new(chance.clone()), chance }, manual)
    }

    /// A new UUIDv7 for the present moment; later ids of one door sort after earlier ones.
    pub fn new_id(&self) -> u128 {
        self.ids.next(self.clock.now())
    }
}
