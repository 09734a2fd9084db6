use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Eight steps per doubling: what a quantile says is at most one part in eight above the value.
const STEPS: usize = 8;
/// From one microsecond to more than a day.
const DOUBLINGS: usize = 38;
const BUCKETS: usize = STEPS * DOUBLINGS;

/// How long things took. Fixed memory (2.4 KiB), lock-free, two atomic additions per record.
pub struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    total_ns: AtomicU64,
    max_ns: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: [const { AtomicU64::new(0) }; BUCKETS],
            total_ns: AtomicU64::new(0),
            max_ns: AtomicU64::new(0),
        }
    }
}

fn bucket(us: u64) -> usize {
    let us = us.max(STEPS as u64);
    let doubling = us.ilog2() as usize;
    let step = (us >> (doubling - 3)) as usize - STEPS;
    ((doubling - 3) * STEPS + step).min(BUCKETS - 1)
}

/// The upper end of a bucket, in microseconds.
fn bound(bucket: usize) -> u64 {
    let (doubling, step) = (bucket / STEPS, bucket % STEPS);
    ((STEPS + step + 1) as u64) << doubling
}

impl Histogram {
    /// Counts one duration.
    pub fn record(&self, duration: Duration) {
        let ns = duration.as_nanos().min(u64::MAX.into()) as u64;
        self.buckets[bucket(ns / 1_000)].fetch_add(1, Ordering::Relaxed);
        self.total_ns.fetch_add(ns, Ordering::Relaxed);
        // Most often there was a longer one before, and a look is cheaper than a write.
        if ns > self.max_ns.load(Ordering::Relaxed) {
            self.max_ns.fetch_max(ns, Ordering::Relaxed);
        }
    }

    /// Forgets what was counted.
    pub(crate) fn clear(&self) {
        let figures = self.buckets.iter().chain([&self.total_ns, &self.max_ns]);
        for figure in figures {
            figure.store(0, Ordering::Relaxed);
        }
    }

    /// What was counted so far.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            buckets: self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect(),
            total: Duration::from_nanos(self.total_ns.load(Ordering::Relaxed)),
            max: Duration::from_nanos(self.max_ns.load(Ordering::Relaxed)),
        }
    }
}

/// What a histogram had counted at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    buckets: Vec<u64>,
    total: Duration,
    max: Duration,
}

impl Default for Snapshot {
    /// Nothing was counted.
    fn default() -> Self {
        Self { buckets: vec![0; BUCKETS], total: Duration::ZERO, max: Duration::ZERO }
    }
}

impl Snapshot {
    /// How many.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Their sum.
    pub fn total(&self) -> Duration {
        self.total
    }

    /// The longest.
    pub fn max(&self) -> Duration {
        self.max
    }

    /// The duration that `share` (0 to 1) of them did not pass; none if nothing was counted.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let wanted = (self.count() as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        let found = self.buckets.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        found.map(|bucket| Duration::from_micros(bound(bucket)).min(self.max.max(Duration::from_nanos(1))))
    }

    /// The buckets that hold something: their numbers, and how many.
    pub fn buckets(&self) -> impl Iterator<Item = (usize, u64)> {
        self.buckets.iter().copied().enumerate().filter(|(_, count)| *count > 0)
    }

    /// Out of such buckets; those that there are not are left out.
    pub fn of(buckets: impl IntoIterator<Item = (usize, u64)>, total_us: u64, max_us: u64) -> Self {
        let (total, max) = (Duration::from_micros(total_us), Duration::from_micros(max_us));
        let mut all = Self { total, max, ..Self::default() };
        for (bucket, count) in buckets {
            if let Some(sum) = all.buckets.get_mut(bucket) {
                *sum += count;
            }
        }
        all
    }

    /// What was counted after an earlier moment. The longest is that of all time.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let pairs = self.buckets.iter().zip(&earlier.buckets);
        Self {
            buckets: pairs.map(|(now, before)| now.saturating_sub(*before)).collect(),
            total: self.total.saturating_sub(earlier.total),
            max: self.max,
        }
    }

    /// Adds what another one counted.
    pub fn add(&mut self, other: &Self) {
        for (sum, more) in self.buckets.iter_mut().zip(&other.buckets) {
            *sum += more;
        }
        self.total += other.total;
        self.max = self.max.max(other.max);
    }

    /// How many took at most `limit`, to the precision of a bucket.
    pub fn up_to(&self, limit: Duration) -> u64 {
        let last = bucket(limit.as_micros() as u64);
        self.buckets[..=last].iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_close_to_the_truth() {
        let histogram = Histogram::default();
        for ms in 1..=1_000 {
            histogram.record(Duration::from_millis(ms));
        }
        let snapshot = histogram.snapshot();
        assert_eq!(snapshot.count(), 1_000);
        for (share, truth) in [(0.5, 500.0), (0.95, 950.0), (0.99, 990.0)] {
            let found = snapshot.quantile(share).unwrap().as_secs_f64() * 1_000.0;
            assert!((found / truth - 1.0).abs() < 0.13, "{share}: {found} against {truth}");
        }
        assert_eq!(snapshot.max(), Duration::from_secs(1));
        assert!(Histogram::default().snapshot().quantile(0.5).is_none());
    }

    #[test]
    fn buckets_rise_and_hold_their_values() {
        for us in [0, 7, 8, 9, 15, 16, 17, 1_000, 123_456, u64::MAX / 2] {
            let bucket = bucket(us);
            assert!(bucket == BUCKETS - 1 || bound(bucket) > us, "{us}");
            assert!(bucket == 0 || bound(bucket - 1) <= us.max(STEPS as u64), "{us}");
        }
    }
}
