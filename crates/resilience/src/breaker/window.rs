//! What a breaker remembers of the calls that ended lately.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Serialize;

/// Parts into which a window of time is cut.
const SLICES: usize = 30;

/// Which calls count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CircuitWindow {
    /// Those of so much time, in thirty slices.
    Time(Duration),
    /// The last so many.
    Count(usize),
}

/// Calls that ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CircuitCounts {
    /// All of them but the ignored ones.
    pub total: u64,
    /// Those that failed.
    pub failures: u64,
    /// Those that took too long, whether they failed or not.
    pub slow: u64,
}

impl CircuitCounts {
    pub(super) fn one(failed: bool, slow: bool) -> Self {
        Self { total: 1, failures: failed.into(), slow: slow.into() }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.total += other.total;
        self.failures += other.failures;
        self.slow += other.slow;
    }

    fn take_off(&mut self, other: Self) {
        self.total -= other.total;
        self.failures -= other.failures;
        self.slow -= other.slow;
    }

    /// Failures among all; 0 if there was no call.
    pub fn failure_rate(&self) -> f64 {
        if self.total == 0 { 0.0 } else { self.failures as f64 / self.total as f64 }
    }

    /// Slow ones among all; 0 if there was no call.
    pub fn slow_rate(&self) -> f64 {
        if self.total == 0 { 0.0 } else { self.slow as f64 / self.total as f64 }
    }
}

/// The counts of a window, kept in constant time for each call.
#[derive(Debug)]
pub(super) struct Window {
    kept: Kept,
    sum: CircuitCounts,
}

#[derive(Debug)]
enum Kept {
    Slices { length: u64, counts: Box<[CircuitCounts; SLICES]>, newest: u64 },
    Last { calls: VecDeque<CircuitCounts>, most: usize },
}

fn nanos(time: Duration) -> u64 {
    time.as_nanos().min(u64::MAX.into()) as u64
}

impl CircuitWindow {
    /// The length of a slice, in nanoseconds.
    pub(super) fn slice(self) -> u64 {
        match self {
            Self::Time(time) => nanos(time / SLICES as u32).max(1),
            Self::Count(_) => u64::MAX,
        }
    }

    /// The slice of a time.
    pub(super) fn slice_of(length: u64, now: Duration) -> u64 {
        nanos(now) / length
    }
}

impl Window {
    pub(super) fn new(shape: CircuitWindow) -> Self {
        let kept = match shape {
            CircuitWindow::Time(_) => Kept::Slices {
                length: shape.slice(),
                counts: Box::new([CircuitCounts::default(); SLICES]),
                newest: 0,
            },
            CircuitWindow::Count(most) => Kept::Last { calls: VecDeque::new(), most },
        };
        Self { kept, sum: CircuitCounts::default() }
    }

    /// Forgets everything.
    pub(super) fn empty(&mut self) {
        self.sum = CircuitCounts::default();
        match &mut self.kept {
            Kept::Slices { counts, .. } => **counts = [CircuitCounts::default(); SLICES],
            Kept::Last { calls, .. } => calls.clear(),
        }
    }

    /// Counts a call that ended at `now`, and gives what counts then.
    pub(super) fn record(&mut self, now: Duration, failed: bool, slow: bool) -> CircuitCounts {
        self.forget(now);
        let call = CircuitCounts::one(failed, slow);
        match &mut self.kept {
            Kept::Slices { counts, newest, .. } => counts[*newest as usize % SLICES].add(call),
            Kept::Last { calls, most } => {
                if calls.len() >= *most
                    && let Some(oldest) = calls.pop_front()
                {
                    self.sum.take_off(oldest);
                }
                calls.push_back(call);
            }
        }
        self.sum.add(call);
        self.sum
    }

    /// Counts successes that ended so many slices before `now`.
    pub(super) fn record_successes(&mut self, now: Duration, age: u64, count: u64) {
        self.forget(now);
        let Kept::Slices { counts, newest, .. } = &mut self.kept else { return };
        let Some(slice) = newest.checked_sub(age).filter(|_| age < SLICES as u64) else { return };
        let calls = CircuitCounts { total: count, failures: 0, slow: 0 };
        counts[slice as usize % SLICES].add(calls);
        self.sum.add(calls);
    }

    /// Whether nothing in it is wrong, so that more successes change nothing; never for a window of calls, in which each
    /// success pushes another call out.
    pub(super) fn is_clean(&self) -> bool {
        matches!(self.kept, Kept::Slices { .. }) && self.sum.failures == 0 && self.sum.slow == 0
    }

    /// What counts at `now`.
    pub(super) fn counts(&mut self, now: Duration) -> CircuitCounts {
        self.forget(now);
        self.sum
    }

    /// Lets go of slices that are too old.
    fn forget(&mut self, now: Duration) {
        let Kept::Slices { length, counts, newest } = &mut self.kept else { return };
        let slice = CircuitWindow::slice_of(*length, now);
        let passed = slice.saturating_sub(*newest).min(SLICES as u64);
        for gone in 0..passed {
            let oldest = &mut counts[(slice - gone) as usize % SLICES];
            self.sum.take_off(std::mem::take(oldest));
        }
        *newest = slice.max(*newest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_of_time_forgets_slice_by_slice() {
        let mut window = Window::new(CircuitWindow::Time(Duration::from_secs(30)));
        for second in 0..60 {
            window.record(Duration::from_secs(second), second % 2 == 0, false);
            let last = (second + 1).min(30);
            assert_eq!(window.counts(Duration::from_secs(second)).total, last, "{second}");
        }
        assert_eq!(window.counts(Duration::from_secs(74)), CircuitCounts { total: 15, failures: 7, slow: 0 });
        assert_eq!(window.counts(Duration::from_secs(1_000)), CircuitCounts::default());
    }

    #[test]
    fn a_window_of_calls_keeps_the_last() {
        let mut window = Window::new(CircuitWindow::Count(3));
        for call in 0..10 {
            window.record(Duration::ZERO, call == 8, call < 8);
        }
        assert_eq!(window.counts(Duration::ZERO), CircuitCounts { total: 3, failures: 1, slow: 1 });
        window.empty();
        assert_eq!(window.counts(Duration::ZERO).total, 0);
    }
}
