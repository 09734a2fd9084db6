use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::limits::WORKER_TTL;
use crate::{DurationText, JobId, KindName, Limit, QueueName, Timestamp, WorkerId};

/// A worker as it last told of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkerInfo {
    /// Its name.
    pub id: WorkerId,
    /// The machine it runs on.
    pub host: String,
    /// Its process.
    pub pid: u32,
    /// The version of Longshore it runs.
    pub version: String,
    /// The queues it serves; empty is every queue.
    pub queues: Vec<QueueName>,
    /// The kinds it has handlers for.
    pub kinds: Vec<KindName>,
    /// Slots per queue.
    pub concurrency: u32,
    /// Slots of queues that have another number.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub slots: BTreeMap<QueueName, u32>,
    /// Rates of queues that count at this worker alone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub own_rates: BTreeMap<QueueName, Limit>,
    /// Attempts running now.
    pub running: u32,
    /// Leases held whose handlers have not started.
    pub buffered: u32,
    /// The jobs of these attempts, the first hundred.
    #[serde(default)]
    pub running_jobs: Vec<JobId>,
    /// The jobs of these leases, the first hundred.
    #[serde(default)]
    pub buffered_jobs: Vec<JobId>,
    /// Attempts ended since it started.
    pub finished: u64,
    /// The same per second, since it told of itself before; none if it has not.
    #[serde(default)]
    pub finished_per_second: Option<f64>,
    /// When it started.
    pub started_at: Timestamp,
    /// When it last told of itself.
    pub seen_at: Timestamp,
    /// Whether it claims no more because it is about to stop.
    pub stopping: bool,
    /// After so long without a word from it, it counts as gone.
    #[serde(default = "usual_ttl")]
    pub ttl: DurationText,
}

fn usual_ttl() -> DurationText {
    DurationText(WORKER_TTL)
}

/// How a worker is, by when it last told of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// It told of itself in time.
    Healthy,
    /// Two thirds of its time have passed without a word.
    Aging,
    /// It counts as gone.
    Stale,
    /// It claims no more.
    Stopping,
}

impl Health {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Aging => "aging",
            Self::Stale => "stale",
            Self::Stopping => "stopping",
        }
    }
}

impl WorkerInfo {
    /// How it is at `now`.
    pub fn health(&self, now: Timestamp) -> Health {
        let (silent, ttl): (Duration, Duration) = (now.since(self.seen_at), self.ttl.0);
        match () {
            () if silent >= ttl => Health::Stale,
            () if self.stopping => Health::Stopping,
            () if silent > ttl * 2 / 3 => Health::Aging,
            () => Health::Healthy,
        }
    }

    /// Whether it has not gone.
    pub fn is_alive(&self, now: Timestamp) -> bool {
        self.health(now) != Health::Stale
    }

    /// How many jobs of a queue it runs at once.
    pub fn slots_of(&self, queue: &QueueName) -> u32 {
        self.slots.get(queue).copied().unwrap_or(self.concurrency)
    }

    /// Whether it claims jobs of a queue.
    pub fn serves(&self, queue: &QueueName) -> bool {
        !self.stopping && (self.queues.is_empty() || self.queues.contains(queue))
    }
}
