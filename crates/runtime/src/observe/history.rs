use std::collections::BTreeMap;

use longshore_core::{Invalid, QueueName, StoreResult, Timestamp};
use longshore_telemetry::Snapshot;
use serde::{Deserialize, Serialize};

use super::sample::{ENTRIES_KEPT, EVERY, Entry, LOG, Waiting, Work};
use crate::control::Control;

/// Samples in one history.
pub const SAMPLES_MAX: usize = 500;
/// Entries that are read in one step.
const PAGE: usize = 500;

/// What all processes with a worker or a keeper did, ten seconds at a time, the oldest first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct History {
    /// Ten seconds each, and only those in which something happened.
    pub samples: Vec<Span>,
    /// All of them together.
    pub total: Option<Span>,
}

/// A stretch of time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Span {
    /// Its beginning.
    pub from: Timestamp,
    /// Its end.
    pub to: Timestamp,
    /// What happened, by queue.
    pub queues: BTreeMap<QueueName, Figures>,
}

/// What happened in one queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Jobs inserted by these processes.
    pub inserted: u64,
    /// Attempts started.
    pub started: u64,
    /// Jobs completed.
    pub completed: u64,
    /// Jobs failed for good.
    pub failed: u64,
    /// Jobs cancelled while they ran.
    pub cancelled: u64,
    /// Attempts that failed and were followed by another.
    pub retried: u64,
    /// Completed jobs per second.
    pub completed_per_s: f64,
    /// Retried of started attempts; none if nothing started.
    pub retry_ratio: Option<f64>,
    /// From insert or due time to the first start; none if nothing started.
    pub wait_ms: Option<Percentiles>,
    /// From start to end of attempts; none if none ended.
    pub run_ms: Option<Percentiles>,
    /// Jobs that have not ended, at the end of the time; none if nobody looked.
    pub depth: Option<Depth>,
}

/// Percentiles in milliseconds, to one part in eight.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Percentiles {
    /// Half of them took at most so long.
    pub p50: f64,
    /// 95 of 100.
    pub p95: f64,
    /// 99 of 100.
    pub p99: f64,
}

/// Jobs of a queue that have not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Depth {
    /// Waiting for jobs.
    pub blocked: u64,
    /// Waiting for a time.
    pub scheduled: u64,
    /// Waiting for a worker.
    pub ready: u64,
    /// Running.
    pub running: u64,
}

impl From<Waiting> for Depth {
    fn from([blocked, scheduled, ready, running]: Waiting) -> Self {
        Self { blocked, scheduled, ready, running }
    }
}

impl Percentiles {
    fn of(times: &Snapshot) -> Option<Self> {
        let at = |share| times.quantile(share).map(|time| time.as_secs_f64() * 1_000.0);
        Some(Self { p50: at(0.5)?, p95: at(0.95)?, p99: at(0.99)? })
    }
}

/// The sum of what several entries tell of one queue.
#[derive(Clone, Default)]
struct Sum {
    counts: [u64; 6],
    wait: Snapshot,
    run: Snapshot,
    depth: Option<Waiting>,
}

impl Sum {
    fn add(&mut self, work: &Work) {
        for (sum, more) in self.counts.iter_mut().zip(work.counts) {
            *sum += more;
        }
        self.wait.add(&work.wait.snapshot());
        self.run.add(&work.run.snapshot());
    }

    fn figures(&self, seconds: f64) -> Figures {
        let [inserted, started, completed, failed, cancelled, retried] = self.counts;
        Figures {
            inserted,
            started,
            completed,
            failed,
            cancelled,
            retried,
            completed_per_s: completed as f64 / seconds,
            retry_ratio: (started > 0).then(|| retried as f64 / started as f64),
            wait_ms: Percentiles::of(&self.wait),
            run_ms: Percentiles::of(&self.run),
            depth: self.depth.map(Depth::from),
        }
    }
}

type Sums = BTreeMap<QueueName, Sum>;

/// Adds what one entry tells; one that looked knows of all queues how many jobs they hold.
fn add(sums: &mut Sums, entry: &Entry) {
    for (name, work) in &entry.work {
        sums.entry(name.clone()).or_default().add(work);
    }
    let Some(depth) = &entry.depth else { return };
    for (name, waiting) in depth {
        sums.entry(name.clone()).or_default().depth = Some(*waiting);
    }
    for (_, sum) in sums.iter_mut().filter(|(name, _)| !depth.contains_key(*name)) {
        sum.depth = Some([0; 4]);
    }
}

fn span(from: i64, to: i64, sums: &Sums) -> Span {
    let seconds = (to - from) as f64 / 1_000.0;
    let queues = sums.iter().map(|(name, sum)| (name.clone(), sum.figures(seconds)));
    Span { from: Timestamp::from_millis(from), to: Timestamp::from_millis(to), queues: queues.collect() }
}

impl Control {
    /// The newest samples, at most `limit` (1 to [`SAMPLES_MAX`]), of one queue or of all. What processes did that only insert, such as the
    /// command line, is in the depth and not in the counts.
    pub async fn history(&self, queue: Option<&QueueName>, limit: usize) -> StoreResult<History> {
        if !(1..=SAMPLES_MAX).contains(&limit) {
            let expected = format!("a whole number from 1 to {SAMPLES_MAX}");
            return Err(Invalid::new("limit", expected, limit).into());
        }
        let every = EVERY.as_millis() as i64;
        // An entry is written a moment after the time that it tells of.
        let slot = |entry: &Entry| (entry.at - every / 2).div_euclid(every) * every;
        let mut slots: BTreeMap<i64, Vec<Entry>> = BTreeMap::new();
        let mut end = self.engine().store().log_end(LOG).await?;
        let last = end.saturating_sub(ENTRIES_KEPT as u64);
        while end > last && slots.len() <= limit {
            let start = end.saturating_sub(PAGE as u64).max(last);
            let page = self.engine().store().log_read(LOG, start, (end - start) as usize).await?;
            for entry in
                page.iter().rev().filter_map(|entry| serde_json::from_slice::<Entry>(&entry.value).ok())
            {
                slots.entry(slot(&entry)).or_default().push(entry);
            }
            end = start;
        }
        while slots.len() > limit {
            slots.pop_first();
        }
        let (mut samples, mut total) = (Vec::new(), Sums::new());
        for (from, entries) in &mut slots {
            entries.sort_by_key(|entry| entry.at);
            let mut sums = Sums::new();
            for entry in entries {
                if let Some(queue) = queue {
                    entry.work.retain(|name, _| name == queue);
                    entry.depth.iter_mut().for_each(|depth| depth.retain(|name, _| name == queue));
                }
                add(&mut sums, entry);
                add(&mut total, entry);
            }
            samples.push(span(*from, from + every, &sums));
        }
        let ends = slots.first_key_value().zip(slots.last_key_value());
        let total = ends.map(|((from, _), (to, _))| span(*from, to + every, &total));
        Ok(History { samples, total })
    }
}
