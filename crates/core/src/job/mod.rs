mod record;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::limits::{
    ARGS_BYTES_MAX, ERROR_MESSAGE_BYTES_MAX, ERROR_TRACE_BYTES_MAX, INSERT_JOBS_MAX, PROGRESS_DATA_BYTES_MAX,
    PROGRESS_MESSAGE_BYTES_MAX,
};
use crate::{Invalid, JobId, Json, KindName, Options, Priority, QueueName, State, Timestamp, WorkerId};

/// What was asked for when a job was inserted. It never changes afterwards.
#[derive(Clone, Debug, PartialEq)]
pub struct JobSpec {
    /// Unique in the store.
    pub id: JobId,
    /// The line it stands in.
    pub queue: QueueName,
    /// What picks its handler.
    pub kind: KindName,
    /// The input, returned byte for byte.
    pub args: Json,
    /// Lower runs first.
    pub priority: Priority,
    /// Not before this time.
    pub run_at: Option<Timestamp>,
    /// Whose job it is; none without identity.
    pub owner: Option<Arc<str>>,
    /// Joins what one request caused, over all logs.
    pub correlation_id: Option<Arc<str>>,
    /// How it wants to be treated.
    pub options: Arc<Options>,
}

impl JobSpec {
    /// A job with every option at its default.
    pub fn new(id: JobId, queue: QueueName, kind: KindName, args: Json) -> Self {
        Self {
            id,
            queue,
            kind,
            args,
            priority: Priority::default(),
            run_at: None,
            owner: None,
            correlation_id: None,
            options: Options::shared_default(),
        }
    }

    /// Checks every limit that does not need the store.
    pub fn check(&self) -> Result<(), Invalid> {
        let bytes = self.args.as_str().len();
        if bytes > ARGS_BYTES_MAX {
            let expected = format!("at most {ARGS_BYTES_MAX} bytes of JSON");
            return Err(Invalid::new("args", expected, format!("{bytes} bytes")).code("payload_too_large"));
        }
        self.options.check()
    }

    /// Checks a batch for an insert: its size, and each of its jobs.
    pub fn check_batch(jobs: &[Arc<Self>]) -> Result<(), Invalid> {
        if jobs.len() > INSERT_JOBS_MAX {
            return Err(
                Invalid::new("jobs", format!("at most {INSERT_JOBS_MAX} jobs"), jobs.len()).code("too_many")
            );
        }
        jobs.iter().enumerate().try_for_each(|(index, spec)| {
            spec.check().map_err(|error| error.below(&format!("jobs[{index}]")))
        })?;
        crate::flow::check_circles(jobs)
    }
}

/// Why a job ended, or why it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// The handler returned an error.
    Error,
    /// The handler panicked.
    Panic,
    /// The attempt took longer than its timeout.
    Timeout,
    /// Workers died with this job too often.
    Stalled,
    /// No worker here knows the kind.
    UnknownKind,
    /// The breaker of its kind is open where it was to run.
    CircuitOpen,
    /// The guard of its kind lets no more through for a while: a rate, a bound, a budget for retries.
    Throttled,
    /// The args do not fit the handler.
    BadArgs,
    /// The result was larger than a result may be.
    ResultTooLarge,
    /// It waited longer than its `ttl`.
    Expired,
    /// A job that it waited for did not complete.
    ParentFailed,
    /// An operator decided.
    ByOperator,
    /// The handler decided.
    ByHandler,
}

impl Reason {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Panic => "panic",
            Self::Timeout => "timeout",
            Self::Stalled => "stalled",
            Self::UnknownKind => "unknown_kind",
            Self::CircuitOpen => "circuit_open",
            Self::Throttled => "throttled",
            Self::BadArgs => "bad_args",
            Self::ResultTooLarge => "result_too_large",
            Self::Expired => "expired",
            Self::ParentFailed => "parent_failed",
            Self::ByOperator => "by_operator",
            Self::ByHandler => "by_handler",
        }
    }

    /// The same in one line, for people.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Error => "the handler returned an error",
            Self::Panic => "the handler panicked",
            Self::Timeout => "the attempt took longer than its timeout",
            Self::Stalled => "workers died with this job too often",
            Self::UnknownKind => "no worker here knows the kind",
            Self::CircuitOpen => "the breaker of its kind is open",
            Self::Throttled => "the guard of its kind lets no more through for a while",
            Self::BadArgs => "the args do not fit the handler",
            Self::ResultTooLarge => "the result was larger than a result may be",
            Self::Expired => "it waited longer than its ttl",
            Self::ParentFailed => "a job that it waited for did not complete",
            Self::ByOperator => "an operator decided",
            Self::ByHandler => "the handler decided",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_value(serde_json::Value::String(text.to_owned())).ok()
    }
}

fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

/// What went wrong in one attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobError {
    /// One line for people.
    pub message: Arc<str>,
    /// Causes, frames, output: whatever helps to find it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Arc<str>>,
}

