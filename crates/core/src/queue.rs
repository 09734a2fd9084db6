use std::time::Duration;

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};

use crate::{DurationText, Invalid, QueueName, State, Timestamp, check_duration};

/// How many jobs of a queue are in each state. Kept, not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts([u64; 7]);

impl Counts {
    /// The number in one state.
    pub fn get(&self, state: State) -> u64 {
        self.0[state as usize]
    }

    /// Sets the number in one state.
    pub fn set(&mut self, state: State, count: u64) {
        self.0[state as usize] = count;
    }

    /// All jobs.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

impl Serialize for Counts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(7))?;
        for state in State::ALL {
            map.serialize_entry(state.as_str(), &self.get(state))?;
        }
        map.end()
    }
}

/// How long ended jobs stay, counted from their end. A job's own retention goes before its queue's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// For completed jobs.
    pub completed: DurationText,
    /// For failed jobs.
    pub failed: DurationText,
    /// For cancelled jobs.
    pub cancelled: DurationText,
}

impl Default for Retention {
    fn default() -> Self {
        const DAY: u64 = 86_400;
        Self {
            completed: DurationText(Duration::from_secs(DAY)),
            failed: DurationText(Duration::from_secs(30 * DAY)),
            cancelled: DurationText(Duration::from_secs(DAY)),
        }
    }
}

impl Retention {
    /// How long a job stays that ended in this state.
    pub fn of(&self, state: State) -> Duration {
        match state {
            State::Failed => self.failed.0,
            State::Cancelled => self.cancelled.0,
            _ => self.completed.0,
        }
    }
}

impl QueueChange {
    /// Checks every limit.
    pub fn check(&self) -> Result<(), Invalid> {
        let Some(retention) = self.retention else { return Ok(()) };
        check_duration("retention.completed", retention.completed.0)?;
        check_duration("retention.failed", retention.failed.0)?;
        check_duration("retention.cancelled", retention.cancelled.0)
    }
}

/// A queue as it stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct QueueInfo {
    /// Its name.
    pub name: QueueName,
    /// Whether it hands out no jobs.
    pub paused: bool,
    /// Its jobs by state.
    pub counts: Counts,
    /// Since when the next ready job has waited.
    pub oldest_ready_at: Option<Timestamp>,
    /// How long its ended jobs stay.
    pub retention: Retention,
}

/// What an operator sets on a queue; none leaves a thing as it is. Naming a queue creates it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueChange {
    /// Stop or start handing out jobs.
    pub paused: Option<bool>,
    /// How long its jobs stay that end from now on.
    pub retention: Option<Retention>,
}
