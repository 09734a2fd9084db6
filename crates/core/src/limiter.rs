//! The arithmetic of rate limits, without a clock and without storage. A store keeps the [`Tally`] of each key and
//! makes one [`Rule::take`] an atomic step.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::limits::DURATION_MAX;
use crate::{Invalid, Timestamp};

/// What a limiter allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Smooth: `rate` per `interval` on average, `burst` at once (GCRA). In any window of length `w` it allows at
    /// most `burst + rate * w / interval`.
    Smooth {
        /// How many per interval, at least 1.
        rate: u32,
        /// The interval, above zero.
        interval: Duration,
        /// How many at once, at least 1.
        burst: u32,
    },
    /// Exact: never more than `max` in any window of length `interval` (a sliding log).
    Sliding {
        /// How many per window, at least 1 and at most 10 000.
        max: u32,
        /// The length of the window, above zero.
        interval: Duration,
    },
}

/// What a store remembers of one key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Smooth: the theoretical arrival time, in microseconds since the epoch.
    #[serde(default)]
    arrival_us: i64,
    /// Sliding: the times in the window in milliseconds, oldest first.
    #[serde(default)]
    log: std::collections::VecDeque<i64>,
}

/// The answer of a limiter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permit {
    /// Whether it may happen now. If not, nothing was counted.
    pub allowed: bool,
    /// How many more may happen right now.
    pub remaining: u32,
    /// When to ask again; zero if allowed.
    pub retry_after: Duration,
}

impl Rule {
    /// Most entries of a sliding window.
    pub const SLIDING_MAX: u32 = 10_000;

    /// Checks the numbers.
    pub fn check(&self) -> Result<(), Invalid> {
        let (count, interval) = match self {
            Self::Smooth { rate, interval, burst } => ((*rate).min(*burst), *interval),
            Self::Sliding { max, interval } => (if *max > Self::SLIDING_MAX { 0 } else { *max }, *interval),
        };
        if count == 0 || interval.is_zero() || interval > DURATION_MAX {
            return Err(Invalid::new(
                "limit",
                "counts from 1 (a window holds at most 10000) and an interval above zero, at most ten years",
                format!("{self:?}"),
            ));
        }
        Ok(())
    }

    /// Asks for `cost` at once, and counts it if it is allowed.
    pub fn take(&self, tally: &mut Tally, cost: u32, now: Timestamp) -> Permit {
        match *self {
            Self::Smooth { rate, interval, burst } => smooth(tally, rate, interval, burst, cost, now),
            Self::Sliding { max, interval } => sliding(tally, max, interval, cost, now),
        }
    }

    /// How many may happen now, and when the next one may if none may now.
    pub fn room(&self, tally: &Tally, now: Timestamp) -> (u32, Duration) {
        let permit = self.take(&mut tally.clone(), 1, now);
        (permit.remaining + u32::from(permit.allowed), permit.retry_after)
    }

    /// How many may happen at once out of a full bucket.
    pub fn burst(&self) -> u32 {
        match *self {
            Self::Smooth { burst, .. } => burst,
            Self::Sliding { max, .. } => max,
        }
    }

    /// When a key that nobody asks for can be forgotten.
    pub fn idle_after(&self) -> Duration {
        match *self {
            Self::Smooth { rate, interval, burst } => {
                interval.mul_f64(f64::from(burst) / f64::from(rate.max(1)))
            }
            Self::Sliding { interval, .. } => interval,
        }
    }
}

fn smooth(tally: &mut Tally, rate: u32, interval: Duration, burst: u32, cost: u32, now: Timestamp) -> Permit {
    let now_us = now.as_millis().saturating_mul(1_000);
    let gap_us = (interval.as_micros() as f64 / f64::from(rate)).max(1.0);
    let room_us = gap_us * f64::from(burst);
    let start = tally.arrival_us.max(now_us);
    let next = start + (gap_us * f64::from(cost)).round() as i64;
    // Each gap was rounded by up to half a microsecond. That must not refuse what is exactly on time, nor what was
    // counted as remaining: who starts as many as there is room for counts each of them.
    let slack_us = 0.5 * f64::from(burst) + gap_us * 1e-6;
    let over_us = (next - now_us) as f64 - room_us;
    if over_us > slack_us {
        let remaining = ((room_us - (start - now_us) as f64) / gap_us).floor().max(0.0) as u32;
        return Permit {
            allowed: false,
            remaining,
            retry_after: Duration::from_millis((over_us / 1_000.0).ceil() as u64),
        };
    }
    tally.arrival_us = next;
    let remaining = ((room_us - (next - now_us) as f64) / gap_us + 1e-6).floor().max(0.0) as u32;
    Permit { allowed: true, remaining, retry_after: Duration::ZERO }
}

