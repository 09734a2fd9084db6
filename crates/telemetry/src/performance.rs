//! How long things take, by name: `record("render")` and it is measured until the guard is dropped.

use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use foldhash::fast::RandomState;
use longshore_clock::Stopwatch;
use serde::Serialize;

use crate::{Exposition, Histogram};

/// Names with figures of their own; what comes under further names counts under [`OTHER`].
pub const NAMES_MAX: usize = 1_000;
/// The name of everything beyond.
pub const OTHER: &str = "(other)";
/// Places for names, so many that most names are found at the first look.
const SLOTS: usize = 2_048;
/// The longest name, in bytes; longer ones count under [`OTHER`].
pub const NAME_MAX: usize = 256;

/// What was measured under a name, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct PerformanceMetrics {
    /// How often.
    pub count: u64,
    /// How often with an error.
    pub errors: u64,
    /// On average; none if there was nothing.
    pub avg: Option<f64>,
    /// The shortest.
    pub min: Option<f64>,
    /// The longest.
    pub max: Option<f64>,
    /// The latest.
    pub last: Option<f64>,
    /// All together.
    pub total: f64,
    /// Half of them took at most this, to one part in eight; below 9 µs it says 9 µs.
    pub p50: Option<f64>,
    /// 95 of 100 took at most this.
    pub p95: Option<f64>,
    /// 99 of 100 took at most this.
    pub p99: Option<f64>,
}

struct Record {
    name: Box<str>,
    times: Histogram,
    min_ns: AtomicU64,
    last_ns: AtomicU64,
    errors: AtomicU64,
}

impl Record {
    fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            times: Histogram::default(),
            min_ns: AtomicU64::new(u64::MAX),
            last_ns: AtomicU64::new(0),
            errors: AtomicU64::new(0),
        }
    }

    fn clear(&self) {
        self.times.clear();
        self.min_ns.store(u64::MAX, Ordering::Relaxed);
        self.last_ns.store(0, Ordering::Relaxed);
        self.errors.store(0, Ordering::Relaxed);
    }

    fn note(&self, time: Duration, failed: bool) {
        let ns = time.as_nanos().min(u64::MAX.into()) as u64;
        self.times.record(time);
        self.last_ns.store(ns, Ordering::Relaxed);
        if ns < self.min_ns.load(Ordering::Relaxed) {
            self.min_ns.fetch_min(ns, Ordering::Relaxed);
        }
        if failed {
            self.errors.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn read(&self) -> PerformanceMetrics {
        let times = self.times.snapshot();
        let count = times.count();
        if count == 0 {
            return PerformanceMetrics::default();
        }
        let seconds = |ns: u64| ns as f64 / 1e9;
        let (total, max) = (times.total().as_secs_f64(), times.max().as_secs_f64());
        let quantile = |share: f64| times.quantile(share).map(|time| time.as_secs_f64());
        PerformanceMetrics {
            count,
            errors: self.errors.load(Ordering::Relaxed),
            avg: Some(total / count as f64),
            // The first one may be counted and not yet noted here.
            min: Some(self.min_ns.load(Ordering::Relaxed)).filter(|ns| *ns != u64::MAX).map(seconds),
            max: Some(max),
            last: Some(seconds(self.last_ns.load(Ordering::Relaxed))),
            total,
            p50: quantile(0.5),
            p95: quantile(0.95),
            p99: quantile(0.99),
        }
    }
}

/// Figures by name, in fixed memory for each: 2.5 KiB.
///
/// A name is looked up without a lock and without a write, since names are added only.
pub struct Performance {
    /// A record is at the first place that was free from where its hash points to.
    slots: Box<[OnceLock<Box<Record>>]>,
    hash: RandomState,
    /// How many names there are.
    names: Mutex<usize>,
}

impl Default for Performance {
    fn default() -> Self {
        Self {
            slots: (0..SLOTS).map(|_| OnceLock::new()).collect(),
            hash: RandomState::default(),
            names: Mutex::new(0),
        }
    }
}

/// The figures of this process; see [`record()`].
pub static PERFORMANCE: LazyLock<Performance> = LazyLock::new(Performance::default);

impl Performance {
    /// Starts to measure under a name.
    pub fn record(&self, name: &str) -> Recording<'_> {
        Recording { record: self.of(name), watch: Stopwatch::start(), failed: false }
    }

    /// Measures what an async call takes, also if it is dropped on the way. An error counts as one.
    pub async fn record_async<T, E>(
        &self,
        name: &str,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let mut recording = self.record(name);
        let ended = call.await;
        recording.failed = ended.is_err();
        ended
    }

    fn of(&self, name: &str) -> &Record {
        match self.find(name) {
            Ok(record) => record,
            Err(_) => self.add(name),
        }
    }

    /// The record of a name, or the place where it would be.
    fn find(&self, name: &str) -> Result<&Record, &OnceLock<Box<Record>>> {
        let mut place = self.hash.hash_one(name) as usize % SLOTS;
        loop {
            match self.slots[place].get() {
                None => return Err(&self.slots[place]),
                Some(record) if *record.name == *name => return Ok(record),
                // There are fewer names than places.
                Some(_) => place = (place + 1) % SLOTS,
            }
        }
    }

    #[cold]
    fn add(&self, name: &str) -> &Record {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = name.len() > NAME_MAX || *names >= NAMES_MAX && self.find(name).is_err();
        let name = if is_full { OTHER } else { name };
        self.find(name).unwrap_or_else(|place| {
            *names += 1;
            place.get_or_init(|| Box::new(Record::new(name)))
        })
    }

    /// Those of which something was measured, by name.
    fn records(&self) -> BTreeMap<&str, &Record> {
        let records = self.slots.iter().filter_map(OnceLock::get);
        let records = records.filter(|record| record.times.snapshot().count() > 0);
        records.map(|record| (&*record.name, &**record)).collect()
    }

    /// What was measured, by name.
    pub fn get_metrics(&self) -> BTreeMap<&str, PerformanceMetrics> {
        self.records().into_iter().map(|(name, record)| (name, record.read())).collect()
    }

    /// Adds all figures to a scrape: a histogram of times and a count of errors for each name.
    pub fn expose(&self, out: &mut Exposition) {
        let records = self.records();
        for (name, record) in &records {
            let labels = [("name", *name)];
            let help = "How long what is measured by name took.";
            out.histogram("longshore_performance_seconds", help, &labels, &record.times.snapshot());
        }
        for (name, record) in &records {
            let help = "How often it ended with an error.";
            let errors = record.errors.load(Ordering::Relaxed);
            out.counter("longshore_performance_errors_total", help, &[("name", name)], errors);
        }
    }

    /// Forgets all figures; names keep their places. What ends in the same moment may count in part.
    pub fn clear(&self) {
        for record in self.slots.iter().filter_map(OnceLock::get) {
            record.clear();
        }
    }
}

