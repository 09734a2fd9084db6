use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::limits::{ENDED_JOBS_MAX, ENDED_JOBS_USUAL};
use crate::{DurationText, Invalid, State, check_duration};

/// How long ended jobs stay, counted from their end, and how many. A job's own retention goes before its queue's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// For completed jobs.
    pub completed: DurationText,
    /// For failed jobs.
    pub failed: DurationText,
    /// For cancelled jobs.
    pub cancelled: DurationText,
    /// So many jobs of each of these states at most; of more, those go that would go first anyway.
    pub most: u64,
}

impl Default for Retention {
    fn default() -> Self {
        const DAY: u64 = 86_400;
        Self {
            completed: DurationText(Duration::from_secs(DAY)),
            failed: DurationText(Duration::from_secs(30 * DAY)),
            cancelled: DurationText(Duration::from_secs(DAY)),
            most: ENDED_JOBS_USUAL,
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

/// What is changed about a retention; none leaves a part as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "an object {completed, failed, cancelled, most}")]
pub struct RetentionChange {
    /// For completed jobs.
    pub completed: Option<DurationText>,
    /// For failed jobs.
    pub failed: Option<DurationText>,
    /// For cancelled jobs.
    pub cancelled: Option<DurationText>,
    /// So many jobs of each of these states at most.
    pub most: Option<u64>,
}

impl From<Retention> for RetentionChange {
    fn from(whole: Retention) -> Self {
        let Retention { completed, failed, cancelled, most } = whole;
        Self {
            completed: Some(completed),
            failed: Some(failed),
            cancelled: Some(cancelled),
            most: Some(most),
        }
    }
}

impl RetentionChange {
    /// The retention after this change.
    #[must_use]
    pub fn over(self, before: Retention) -> Retention {
        Retention {
            completed: self.completed.unwrap_or(before.completed),
            failed: self.failed.unwrap_or(before.failed),
            cancelled: self.cancelled.unwrap_or(before.cancelled),
            most: self.most.unwrap_or(before.most),
        }
    }

    /// Checks every limit.
    pub fn check(&self) -> Result<(), Invalid> {
        let times = [
            ("retention.completed", self.completed),
            ("retention.failed", self.failed),
            ("retention.cancelled", self.cancelled),
        ];
        for (field, time) in times {
            time.map_or(Ok(()), |time| check_duration(field, time.0))?;
        }
        if let Some(most) = self.most.filter(|most| *most > ENDED_JOBS_MAX) {
            let expected = format!("a whole number from 0 to {ENDED_JOBS_MAX}");
            return Err(Invalid::new("retention.most", expected, most));
        }
        Ok(())
    }
}
