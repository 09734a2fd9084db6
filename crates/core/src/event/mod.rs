mod asked;
mod name;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use self::name::EventName;
use crate::{JobId, JobSpec, Json, KindName, Progress, QueueName, Reason, State, Timestamp};

/// When a job was created, started and finished, in seconds since the epoch; null for what has not happened yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// When it was inserted.
    pub created_at: Option<f64>,
    /// When its latest attempt started.
    pub started_at: Option<f64>,
    /// When it ended.
    pub finished_at: Option<f64>,
}

/// One thing that happened. Events tell; they are not the record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// What happened.
    pub event: EventName,
    /// When, in seconds since the epoch.
    pub at: f64,
    /// The queue it happened in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueName>,
    /// The job it happened to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<JobId>,
    /// That job's kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<KindName>,
    /// That job's state after the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// That job's attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// That job's times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamps: Option<Times>,
    /// What was asked for when that job was inserted. Its args are only in events of this process, and null in those
    /// that came from another one.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "asked")]
    pub job: Option<Arc<JobSpec>>,
    /// What the handler returned, in events of this process.
    #[serde(skip)]
    pub result: Option<Json>,
    /// Why the job is in its state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// One line about what went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Arc<str>>,
    /// Whole percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<u8>,
    /// The handler's words beside the percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress_message: Option<Arc<str>>,
    /// `job:progress`: the handler's free data. `queue:changed`: the settings of the queue as they are now.
    /// `queue:paused`, `queue:resumed`: how many jobs of the queue are in each state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Json>,
    /// The worker it happened to, or that did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<Arc<str>>,
    /// The state before, of a job that became ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<State>,
    /// `job:duplicated`, `job:deduplicated`, `job:debounced`: the job that the insert was answered with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<JobId>,
    /// `job:deduplicated`: the unique key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deduplication_id: Option<Arc<str>>,
    /// `job:deduplicated`: the job that was dropped, which is the new one or, after a replacement, the one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deduplicated_job_id: Option<JobId>,
    /// `job:debounced`: the unique key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub debounce_id: Option<Arc<str>>,
    /// `schedule:fired`: the schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Arc<str>>,
    /// `job:stalled`: the queue once more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_name: Option<QueueName>,
    /// `queue:drained`: how many jobs were removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// `queue:…`: who did it, if identity is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<Arc<str>>,
}

impl Event {
    /// An event that is not about a job.
    pub fn new(event: EventName, at: Timestamp) -> Self {
        Self {
            event,
            at: at.as_secs_f64(),
            queue: None,
            id: None,
            kind: None,
            state: None,
            attempt: None,
            timestamps: None,
            job: None,
            result: None,
            reason: None,
            error: None,
            progress: None,
            progress_message: None,
            data: None,
            worker: None,
            from: None,
            job_id: None,
            deduplication_id: None,
            deduplicated_job_id: None,
            debounce_id: None,
            schedule: None,
            queue_name: None,
            count: None,
            actor: None,
        }
    }

    /// An event about a job.
    pub fn of_job(
        event: EventName,
        at: Timestamp,
        spec: &Arc<JobSpec>,
        state: State,
        attempt: u32,
        created_at: Timestamp,
    ) -> Self {
        Self {
            queue: Some(spec.queue.clone()),
            id: Some(spec.id.clone()),
            kind: Some(spec.kind.clone()),
            state: Some(state),
            attempt: Some(attempt),
            timestamps: Some(Times {
                created_at: Some(created_at.as_secs_f64()),
                started_at: None,
                finished_at: None,
            }),
            job: Some(spec.clone()),
            ..Self::new(event, at)
        }
    }

    /// The same event with the start and end of the attempt.
    #[must_use]
    pub fn times(mut self, started_at: Option<Timestamp>, finished_at: Option<Timestamp>) -> Self {
        let times = self.timestamps.get_or_insert_default();
        times.started_at = started_at.map(Timestamp::as_secs_f64);
        times.finished_at = finished_at.map(Timestamp::as_secs_f64);
        self
    }

    /// The same event with the progress of the job.
    #[must_use]
    pub fn progress(mut self, progress: &Progress) -> Self {
        self.progress = Some(progress.percent);
        self.progress_message.clone_from(&progress.message);
        self.data.clone_from(&progress.data);
        self
    }
}