impl JobError {
    /// Keeps the first line as the message, cut to its limit; further lines become the trace.
    pub fn new(text: &str) -> Self {
        let (message, rest) = text.trim().split_once('\n').unwrap_or((text.trim(), ""));
        let error = Self { message: cut(message.trim_end(), ERROR_MESSAGE_BYTES_MAX).into(), trace: None };
        if rest.trim().is_empty() { error } else { error.trace(rest) }
    }

    /// The same error with a trace, cut to its limit.
    #[must_use]
    pub fn trace(mut self, trace: &str) -> Self {
        self.trace = Some(cut(trace, ERROR_TRACE_BYTES_MAX).into());
        self
    }
}

/// The error of one attempt, kept on the job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttemptError {
    /// Which attempt, from 1.
    pub attempt: u32,
    /// Why it counts as failed.
    pub reason: Reason,
    /// One line for people.
    pub message: Arc<str>,
    /// Whatever helps to find the cause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Arc<str>>,
    /// The worker that ran it.
    pub worker: WorkerId,
    /// When the attempt started.
    pub started_at: Timestamp,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
}

/// How far a running job is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Whole percent, 0 to 100. It never falls inside an attempt.
    pub percent: u8,
    /// The handler's words.
    pub message: Option<Arc<str>>,
    /// Free data of the handler.
    pub data: Option<Json>,
}

impl Progress {
    /// Percent (cut to 0..=100) and message (cut to its limit).
    pub fn new(percent: u8, message: &str) -> Self {
        let message = (!message.is_empty()).then(|| cut(message, PROGRESS_MESSAGE_BYTES_MAX).into());
        Self { percent: percent.min(100), message, data: None }
    }

    /// The same progress with free data.
    pub fn with_data(mut self, data: Json) -> Result<Self, Invalid> {
        if data.as_str().len() > PROGRESS_DATA_BYTES_MAX {
            let expected = format!("at most {PROGRESS_DATA_BYTES_MAX} bytes of JSON");
            return Err(Invalid::new("progress_data", expected, format!("{} bytes", data.as_str().len())));
        }
        self.data = Some(data);
        Ok(self)
    }
}

/// The whole record of a job: what was asked, and what has become of it.
///
/// Serialises as the public record that HTTP, CLI and listeners show.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// What was asked.
    pub spec: Arc<JobSpec>,
    /// Where it stands.
    pub state: State,
    /// Why it ended, or why it waits.
    pub reason: Option<Reason>,
    /// Tries so far that count against `max_attempts`.
    pub attempt: u32,
    /// Leases lost so far.
    pub stalls: u32,
    /// When a scheduled job becomes ready.
    pub run_at: Option<Timestamp>,
    /// Parents that have not completed, while it is blocked.
    pub parents_left: u32,
    /// When it expires unless it has started by then.
    pub deadline_at: Option<Timestamp>,
    /// When it was inserted.
    pub created_at: Timestamp,
    /// When its latest attempt started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// How far it is.
    pub progress: Progress,
    /// What the handler returned.
    pub result: Option<Json>,
    /// When the result was removed by retention.
    pub result_expired_at: Option<Timestamp>,
    /// The errors of the newest failed attempts, oldest first.
    pub errors: Vec<AttemptError>,
    /// Who holds or held the latest lease.
    pub worker: Option<WorkerId>,
    /// An operator asked a running job to stop.
    pub cancel_requested: bool,
    /// When the keeper may remove the record.
    pub expires_at: Option<Timestamp>,
}

impl Job {
    /// Bytes of its args and its result.
    pub fn bytes(&self) -> usize {
        self.spec.args.as_str().len() + self.result.as_ref().map_or(0, |result| result.as_str().len())
    }

    /// A job as it is born.
    pub fn new(spec: Arc<JobSpec>, now: Timestamp) -> Self {
        let state = crate::life::born(spec.run_at, now);
        Self {
            state,
            reason: None,
            attempt: 0,
            stalls: 0,
            run_at: if state == State::Scheduled { spec.run_at } else { None },
            parents_left: 0,
            deadline_at: spec.options.ttl.map(|ttl| now + ttl.0),
            created_at: now,
            started_at: None,
            finished_at: None,
            progress: Progress::default(),
            result: None,
            result_expired_at: None,
            errors: Vec::new(),
            worker: None,
            cancel_requested: false,
            expires_at: None,
            spec,
        }
    }

    /// The id.
    pub fn id(&self) -> &JobId {
        &self.spec.id
    }

    /// From insert to end.
    pub fn duration(&self) -> Option<Duration> {
        self.finished_at.map(|end| end.since(self.created_at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_message_is_one_line() {
        let error = JobError::new("disk is full\n  at write\n  at save");
        assert_eq!(&*error.message, "disk is full");
        assert_eq!(error.trace.as_deref(), Some("  at write\n  at save"));
        assert!(JobError::new(&"é".repeat(5_000)).message.len() <= ERROR_MESSAGE_BYTES_MAX);
    }

    #[test]
    fn reasons_are_read_as_they_are_written() {
        for reason in [Reason::Error, Reason::UnknownKind, Reason::ResultTooLarge, Reason::ByHandler] {
            assert_eq!(Reason::parse(reason.as_str()), Some(reason));
        }
    }
}
