//! What was asked for a job, as events carry it to others: all of it but the args.

use std::sync::Arc;

use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serializer};

use crate::{Backoff, JobId, JobSpec, Json, KindName, Options, Priority, QueueName, Timestamp};

/// Writes what everybody looks at, and of the rest what was asked for.
#[expect(clippy::ref_option, reason = "the form that serde asks for")]
pub(super) fn serialize<S: Serializer>(
    asked: &Option<Arc<JobSpec>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let Some(spec) = asked else { return serializer.serialize_none() };
    let options = &*spec.options;
    let mut map = serializer.serialize_map(None)?;
    map.serialize_entry("id", &spec.id)?;
    map.serialize_entry("queue", &spec.queue)?;
    map.serialize_entry("kind", &spec.kind)?;
    map.serialize_entry("priority", &spec.priority)?;
    map.serialize_entry("max_attempts", &options.max_attempts)?;
    map.serialize_entry("timeout", &options.timeout)?;
    map.serialize_entry("tags", &options.tags)?;
    macro_rules! given {
        ($($key:literal: $value:expr),* $(,)?) => {
            $(if let Some(value) = &$value { map.serialize_entry($key, value)?; })*
        };
    }
    let parents = Some(&options.depends_on).filter(|parents| !parents.is_empty());
    let backoff = Some(&options.backoff).filter(|backoff| **backoff != Backoff::default());
    given! {
        "run_at": spec.run_at, "owner": spec.owner, "correlation_id": spec.correlation_id, "backoff": backoff,
        "retention": options.retention, "result_retention": options.result_retention, "ttl": options.ttl,
        "unique": options.unique, "limit_key": options.limit_key, "depends_on": parents,
        "on_parent_failure": parents.map(|_| options.on_parent_failure), "schedule": options.schedule,
        "nominal_at": options.nominal_at, "traceparent": options.traceparent,
    }
    map.end()
}

/// The same, read.
#[derive(Deserialize)]
struct Asked {
    id: JobId,
    queue: QueueName,
    kind: KindName,
    priority: Priority,
    run_at: Option<Timestamp>,
    owner: Option<Arc<str>>,
    correlation_id: Option<Arc<str>>,
    #[serde(flatten)]
    options: Options,
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Arc<JobSpec>>, D::Error> {
    let asked = Option::<Asked>::deserialize(deserializer)?;
    Ok(asked.map(|asked| {
        let Asked { id, queue, kind, priority, run_at, owner, correlation_id, options } = asked;
        let spec = JobSpec::new(id, queue, kind, Json::default());
        Arc::new(JobSpec { priority, run_at, owner, correlation_id, options: Arc::new(options), ..spec })
    }))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{DurationText, Event, EventName, State};

    #[test]
    fn what_was_asked_travels_without_its_args() {
        let mut spec = JobSpec::new(
            JobId::parse("report").unwrap(),
            QueueName::default(),
            KindName::new("pdf").unwrap(),
            Json::parse(r#"{"secret":1}"#).unwrap(),
        );
        spec.priority = Priority::new(-2.5).unwrap();
        spec.options = Arc::new(Options {
            ttl: Some(DurationText(Duration::from_secs(90))),
            tags: vec!["nightly".to_owned()],
            max_attempts: 9,
            ..Options::default()
        });
        let at = Timestamp::from_millis(1_000);
        let event = Event::of_job(EventName::Added, at, &Arc::new(spec.clone()), State::Ready, 0, at);
        let text = serde_json::to_string(&event).unwrap();
        assert!(!text.contains("secret"), "{text}");
        let read: Event = serde_json::from_str(&text).unwrap();
        let there = read.job.as_deref().unwrap();
        assert_eq!(*there, JobSpec { args: Json::default(), ..spec });
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
    }
}
