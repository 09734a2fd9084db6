use std::collections::BTreeMap;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use longshore_core::{DurationText, Fields, Invalid, JobId, ScheduleName, Timestamp};
use longshore_cron::{Cron, Zone};
use longshore_runtime::{Misfire, Overlap, Rule, Schedule, ScheduleError, ShownSchedule, TimeRange};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::record::{Accepted, ErrorBody};
use super::submit::{JobRequest, accepted};
use crate::error::ApiError;
use crate::extract::{Body, Idempotency, NoBody, Nothing, Object, PathSchedule, Query, read_json};
use crate::identity::{Asked, Operates};

/// What is asked of a schedule itself; the other fields of the object are those of its jobs.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScheduleRequest {
    /// Unique in the store; with PUT it stands in the path.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    name: Option<ScheduleName>,
    /// Again and again after this time. Not together with `cron`.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "5m")]
    every: Option<DurationText>,
    /// With `every`: at once as well.
    #[serde(default)]
    start_now: bool,
    /// A cron expression of five fields, or six with leading seconds.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "0 9 * * MON-FRI")]
    cron: Option<Cron>,
    /// The IANA zone in which `cron` and `time_ranges` are read; UTC if not given.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    timezone: Zone,
    /// Not before.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    start_at: Option<Timestamp>,
    /// Not after.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    end_at: Option<Timestamp>,
    /// Only within these times of the day: pairs of texts such as 09:00 and 17:30, both included.
    #[serde(default)]
    #[schema(value_type = Vec<Vec<String>>)]
    time_ranges: Vec<TimeRange>,
    /// At most so many times.
    #[serde(default)]
    max_fires: Option<u64>,
    /// What becomes of missed times: once (usual), skip or all.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    misfire: Misfire,
    /// While the job before has not ended: skip (usual), queue or parallel.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    overlap: Overlap,
    /// Each job starts up to so much later.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    jitter: Option<DurationText>,
}

/// The fields of a schedule; all others are those of its jobs.
const OWN: [&str; 12] = [
    "name",
    "every",
    "start_now",
    "cron",
    "timezone",
    "start_at",
    "end_at",
    "time_ranges",
    "max_fires",
    "misfire",
    "overlap",
    "jitter",
];
/// Reads the flat object that asks for a schedule and its jobs.
fn read(body: &[u8], api: &Asked, named: Option<ScheduleName>) -> Result<Schedule, ApiError> {
    let Fields(fields) = read_json::<Fields<Box<RawValue>>>(body)?;
    let is_own = |field: &String| OWN.contains(&field.as_str());
    let (own, job): (BTreeMap<_, _>, BTreeMap<_, _>) =
        fields.into_iter().partition(|(field, _)| is_own(field));
    let text = |map: &BTreeMap<String, Box<RawValue>>| serde_json::to_vec(map).unwrap_or_default();
    let Object(own) = read_json::<Object<ScheduleRequest>>(&text(&own))?;
    let Object(job) = read_job(&text(&job))?;
    job.refuse_own_place()?;
    let rule = match (own.every, own.cron) {
        (Some(every), None) => Rule::Every { every, start_now: own.start_now },
        (None, Some(_)) if own.start_now => {
            return Err(Invalid::new("start_now", "nothing beside cron", "true").into());
        }
        (None, Some(cron)) => Rule::Cron { cron },
        (Some(_), Some(_)) => return Err(Invalid::new("every", "either every or cron", "both").into()),
        (None, None) => return Err(Invalid::new("every", "either every or cron", "neither").into()),
    };
    let name = match (named, own.name) {
        (Some(named), Some(name)) if named != name => {
            return Err(Invalid::new("name", format!("{named}, as in the path"), name).into());
        }
        (Some(name), _) | (None, Some(name)) => name,
        (None, None) => return Err(Invalid::new("name", "a value", "nothing").code("missing_field").into()),
    };
    let spec = job.spec(JobId::from_u128(0), api, api.engine.door().clock.now())?;
    Ok(Schedule {
        name,
        rule,
        timezone: own.timezone,
        start_at: own.start_at,
        end_at: own.end_at,
        time_ranges: own.time_ranges,
        max_fires: own.max_fires,
        misfire: own.misfire,
        overlap: own.overlap,
        jitter: own.jitter,
        kind: spec.kind,
        queue: spec.queue,
        args: spec.args,
        priority: spec.priority,
        owner: spec.owner,
        options: (*spec.options).clone(),
    })
}

/// Reads the fields of its jobs. A field that is none of them may be a misspelt one of the schedule itself.
fn read_job(text: &[u8]) -> Result<Object<JobRequest>, ApiError> {
    read_json(text).map_err(|error: ApiError| error.or_expected(&OWN))
}

/// Schedules as they stand.
#[derive(Serialize, ToSchema)]
pub(crate) struct ScheduleList {
    #[schema(value_type = Vec<Object>)]
    schedules: Vec<ShownSchedule>,
}

impl From<ScheduleError> for ApiError {
    fn from(error: ScheduleError) -> Self {
        match error {
            ScheduleError::Unknown(name) => Self::not_found(&format!("schedule {name}")),
            ScheduleError::Store(error) => error.into(),
            other => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", other.to_string()),
        }
    }
}

