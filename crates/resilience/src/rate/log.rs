use std::cell::LazyCell;
use std::collections::VecDeque;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use longshore_clock::{Clock, Door};
use longshore_core::Invalid;

use super::{RateEvent, RateLimitedError, RateMetrics};
use crate::events::{Audience, heard};
use crate::keyed::Keyed;
use crate::sync::{AtomicU64, Ordering};

/// So often in any window of this length.
#[derive(Clone, Debug)]
pub struct SlidingLogConfig {
    /// So often, at least 1. Each key remembers as many moments.
    pub limit: usize,
    /// The length of the window.
    pub window: Duration,
    /// Keys with states of their own.
    pub max_keys: usize,
}

/// The largest limit: what one key remembers.
const LIMIT_MAX: usize = 100_000;

/// So often per key in any window, exactly: every admission is remembered for as long as it counts. A refusal is not
/// remembered, so that trying again does not move the end. Once `max_keys` keys are busy, further keys share one state.
pub struct SlidingLog<K = ()> {
    logs: Keyed<K, Mutex<VecDeque<Duration>>>,
    limit: usize,
    window: Duration,
    clock: Clock,
    admitted: AtomicU64,
    refused: AtomicU64,
    audience: Audience<RateEvent>,
}

impl<K: Hash + Eq + Clone> SlidingLog<K> {
    /// Refuses a limit, a window or a number of keys of zero.
    pub fn new(config: &SlidingLogConfig, door: &Door) -> Result<Self, Invalid> {
        if !(1..=LIMIT_MAX).contains(&config.limit) {
            return Err(Invalid::new("limit", format!("a whole number from 1 to {LIMIT_MAX}"), config.limit));
        }
        if config.window.is_zero() {
            return Err(Invalid::new("window", "a duration above zero", "0"));
        }
        longshore_core::check_duration("window", config.window)?;
        Ok(Self {
            logs: Keyed::new(config.max_keys, Mutex::default)?,
            limit: config.limit,
            window: config.window,
            clock: door.clock.clone(),
            admitted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            audience: Audience::default(),
        })
    }

    /// Takes one for a key: how many more fit into the window now, or when the next one does.
    pub fn try_acquire(&self, key: &K) -> Result<usize, RateLimitedError> {
        let taken = self.take(key);
        match taken {
            Ok(_) => {
                self.admitted.fetch_add(1, Ordering::Relaxed);
                self.audience.tell(|| RateEvent::Admitted { count: 1, wait: Duration::ZERO });
            }
            Err(RateLimitedError { retry_after }) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                self.audience.tell(|| RateEvent::Refused { count: 1, retry_after });
            }
        }
        taken
    }

    heard!(RateEvent, audience);

    /// What it has seen so far.
    pub fn get_metrics(&self) -> RateMetrics {
        RateMetrics {
            admitted: self.admitted.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            keys: Some(self.logs.len()),
        }
    }

    fn take(&self, key: &K) -> Result<usize, RateLimitedError> {
        let now = LazyCell::new(|| self.clock.uptime());
        let is_idle = |log: &Mutex<VecDeque<Duration>>| {
            let log = log.lock().unwrap_or_else(PoisonError::into_inner);
            log.back().is_none_or(|last| *last + self.window <= *now)
        };
        let log = self.logs.of(key, is_idle);
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        // Read under the lock, so that the moments in the log rise.
        let now = self.clock.uptime();
        while log.front().is_some_and(|first| *first + self.window <= now) {
            log.pop_front();
        }
        match log.front() {
            Some(first) if log.len() >= self.limit => {
                Err(RateLimitedError { retry_after: (*first + self.window).saturating_sub(now) })
            }
            _ => {
                log.push_back(now);
                Ok(self.limit - log.len())
            }
        }
    }
}