/// Measures until it is dropped.
#[must_use = "it measures until it is dropped"]
pub struct Recording<'a> {
    record: &'a Record,
    watch: Stopwatch,
    failed: bool,
}

impl Recording<'_> {
    /// What is measured has failed.
    pub fn fail(&mut self) {
        self.failed = true;
    }
}

impl Drop for Recording<'_> {
    fn drop(&mut self) {
        self.record.note(self.watch.elapsed(), self.failed || std::thread::panicking());
    }
}

/// Starts to measure under a name, for this process.
pub fn record(name: &str) -> Recording<'static> {
    PERFORMANCE.record(name)
}

/// Measures what an async call takes, for this process.
pub async fn record_async<T, E>(name: &str, call: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    PERFORMANCE.record_async(name, call).await
}

/// What was measured in this process, by name.
pub fn get_metrics() -> BTreeMap<&'static str, PerformanceMetrics> {
    PERFORMANCE.get_metrics()
}

/// Forgets what was measured in this process.
pub fn clear() {
    PERFORMANCE.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_measured_agrees_with_itself() {
        let performance = Performance::default();
        assert!(performance.get_metrics().is_empty());
        for _ in 0..100 {
            drop(performance.record("a"));
        }
        performance.record("a").fail();
        let metrics = performance.get_metrics()["a"];
        assert_eq!((metrics.count, metrics.errors), (101, 1));
        let [min, avg, max] = [metrics.min, metrics.avg, metrics.max].map(Option::unwrap);
        assert!(min <= avg && avg <= max && max <= metrics.total);
        assert!((avg * 101.0 - metrics.total).abs() < 1e-9);
        assert!(metrics.p50.unwrap() <= metrics.p99.unwrap() && metrics.p99.unwrap() <= max);
        performance.clear();
        assert!(performance.get_metrics().is_empty());
        performance.record("a").fail();
        let metrics = performance.get_metrics()["a"];
        assert_eq!((metrics.count, metrics.errors, metrics.min), (1, 1, metrics.max));
    }

    #[test]
    fn a_panic_and_an_error_are_errors() {
        let performance = Performance::default();
        let panics = std::panic::AssertUnwindSafe(|| {
            let _recording = performance.record("b");
            panic!("on purpose");
        });
        assert!(std::panic::catch_unwind(panics).is_err());
        assert_eq!(performance.get_metrics()["b"].errors, 1);
    }

    #[test]
    fn names_are_bounded() {
        let performance = Performance::default();
        for name in 0..NAMES_MAX + 50 {
            drop(performance.record(&name.to_string()));
        }
        let metrics = performance.get_metrics();
        assert_eq!((metrics.len(), metrics[OTHER].count), (NAMES_MAX + 1, 50));
        drop(performance.record(&"long".repeat(NAME_MAX)));
        assert_eq!(performance.get_metrics()[OTHER].count, 51);
        performance.clear();
        for name in 0..NAMES_MAX + 50 {
            drop(performance.record(&name.to_string()));
        }
        let metrics = performance.get_metrics();
        assert_eq!(metrics.values().map(|metrics| metrics.count).sum::<u64>(), NAMES_MAX as u64 + 50);
    }

    #[test]
    fn an_async_call_is_measured_also_when_it_is_dropped() {
        use std::task::{Context, Waker};
        let performance = Performance::default();
        let mut context = Context::from_waker(Waker::noop());
        let mut failed = Box::pin(performance.record_async("c", async { Err::<(), _>("no") }));
        assert!(failed.as_mut().poll(&mut context).is_ready());
        let mut endless = Box::pin(performance.record_async("c", std::future::pending::<Result<(), ()>>()));
        assert!(endless.as_mut().poll(&mut context).is_pending());
        drop(endless);
        let metrics = performance.get_metrics()["c"];
        assert_eq!((metrics.count, metrics.errors), (2, 1));
    }
}
