//! The public record of a job: one flat object, as HTTP, CLI and listeners show it, and as a program reads it again.

use std::sync::Arc;

use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{AttemptError, Job, JobError, JobSpec, Progress, Reason};
use crate::{
    Backoff, DurationText, JobId, Json, KindName, Options, Parent, ParentPolicy, Priority, QueueName,
    ScheduleName, State, Timestamp, Unique, WorkerId,
};

impl Serialize for Job {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let spec = &*self.spec;
        let options = &*spec.options;
        let last = self.errors.last().filter(|_| self.state != State::Completed);
        let error = last.map(|error| JobError { message: error.message.clone(), trace: error.trace.clone() });
        // What failed without an attempt has an error as well.
        let untried =
            || self.reason.filter(|_| self.state == State::Failed).map(|why| JobError::new(why.describe()));
        let error = error.or_else(untried);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &spec.id)?;
        map.serialize_entry("queue", &spec.queue)?;
        map.serialize_entry("kind", &spec.kind)?;
        map.serialize_entry("args", &spec.args)?;
        map.serialize_entry("priority", &spec.priority)?;
        map.serialize_entry("state", &self.state)?;
        map.serialize_entry("reason", &self.reason)?;
        map.serialize_entry("owner", &spec.owner)?;
        map.serialize_entry("correlation_id", &spec.correlation_id)?;
        map.serialize_entry("traceparent", &options.traceparent)?;
        map.serialize_entry("attempt", &self.attempt)?;
        map.serialize_entry("max_attempts", &options.max_attempts)?;
        map.serialize_entry("stalls", &self.stalls)?;
        map.serialize_entry("progress", &self.progress.percent)?;
        map.serialize_entry("progress_message", &self.progress.message)?;
        map.serialize_entry("progress_data", &self.progress.data)?;
        map.serialize_entry("result", &self.result)?;
        map.serialize_entry("error", &error)?;
        map.serialize_entry("errors", &self.errors)?;
        map.serialize_entry("tags", &options.tags)?;
        map.serialize_entry("timeout", &options.timeout)?;
        map.serialize_entry("backoff", &options.backoff)?;
        map.serialize_entry("retention", &options.retention)?;
        map.serialize_entry("result_retention", &options.result_retention)?;
        map.serialize_entry("ttl", &options.ttl)?;
        map.serialize_entry("unique_key", &options.unique.as_ref().map(|unique| &unique.key))?;
        map.serialize_entry("unique", &options.unique)?;
        map.serialize_entry("limit_key", &options.limit_key)?;
        map.serialize_entry("depends_on", &options.depends_on)?;
        map.serialize_entry("on_parent_failure", &options.on_parent_failure)?;
        map.serialize_entry("parents_left", &self.parents_left)?;
        map.serialize_entry("schedule", &options.schedule)?;
        map.serialize_entry("nominal_at", &options.nominal_at)?;
        map.serialize_entry("worker", &self.worker)?;
        map.serialize_entry("cancel_requested", &self.cancel_requested)?;
        map.serialize_entry("run_at", &self.run_at)?;
        map.serialize_entry("deadline_at", &self.deadline_at)?;
        map.serialize_entry("created_at", &self.created_at)?;
        map.serialize_entry("started_at", &self.started_at)?;
        map.serialize_entry("finished_at", &self.finished_at)?;
        map.serialize_entry("result_expired_at", &self.result_expired_at)?;
        map.serialize_entry("expires_at", &self.expires_at)?;
        map.end()
    }
}

/// The record as it is read. What follows from other keys is passed over, and so is what a newer program has added.
#[derive(Deserialize)]
struct Record {
    id: JobId,
    queue: QueueName,
    kind: KindName,
    args: Json,
    priority: Priority,
    state: State,
    reason: Option<Reason>,
    owner: Option<Arc<str>>,
    correlation_id: Option<Arc<str>>,
    traceparent: Option<Arc<str>>,
    attempt: u32,
    max_attempts: u32,
    stalls: u32,
    progress: u8,
    progress_message: Option<Arc<str>>,
    progress_data: Option<Json>,
    result: Option<Json>,
    errors: Vec<AttemptError>,
    tags: Vec<String>,
    timeout: Option<DurationText>,
    backoff: Backoff,
    retention: Option<DurationText>,
    result_retention: Option<DurationText>,
    ttl: Option<DurationText>,
    unique: Option<Unique>,
    limit_key: Option<String>,
    depends_on: Vec<Parent>,
    on_parent_failure: ParentPolicy,
    parents_left: u32,
    schedule: Option<ScheduleName>,
    nominal_at: Option<Timestamp>,
    worker: Option<WorkerId>,
    cancel_requested: bool,
    run_at: Option<Timestamp>,
    deadline_at: Option<Timestamp>,
    created_at: Timestamp,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    result_expired_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
}

impl<'de> Deserialize<'de> for Job {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = Record::deserialize(deserializer)?;
        let options = Options {
            max_attempts: read.max_attempts,
            backoff: read.backoff,
            timeout: read.timeout,
            tags: read.tags,
            retention: read.retention,
            result_retention: read.result_retention,
            ttl: read.ttl,
            unique: read.unique,
            limit_key: read.limit_key,
            depends_on: read.depends_on,
            on_parent_failure: read.on_parent_failure,
            schedule: read.schedule,
            nominal_at: read.nominal_at,
            traceparent: read.traceparent,
        };
        let spec = JobSpec {
            id: read.id,
            queue: read.queue,
            kind: read.kind,
            args: read.args,
            priority: read.priority,
            run_at: read.run_at,
            owner: read.owner,
            correlation_id: read.correlation_id,
            options: Arc::new(options),
        };
        Ok(Self {
            state: read.state,
            reason: read.reason,
            attempt: read.attempt,
            stalls: read.stalls,
            run_at: read.run_at,
            parents_left: read.parents_left,
            deadline_at: read.deadline_at,
            created_at: read.created_at,
            started_at: read.started_at,
            finished_at: read.finished_at,
            progress: Progress {
                percent: read.progress,
                message: read.progress_message,
                data: read.progress_data,
            },
            result: read.result,
            result_expired_at: read.result_expired_at,
            errors: read.errors,
            worker: read.worker,
            cancel_requested: read.cancel_requested,
            expires_at: read.expires_at,
            spec: Arc::new(spec),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let mut spec = JobSpec::new(
            JobId::from_u128(7),
            QueueName::default(),
            KindName::new("report").unwrap(),
            Json::parse("[1152921504606846977, 0.30000000000000004]").unwrap(),
        );
        spec.owner = Some("mill".into());
        spec.options = Arc::new(Options {
            depends_on: vec![Parent::new(JobId::parse("parent").unwrap())],
            unique: Some(Unique::new("key")),
            timeout: None,
            ..Options::default()
        });
        let now = Timestamp::from_millis(1_772_366_400_000);
        let mut job = Job::new(Arc::new(spec), now);
        job.errors.push(AttemptError {
            attempt: 1,
            reason: Reason::Timeout,
            message: "too slow".into(),
            trace: None,
            worker: WorkerId::new("w").unwrap(),
            started_at: now,
            duration_ms: 9,
        });
        job.result = Some(Json::parse("{}").unwrap());
        let text = serde_json::to_string(&job).unwrap();
        let read: Job = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
        assert_eq!(read, job);
    }
}
