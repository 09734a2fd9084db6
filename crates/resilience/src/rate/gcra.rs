use std::cell::LazyCell;
use std::hash::Hash;
use std::time::Duration;

use longshore_clock::{Clock, Door};
use longshore_core::Invalid;
use serde::Serialize;

use crate::events::{Audience, heard};
use crate::keyed::Keyed;
use crate::sync::{AtomicU64, Ordering};

/// How often something may happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimiterConfig {
    /// So often in each `per`, at least 1.
    pub rate: u32,
    /// The time in which that is counted.
    pub per: Duration,
    /// So often at once, at least 1.
    pub burst: u32,
    /// Longest wait for one's turn; without one, who comes too early is refused.
    pub max_wait: Duration,
    /// Keys with states of their own, for a limiter with keys.
    pub max_keys: usize,
}

impl RateLimiterConfig {
    /// So often in each second, one at a time, without waits.
    pub fn per_second(rate: u32) -> Self {
        Self { rate, per: Duration::from_secs(1), burst: 1, max_wait: Duration::ZERO, max_keys: 10_000 }
    }
}

/// It came too early. A refusal of ours: nothing was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many: the next one is due in {}s", .retry_after.as_secs_f64())]
pub struct RateLimitedError {
    /// When it is worth another try.
    pub retry_after: Duration,
}

/// Something that happened to a limiter of a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RateEvent {
    /// It was let through.
    Admitted {
        /// So many at once.
        count: u32,
        /// How long it waits first.
        wait: Duration,
    },
    /// It came too early.
    Refused {
        /// So many at once.
        count: u32,
        /// When it is worth another try.
        retry_after: Duration,
    },
}

/// What a limiter has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RateMetrics {
    /// Let through, at once or after a wait.
    pub admitted: u64,
    /// Refused.
    pub refused: u64,
    /// Keys with states of their own; none if it knows no keys.
    pub keys: Option<usize>,
}

/// As late as this a runtime may well be.
const LATE: Duration = Duration::from_millis(10);

/// One word: the theoretical arrival time of the next cell, in nanoseconds of [`Clock::uptime`].
pub(crate) struct Cell(AtomicU64);

impl Default for Cell {
    fn default() -> Self {
        Self(AtomicU64::new(0))
    }
}

/// The numbers behind a rate, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// From one cell to the next.
    pub(crate) step: u64,
    /// How far ahead of the time the next arrival may lie.
    pub(crate) ahead: u64,
    /// How much further with a wait.
    pub(crate) wait: u64,
}

impl Cell {
    /// Takes `count` cells at `now`: how long to wait for them, or after what time another try may succeed.
    pub(crate) fn take(&self, pace: Pace, now: u64, count: u32) -> Result<u64, u64> {
        let cost = pace.step.saturating_mul(count.into());
        let mut arrival = self.0.load(Ordering::Relaxed);
        loop {
            let next = arrival.max(now).saturating_add(cost);
            let early = next.saturating_sub(now).saturating_sub(pace.ahead);
            if early > pace.wait {
                return Err(early);
            }
            match self.0.compare_exchange_weak(arrival, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(early),
                Err(other) => arrival = other,
            }
        }
    }

    fn is_idle(&self, now: u64) -> bool {
        self.0.load(Ordering::Relaxed) <= now
    }
}

/// So often per key: the generic cell rate algorithm, one atomic word for each key. In any span of time `t` it lets
/// through at most `burst` + `t` · `rate` / `per`.
///
/// Whoever waits has taken a turn; a caller that stops waiting leaves it unused. One that is woken up to 10 ms (or one
/// turn, if that is longer) late goes late, and so closer to the next; one that is woken later takes another turn, once,
/// which may be past `max_wait`. Only so far does the bound hold for waits on a runtime that stands still.
///
/// Once `max_keys` keys are busy, further keys share one state.
pub struct RateLimiter<K = ()> {
    cells: Keyed<K, Cell>,
    is_keyed: bool,
    only: Cell,
    pace: Pace,
    burst: u32,
    clock: Clock,
    admitted: AtomicU64,
    refused: AtomicU64,
    audience: Audience<RateEvent>,
}

impl<K: Hash + Eq + Clone> RateLimiter<K> {
    /// Refuses a rate, a burst, a time or a number of keys of zero. No rate is more than one in a nanosecond.
    pub fn keyed(config: &RateLimiterConfig, door: &Door) -> Result<Self, Invalid> {
        Self::make(config, true, door)
    }

