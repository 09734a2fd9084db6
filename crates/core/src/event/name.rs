use serde::{Deserialize, Serialize};

/// What happened, as subscribers are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum EventName {
    /// A job was inserted, to run at once, later, or after others.
    #[serde(rename = "job:added")]
    Added,
    /// A job that was blocked or ran waits for a time now.
    #[serde(rename = "job:delayed")]
    Delayed,
    /// A waiting job became ready.
    #[serde(rename = "job:ready")]
    Ready,
    /// A handler started.
    #[serde(rename = "job:started")]
    Started,
    /// A handler told how far it is.
    #[serde(rename = "job:progress")]
    Progress,
    /// An attempt failed; another follows.
    #[serde(rename = "job:retrying")]
    Retrying,
    /// A lease was lost; the job is ready again.
    #[serde(rename = "job:stalled")]
    Stalled,
    /// A job ended well.
    #[serde(rename = "job:completed")]
    Completed,
    /// A job ended badly.
    #[serde(rename = "job:failed")]
    Failed,
    /// A job failed because it waited longer than it may.
    #[serde(rename = "job:expired")]
    Expired,
    /// A job was cancelled.
    #[serde(rename = "job:cancelled")]
    Cancelled,
    /// A record was removed by an operator.
    #[serde(rename = "job:removed")]
    Removed,
    /// A second insert of a known id created nothing.
    #[serde(rename = "job:duplicated")]
    Duplicated,
    /// An insert met the holder of its unique key: one of the two was dropped.
    #[serde(rename = "job:deduplicated")]
    Deduplicated,
    /// The same, told together with it.
    #[serde(rename = "job:debounced")]
    Debounced,
    /// A schedule made jobs.
    #[serde(rename = "schedule:fired")]
    ScheduleFired,
    /// A queue stopped handing out jobs.
    #[serde(rename = "queue:paused")]
    QueuePaused,
    /// A queue hands out jobs again.
    #[serde(rename = "queue:resumed")]
    QueueResumed,
    /// The waiting jobs of a queue were removed.
    #[serde(rename = "queue:drained")]
    QueueDrained,
    /// The settings of a queue were changed.
    #[serde(rename = "queue:changed")]
    QueueChanged,
    /// A worker started.
    #[serde(rename = "worker:up")]
    WorkerUp,
    /// A worker stopped.
    #[serde(rename = "worker:down")]
    WorkerDown,
    /// More happened than the log between processes carries; look again at what matters to you.
    #[serde(rename = "gap")]
    Gap,
}

impl EventName {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "job:added",
            Self::Delayed => "job:delayed",
            Self::Ready => "job:ready",
            Self::Started => "job:started",
            Self::Progress => "job:progress",
            Self::Retrying => "job:retrying",
            Self::Stalled => "job:stalled",
            Self::Completed => "job:completed",
            Self::Failed => "job:failed",
            Self::Expired => "job:expired",
            Self::Cancelled => "job:cancelled",
            Self::Removed => "job:removed",
            Self::Duplicated => "job:duplicated",
            Self::Deduplicated => "job:deduplicated",
            Self::Debounced => "job:debounced",
            Self::ScheduleFired => "schedule:fired",
            Self::QueuePaused => "queue:paused",
            Self::QueueResumed => "queue:resumed",
            Self::QueueDrained => "queue:drained",
            Self::QueueChanged => "queue:changed",
            Self::WorkerUp => "worker:up",
            Self::WorkerDown => "worker:down",
            Self::Gap => "gap",
        }
    }

    /// Whether a job has ended with this event.
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Expired | Self::Cancelled)
    }
}
