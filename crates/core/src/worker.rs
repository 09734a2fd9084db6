use serde::{Deserialize, Serialize};

use crate::{KindName, QueueName, Timestamp, WorkerId};

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
    /// Attempts running now.
    pub running: u32,
    /// Leases held whose handlers have not started.
    pub buffered: u32,
    /// Attempts ended since it started.
    pub finished: u64,
    /// When it started.
    pub started_at: Timestamp,
    /// When it last told of itself.
    pub seen_at: Timestamp,
    /// Whether it claims no more because it is about to stop.
    pub stopping: bool,
}