    fn make(config: &RateLimiterConfig, is_keyed: bool, door: &Door) -> Result<Self, Invalid> {
        for (field, value) in [("rate", config.rate), ("burst", config.burst)] {
            if value == 0 {
                return Err(Invalid::new(field, "a whole number above 0", value));
            }
        }
        longshore_core::check_duration("per", config.per)?;
        longshore_core::check_duration("max_wait", config.max_wait)?;
        let nanos = |time: Duration| time.as_nanos().min(u64::MAX.into()) as u64;
        // Rounded up, so that no span ever holds one too many.
        let step = nanos(config.per).div_ceil(config.rate.into());
        if step == 0 {
            return Err(Invalid::new("per", "a duration above zero", "0"));
        }
        // Times of both ends have to fit into one word.
        let most = (u64::MAX / 2) / step;
        if u64::from(config.burst) > most {
            return Err(Invalid::new("burst", format!("at most {most} at this rate"), config.burst));
        }
        let ahead = step * u64::from(config.burst);
        Ok(Self {
            cells: Keyed::new(config.max_keys, Cell::default)?,
            is_keyed,
            only: Cell::default(),
            pace: Pace { step, ahead, wait: nanos(config.max_wait) },
            burst: config.burst,
            clock: door.clock.clone(),
            admitted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            audience: Audience::default(),
        })
    }

    /// Takes one for a key, waiting for it if it may wait.
    pub async fn acquire_for(&self, key: &K) -> Result<(), RateLimitedError> {
        self.wait(&self.cell(key), 1).await
    }

    /// Takes one for a key at once.
    pub fn try_acquire_for(&self, key: &K) -> Result<(), RateLimitedError> {
        self.take(&self.cell(key), 1, Pace { wait: 0, ..self.pace }).map(drop)
    }

    fn cell(&self, key: &K) -> std::sync::Arc<Cell> {
        let now = LazyCell::new(|| self.now());
        self.cells.of(key, |cell| cell.is_idle(*now))
    }

    fn now(&self) -> u64 {
        self.clock.uptime().as_nanos() as u64
    }

    fn take(&self, cell: &Cell, count: u32, pace: Pace) -> Result<Duration, RateLimitedError> {
        match cell.take(pace, self.now(), count) {
            Ok(wait) => {
                self.admitted.fetch_add(count.into(), Ordering::Relaxed);
                let wait = Duration::from_nanos(wait);
                self.audience.tell(|| RateEvent::Admitted { count, wait });
                Ok(wait)
            }
            Err(early) => {
                self.refused.fetch_add(count.into(), Ordering::Relaxed);
                let retry_after = Duration::from_nanos(early);
                self.audience.tell(|| RateEvent::Refused { count, retry_after });
                Err(RateLimitedError { retry_after })
            }
        }
    }

    /// Takes so many, and waits for their turn.
    async fn wait(&self, cell: &Cell, count: u32) -> Result<(), RateLimitedError> {
        let wait = self.take(cell, count, self.pace)?;
        if wait.is_zero() {
            return Ok(());
        }
        let turn = self.clock.uptime() + wait;
        self.clock.sleep(wait).await;
        let late = self.clock.uptime().saturating_sub(turn);
        // All who slept through a stall would go at once.
        if late > LATE.max(Duration::from_nanos(self.pace.step))
            && let Ok(wait) = cell.take(Pace { wait: u64::MAX, ..self.pace }, self.now(), count)
            && wait > 0
        {
            self.clock.sleep(Duration::from_nanos(wait)).await;
        }
        Ok(())
    }

    heard!(RateEvent, audience);

    /// What it has seen so far.
    pub fn get_metrics(&self) -> RateMetrics {
        RateMetrics {
            admitted: self.admitted.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            keys: self.is_keyed.then(|| self.cells.len()),
        }
    }
}

impl RateLimiter {
    /// Without keys.
    pub fn new(config: &RateLimiterConfig, door: &Door) -> Result<Self, Invalid> {
        Self::make(config, false, door)
    }

    /// Takes one, waiting for it if it may wait.
    pub async fn acquire(&self) -> Result<(), RateLimitedError> {
        self.wait(&self.only, 1).await
    }

    /// Takes one at once.
    pub fn try_acquire(&self) -> Result<(), RateLimitedError> {
        self.take(&self.only, 1, Pace { wait: 0, ..self.pace }).map(drop)
    }

    /// Takes several as one, waiting for them if it may wait. More than the burst never fit, and are a mistake.
    pub async fn acquire_many(&self, count: u32) -> Result<Result<(), RateLimitedError>, Invalid> {
        if !(1..=self.burst).contains(&count) {
            let expected = format!("a whole number from 1 to {} (burst)", self.burst);
            return Err(Invalid::new("count", expected, count));
        }
        Ok(self.wait(&self.only, count).await)
    }
}
