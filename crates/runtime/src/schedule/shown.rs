use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::{Rule, ScheduleRecord};

/// A schedule as HTTP, CLI and library show it: one flat object.
#[derive(Clone, Debug, PartialEq)]
pub struct ShownSchedule(ScheduleRecord);

impl ScheduleRecord {
    /// The form that people are shown.
    pub fn shown(self) -> ShownSchedule {
        ShownSchedule(self)
    }
}

impl ShownSchedule {
    /// What is shown.
    pub fn record(&self) -> &ScheduleRecord {
        &self.0
    }
}

impl Serialize for ShownSchedule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ScheduleRecord { schedule, standing } = &self.0;
        let (every, start_now, cron) = match &schedule.rule {
            Rule::Every { every, start_now } => (Some(every), Some(start_now), None),
            Rule::Cron { cron } => (None, None, Some(cron)),
        };
        let options = &schedule.options;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &schedule.name)?;
        map.serialize_entry("every", &every)?;
        map.serialize_entry("start_now", &start_now)?;
        map.serialize_entry("cron", &cron)?;
        map.serialize_entry("timezone", &schedule.timezone)?;
        map.serialize_entry("start_at", &schedule.start_at)?;
        map.serialize_entry("end_at", &schedule.end_at)?;
        map.serialize_entry("time_ranges", &schedule.time_ranges)?;
        map.serialize_entry("max_fires", &schedule.max_fires)?;
        map.serialize_entry("misfire", &schedule.misfire)?;
        map.serialize_entry("overlap", &schedule.overlap)?;
        map.serialize_entry("jitter", &schedule.jitter)?;
        map.serialize_entry("kind", &schedule.kind)?;
        map.serialize_entry("queue", &schedule.queue)?;
        map.serialize_entry("args", &schedule.args)?;
        map.serialize_entry("priority", &schedule.priority)?;
        map.serialize_entry("owner", &schedule.owner)?;
        map.serialize_entry("max_attempts", &options.max_attempts)?;
        map.serialize_entry("backoff", &options.backoff)?;
        map.serialize_entry("timeout", &options.timeout)?;
        map.serialize_entry("ttl", &options.ttl)?;
        map.serialize_entry("tags", &options.tags)?;
        map.serialize_entry("retention", &options.retention)?;
        map.serialize_entry("result_retention", &options.result_retention)?;
        map.serialize_entry("unique", &options.unique)?;
        map.serialize_entry("limit_key", &options.limit_key)?;
        map.serialize_entry("paused", &standing.paused)?;
        map.serialize_entry("reason", &standing.reason)?;
        map.serialize_entry("next_at", &standing.next_at)?;
        map.serialize_entry("last_nominal_at", &standing.last_nominal_at)?;
        map.serialize_entry("last_fired_at", &standing.last_fired_at)?;
        map.serialize_entry("last_job_id", &standing.last_job_id)?;
        map.serialize_entry("fires", &standing.fires)?;
        map.serialize_entry("skipped", &standing.skipped)?;
        map.serialize_entry("missed", &standing.missed)?;
        map.serialize_entry("created_at", &standing.created_at)?;
        map.serialize_entry("updated_at", &standing.updated_at)?;
        map.end()
    }
}