fn sliding(tally: &mut Tally, max: u32, interval: Duration, cost: u32, now: Timestamp) -> Permit {
    let horizon = (now - interval).as_millis();
    while tally.log.front().is_some_and(|at| *at <= horizon) {
        tally.log.pop_front();
    }
    let used = tally.log.len() as u32;
    if used.saturating_add(cost) > max {
        let must_leave = (used.saturating_add(cost) - max).min(used) as usize;
        let leaves_at = must_leave.checked_sub(1).and_then(|index| tally.log.get(index)).copied();
        let retry_after = leaves_at.map_or(interval, |at| (Timestamp::from_millis(at) + interval).since(now));
        return Permit { allowed: false, remaining: max - used.min(max), retry_after };
    }
    tally.log.extend(std::iter::repeat_n(now.as_millis(), cost as usize));
    Permit { allowed: true, remaining: max - used - cost, retry_after: Duration::ZERO }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn allowed(rule: Rule, steps: &[u16]) -> Vec<i64> {
        let (mut tally, mut now, mut times) = (Tally::default(), 1_700_000_000_000, Vec::new());
        for step in steps {
            now += i64::from(*step);
            let permit = rule.take(&mut tally, 1, Timestamp::from_millis(now));
            if permit.allowed {
                times.push(now);
            } else {
                let mut later = tally.clone();
                let retry = Timestamp::from_millis(now) + permit.retry_after;
                assert!(
                    rule.take(&mut later, 1, retry).allowed,
                    "asking again after {:?} must work",
                    permit.retry_after
                );
            }
        }
        times
    }

    proptest! {
        #[test]
        fn a_sliding_log_never_passes_its_maximum(steps in proptest::collection::vec(0u16..400, 1..200), max in 1u32..6) {
            let times = allowed(Rule::Sliding { max, interval: Duration::from_secs(1) }, &steps);
            for (index, start) in times.iter().enumerate() {
                let inside = times[index..].iter().filter(|at| **at < start + 1_000).count();
                prop_assert!(inside <= max as usize);
            }
        }

        #[test]
        fn a_smooth_limit_keeps_its_bound_in_every_window(steps in proptest::collection::vec(0u16..400, 1..200), rate in 1u32..6, burst in 1u32..6) {
            let times = allowed(Rule::Smooth { rate, interval: Duration::from_secs(1), burst }, &steps);
            for (index, start) in times.iter().enumerate() {
                for (count, end) in times[index..].iter().enumerate() {
                    let window = (end - start) as f64 / 1_000.0;
                    prop_assert!((count + 1) as f64 <= f64::from(burst) + f64::from(rate) * window + 1e-3);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn whoever_starts_what_there_is_room_for_counts_each_of_them(
            steps in proptest::collection::vec(0u16..3_000, 1..40),
            rate in 1u32..60, burst in 1u32..60, interval in 1u64..5_000,
        ) {
            let rule = Rule::Smooth { rate, interval: Duration::from_millis(interval), burst };
            let (mut tally, mut now, mut times) = (Tally::default(), 1_700_000_000_000, Vec::new());
            for step in steps {
                now += i64::from(step);
                for _ in 0..rule.room(&tally, Timestamp::from_millis(now)).0 {
                    prop_assert!(rule.take(&mut tally, 1, Timestamp::from_millis(now)).allowed, "{rule:?} {tally:?}");
                    times.push(now);
                }
            }
            for (index, start) in times.iter().enumerate() {
                for (count, end) in times[index..].iter().enumerate() {
                    let most = f64::from(rate) * (end - start) as f64 / interval as f64 + f64::from(burst);
                    prop_assert!((count + 1) as f64 <= most + 0.01, "{} in {}", count + 1, end - start);
                }
            }
        }
    }

    #[test]
    fn a_full_bucket_gives_its_burst_at_once() {
        let rule = Rule::Smooth { rate: 5, interval: Duration::from_secs(1), burst: 3 };
        assert_eq!(allowed(rule, &[0, 0, 0, 0, 200, 0]).len(), 4);
        assert!(Rule::Sliding { max: 0, interval: Duration::from_secs(1) }.check().is_err());
    }
}
