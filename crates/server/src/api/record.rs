//! Shapes on the wire, as the OpenAPI document shows them.

use std::fmt::{self, Write};

use longshore_core::{JobId, State};
use serde::Serialize;
use utoipa::ToSchema;

/// The answer to a submission.
#[derive(Serialize, ToSchema)]
pub(crate) struct Accepted {
    /// The id of the job.
    #[schema(value_type = String)]
    id: JobId,
    /// Its state.
    #[schema(value_type = String, example = "ready")]
    state: State,
    /// The id was known, or another job holds the unique key (then `id` is that job); nothing was created.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    duplicate: bool,
    /// Where to ask for it.
    status_url: String,
    /// Where to watch it.
    events_url: String,
}

/// An id as one segment of a path: callers may choose ids with slashes and blanks.
struct PathSegment<'a>(&'a JobId);

impl fmt::Display for PathSegment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(text) = self.0.as_text() else { return self.0.fmt(f) };
        text.bytes().try_for_each(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => f.write_char(byte.into()),
            _ => write!(f, "%{byte:02X}"),
        })
    }
}

impl From<longshore_runtime::Receipt> for Accepted {
    fn from(receipt: longshore_runtime::Receipt) -> Self {
        let status_url = format!("/api/v1/jobs/{}", PathSegment(&receipt.id));
        let events_url = format!("{status_url}/events");
        Self { id: receipt.id, state: receipt.state, duplicate: receipt.duplicate, status_url, events_url }
    }
}

/// The record of a job.
#[derive(ToSchema)]
#[schema(as = Job)]
#[expect(
    dead_code,
    reason = "the shape of what `longshore_core::Job` serialises to, for the OpenAPI document"
)]
pub(crate) struct JobRecord {
    /// Unique in the store.
    id: String,
    queue: String,
    kind: String,
    /// The input, byte for byte.
    args: serde_json::Value,
    /// Lower runs first.
    priority: f64,
    /// blocked, scheduled, ready, running, completed, failed or cancelled.
    state: String,
    /// Why it ended or waits: error, panic, timeout, stalled, unknown_kind, circuit_open, throttled, bad_args, result_too_large, expired,
    /// parent_failed, by_operator, by_handler.
    reason: Option<String>,
    owner: Option<String>,
    correlation_id: Option<String>,
    /// The trace of whoever enqueued it (W3C Trace Context), with which its handler goes on.
    traceparent: Option<String>,
    /// Tries so far that count.
    attempt: u32,
    max_attempts: u32,
    /// Leases lost by dying workers.
    stalls: u32,
    /// Whole percent; 100 only when completed.
    progress: u8,
    progress_message: Option<String>,
    progress_data: Option<serde_json::Value>,
    result: Option<serde_json::Value>,
    /// The error of the latest attempt: {message, trace}.
    error: Option<serde_json::Value>,
    /// The errors of the newest failed attempts: {attempt, reason, message, trace, worker, started_at, duration_ms}.
    errors: Vec<serde_json::Value>,
    tags: Vec<String>,
    /// Longest one attempt may take, in seconds.
    timeout: Option<f64>,
    backoff: serde_json::Value,
    /// How long the record stays after the end, in seconds; null is what the queue says.
    retention: Option<f64>,
    /// How long the result stays, in seconds; null is as long as the record.
    result_retention: Option<f64>,
    /// How long the job may wait in all, in seconds.
    ttl: Option<f64>,
    /// The key that makes it the only one of its queue.
    unique_key: Option<String>,
    /// The same as it was asked for: {key, ttl, extend, replace}.
    unique: Option<serde_json::Value>,
    /// What it counts as under limits with a key.
    limit_key: Option<String>,
    /// Jobs that it waits for: ids, or {id, name}.
    depends_on: Vec<serde_json::Value>,
    /// wait, fail, cancel or run.
    on_parent_failure: String,
    /// Parents that have not completed, while it is blocked.
    parents_left: u32,
    /// The schedule that made it, and for which time.
    schedule: Option<String>,
    nominal_at: Option<String>,
    worker: Option<String>,
    cancel_requested: bool,
    run_at: Option<String>,
    /// When it expires unless it has started by then.
    deadline_at: Option<String>,
    created_at: String,
    started_at: Option<String>,
    finished_at: Option<String>,
    result_expired_at: Option<String>,
    expires_at: Option<String>,
}

/// A page of jobs, the newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct JobList {
    #[schema(value_type = Vec<JobRecord>)]
    pub(crate) jobs: Vec<longshore_core::Job>,
    /// Give this as `cursor` to go on; null on the last page.
    pub(crate) next_cursor: Option<String>,
}

/// An error.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape of `ApiError`, for the OpenAPI document")]
pub(crate) struct ErrorBody {
    /// {code, message, details}
    error: ErrorInner,
    correlation_id: Option<String>,
}

/// What went wrong.
#[derive(ToSchema)]
#[expect(dead_code, reason = "as above")]
pub(crate) struct ErrorInner {
    /// A stable word for programs.
    code: String,
    /// A sentence for people.
    message: String,
    /// What a program may want to know besides, or null.
    details: Option<serde_json::Value>,
}