/// Lists the schedules by name.
#[utoipa::path(get, operation_id = "list_schedules", path = "/schedules", tag = "schedules", responses((status = 200, body = ScheduleList)))]
pub(crate) async fn list(Operates(api): Operates, _: Query<Nothing>) -> Result<Json<ScheduleList>, ApiError> {
    let schedules = api.engine.schedules().list().await?;
    Ok(Json(ScheduleList {
        schedules: schedules.into_iter().map(longshore_runtime::ScheduleRecord::shown).collect(),
    }))
}

/// Adds a schedule (201), or changes the one with this name (200).
#[utoipa::path(
    post, operation_id = "put_schedule", path = "/schedules", tag = "schedules",
    request_body(content = ScheduleRequest, description = "The fields of the schedule, and beside them those of its jobs (kind, queue, args, priority, …)"),
    responses(
        (status = 200, description = "Changed", body = Object),
        (status = 201, description = "Added", body = Object),
        (status = 400, description = "Nothing was stored", body = ErrorBody)
    )
)]
pub(crate) async fn add(
    Operates(api): Operates,
    _: Query<Nothing>,
    Body(body): Body,
) -> Result<Response, ApiError> {
    put(&api, read(&body, &api, None)?).await
}

/// Adds the schedule with this name (201), or changes it (200).
#[utoipa::path(
    put, operation_id = "put_named_schedule", path = "/schedules/{schedule}", tag = "schedules", params(("schedule" = String, Path)),
    request_body(content = ScheduleRequest, description = "As for POST"),
    responses(
        (status = 200, description = "Changed", body = Object),
        (status = 201, description = "Added", body = Object),
        (status = 400, description = "Nothing was stored", body = ErrorBody)
    )
)]
pub(crate) async fn change(
    Operates(api): Operates,
    PathSchedule(name): PathSchedule,
    _: Query<Nothing>,
    Body(body): Body,
) -> Result<Response, ApiError> {
    put(&api, read(&body, &api, Some(name))?).await
}

async fn put(api: &Asked, schedule: Schedule) -> Result<Response, ApiError> {
    api.kinds.check(&api.engine, &schedule.kind, || "kind".to_owned()).await?;
    let record = api.engine.schedules().put(schedule).await?;
    let is_new = record.standing.created_at == record.standing.updated_at;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(record.shown())).into_response())
}

/// Shows a schedule.
#[utoipa::path(
    get, operation_id = "show_schedule", path = "/schedules/{schedule}", tag = "schedules", params(("schedule" = String, Path)),
    responses((status = 200, body = Object), (status = 404, body = ErrorBody))
)]
pub(crate) async fn show(
    Operates(api): Operates,
    PathSchedule(name): PathSchedule,
    _: Query<Nothing>,
) -> Result<Json<ShownSchedule>, ApiError> {
    Ok(Json(api.engine.schedules().get(&name).await?.shown()))
}

/// Removes a schedule. The jobs that it made stay.
#[utoipa::path(
    delete, operation_id = "remove_schedule", path = "/schedules/{schedule}", tag = "schedules", params(("schedule" = String, Path)),
    responses((status = 204, description = "Gone"), (status = 400, description = "It has a body", body = ErrorBody), (status = 404, body = ErrorBody))
)]
pub(crate) async fn remove(
    Operates(api): Operates,
    PathSchedule(name): PathSchedule,
    _: Query<Nothing>,
    _: NoBody,
) -> Result<StatusCode, ApiError> {
    api.engine.schedules().remove(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes no more jobs until it is resumed. Times that pass meanwhile are not made up for.
#[utoipa::path(
    post, operation_id = "pause_schedule", path = "/schedules/{schedule}/pause", tag = "schedules", params(("schedule" = String, Path)),
    responses((status = 200, body = Object), (status = 400, description = "It has a body", body = ErrorBody), (status = 404, body = ErrorBody))
)]
pub(crate) async fn pause(
    Operates(api): Operates,
    PathSchedule(name): PathSchedule,
    _: Query<Nothing>,
    _: NoBody,
) -> Result<Json<ShownSchedule>, ApiError> {
    Ok(Json(api.engine.schedules().pause(&name).await?.shown()))
}

/// Makes jobs again, from now on; the answer shows the next time.
#[utoipa::path(
    post, operation_id = "resume_schedule", path = "/schedules/{schedule}/resume", tag = "schedules", params(("schedule" = String, Path)),
    responses((status = 200, body = Object), (status = 400, description = "It has a body", body = ErrorBody), (status = 404, body = ErrorBody))
)]
pub(crate) async fn resume(
    Operates(api): Operates,
    PathSchedule(name): PathSchedule,
    _: Query<Nothing>,
    _: NoBody,
) -> Result<Json<ShownSchedule>, ApiError> {
    Ok(Json(api.engine.schedules().resume(&name).await?.shown()))
}

/// Makes its job now, whatever the rule says.
#[utoipa::path(
    post, operation_id = "run_schedule", path = "/schedules/{schedule}/run-now", tag = "schedules",
    params(
        ("schedule" = String, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "The same request under the same key gives the same job for 24 h")
    ),
    responses((status = 202, body = Accepted), (status = 400, description = "It has a body", body = ErrorBody), (status = 404, body = ErrorBody))
)]
pub(crate) async fn run_now(
    Operates(api): Operates,
    PathSchedule(name): PathSchedule,
    _: Query<Nothing>,
    idempotency: Idempotency,
    _: NoBody,
) -> Result<Response, ApiError> {
    let schedules = api.engine.schedules();
    let receipt = match idempotency.key(b"") {
        None => schedules.run_now(&name).await?,
        Some(key) => schedules.run_now_once(&name, &key).await?,
    };
    Ok(accepted(vec![receipt], false))
}
