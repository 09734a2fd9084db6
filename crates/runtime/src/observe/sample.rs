//! Every ten seconds each process with a worker or a keeper writes down what it did; nothing, if it did nothing.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use longshore_core::{QueueInfo, QueueName, State, StoreError, StoreResult, Wake};
use longshore_telemetry::Snapshot;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::meters::{Meters, QueueMeters};
use crate::engine::Engine;

/// Samples are taken so often, at full tens of seconds of the wall clock.
pub(super) const EVERY: Duration = Duration::from_secs(10);
/// Where they stand in the store.
pub(super) const LOG: &str = "samples";
/// Entries that are kept: 2000 samples of five processes.
pub(super) const ENTRIES_KEPT: usize = 10_000;
/// Queues in one entry that were worked on, and as many that have jobs; the busiest ones.
const QUEUES_MAX: usize = 50;

/// What one process did for one queue in a time.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Work {
    /// As [`COUNTERS`] has them.
    pub(super) counts: [u64; 6],
    pub(super) wait: Times,
    pub(super) run: Times,
}

/// The counters of a sample, in the order of its numbers.
pub(super) const COUNTERS: [fn(&QueueMeters) -> &AtomicU64; 6] = [
    |meters| &meters.inserted,
    |meters| &meters.started,
    |meters| &meters.completed,
    |meters| &meters.failed,
    |meters| &meters.cancelled,
    |meters| &meters.retried,
];

/// A histogram with only the buckets that hold something.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Times {
    total_us: u64,
    max_us: u64,
    buckets: Vec<(usize, u64)>,
}

impl Times {
    fn since(now: &Snapshot, before: Option<&Snapshot>) -> Self {
        let new = before.map_or_else(|| now.clone(), |before| now.since(before));
        Self {
            total_us: new.total().as_micros() as u64,
            max_us: new.max().as_micros() as u64,
            buckets: new.buckets().collect(),
        }
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot::of(self.buckets.iter().copied(), self.total_us, self.max_us)
    }

    fn add(&mut self, other: &Self) {
        let mut sum = self.snapshot();
        sum.add(&other.snapshot());
        *self = Self::since(&sum, None);
    }
}

impl Work {
    fn is_nothing(&self) -> bool {
        self.counts == [0; 6] && self.run.buckets.is_empty() && self.wait.buckets.is_empty()
    }

    fn add(&mut self, other: &Self) {
        for (sum, more) in self.counts.iter_mut().zip(other.counts) {
            *sum += more;
        }
        self.wait.add(&other.wait);
        self.run.add(&other.run);
    }
}

/// How many jobs wait and run: blocked, scheduled, ready, running.
pub(super) type Waiting = [u64; 4];

fn waiting(info: &QueueInfo) -> Waiting {
    [State::Blocked, State::Scheduled, State::Ready, State::Running].map(|state| info.counts.get(state))
}

/// One entry of the log.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Entry {
    /// The end of the time that it tells of, in milliseconds.
    pub(super) at: i64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) work: BTreeMap<QueueName, Work>,
    /// Queues that hold jobs which have not ended, if the process looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) depth: Option<BTreeMap<QueueName, Waiting>>,
}

/// What was there when the last sample was taken.
struct Reading {
    counts: [u64; 6],
    wait: Snapshot,
    run: Snapshot,
}

/// Takes the samples of one process.
#[derive(Default)]
pub(crate) struct Sampler(Mutex<Taken>);

#[derive(Default)]
struct Taken {
    readings: HashMap<QueueName, Reading>,
    depth: BTreeMap<QueueName, Waiting>,
    /// What the store has not taken yet.
    left: BTreeMap<QueueName, Work>,
}

impl Taken {
    fn read(&mut self, meters: &Meters) {
        for (name, meters) in meters.all() {
            let now = Reading {
                counts: COUNTERS.map(|counter| counter(&meters).load(Ordering::Relaxed)),
                wait: meters.wait.snapshot(),
                run: meters.run.snapshot(),
            };
            let before = self.readings.get(&name);
            let mut work = Work {
                counts: now.counts,
                wait: Times::since(&now.wait, before.map(|before| &before.wait)),
                run: Times::since(&now.run, before.map(|before| &before.run)),
            };
            if let Some(before) = before {
                for (count, before) in work.counts.iter_mut().zip(before.counts) {
                    *count -= before;
                }
            }
            if !work.is_nothing() {
                self.left.entry(name.clone()).or_default().add(&work);
            }
            self.readings.insert(name, now);
        }
    }

    /// The busiest queues by their names, and all others as one.
    fn work(&self) -> BTreeMap<QueueName, Work> {
        let mut busiest: Vec<(&QueueName, &Work)> = self.left.iter().collect();
        busiest.sort_by_key(|(_, work)| std::cmp::Reverse(work.counts.iter().sum::<u64>()));
        let mut shown = BTreeMap::new();
        for (place, (name, work)) in busiest.into_iter().enumerate() {
            let name = if place < QUEUES_MAX { name.clone() } else { Meters::others() };
            shown.entry(name).or_insert_with(Work::default).add(work);
        }
        shown
    }
}

impl Engine {
    /// Writes down what this process did since the last time; and how many jobs wait, if it shall look and that changed.
    pub(crate) async fn sample(&self, looks: bool) -> StoreResult<()> {
        // In a task of its own: whoever stops waiting for it must not leave open whether it was written.
        let engine = self.clone();
        let taken = tokio::spawn(async move { engine.take_sample(looks).await });
        taken.await.unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string())))
    }

    async fn take_sample(&self, looks: bool) -> StoreResult<()> {
        let mut taken = self.shared.sampler.0.lock().await;
        taken.read(self.meters());
        let mut depth = None;
        if looks {
            let mut queues = self.store().queues().await?;
            queues.sort_by_key(|info| std::cmp::Reverse(waiting(info).iter().sum::<u64>()));
            let queues = queues.into_iter().take(QUEUES_MAX).map(|info| (info.name.clone(), waiting(&info)));
            let now: BTreeMap<_, _> = queues.filter(|(_, waiting)| *waiting != [0; 4]).collect();
            depth = (now != taken.depth || !taken.left.is_empty()).then_some(now);
        }
        if taken.left.is_empty() && depth.is_none() {
            return Ok(());
        }
        let entry = Entry { at: self.now().as_millis(), work: taken.work(), depth: depth.clone() };
        let entry = Bytes::from(serde_json::to_vec(&entry).unwrap_or_default());
        self.store().log_append(LOG, vec![entry], ENTRIES_KEPT).await?;
        taken.left.clear();
        if let Some(depth) = depth {
            taken.depth = depth;
        }
        Ok(())
    }

    /// Takes samples for ever. One that shall look does so only after something has rung, on a store that rings.
    pub(crate) async fn sample_on(&self, looks: bool) {
        let (clock, every) = (&self.door().clock, EVERY.as_millis() as i64);
        let (mut wakes, mut rung) = (self.store().wakeups(), true);
        loop {
            let now = clock.now();
            let left = clock.after(Duration::from_millis((every - now.as_millis().rem_euclid(every)) as u64));
            while !left.is_over() {
                tokio::select! {
                    () = left.wait() => {}
                    wake = wakes.next(), if !rung => rung = !matches!(wake, Some(Wake::Log(_))),
                }
            }
            let looks = looks && (rung || !self.store().can().push);
            // Anew, because after the first ring nobody listens to the others; and before the look, so that none is lost.
            (wakes, rung) = (self.store().wakeups(), false);
            if let Err(error) = self.sample(looks).await {
                tracing::debug!(%error, "a sample was not stored; the next one tells of it");
            }
        }
    }
}
