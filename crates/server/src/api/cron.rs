use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use longshore_core::{Invalid, JobId, StoreResult};
use longshore_cron::{Calculation, CalculatorStats, CronRequest, Occurrence, Zone, tz_version};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

use super::record::{Accepted, ErrorBody};
use super::submit::{JobRequest, insert};
use crate::error::ApiError;
use crate::extract::{Body, Nothing, Object, Query, read_count, read_json};
use crate::identity::{Reads, Submits};

const DAYS_MAX: u32 = 30;
const RESULTS_MAX: u32 = 500;
const RESULTS_USUAL: u32 = 100;
const BATCH_MAX: u32 = 100;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct NextQuery {
    /// The expression.
    cron: String,
    /// How far to look ahead, 1 to 30 days; 1 if not given.
    #[param(value_type = Option<u32>)]
    days: Option<String>,
    /// At most so many times, 1 to 500; 100 if not given.
    #[param(value_type = Option<u32>)]
    max_results: Option<String>,
    /// The IANA zone; UTC if not given.
    timezone: Option<String>,
}

/// The next times of an expression, in short.
#[derive(Serialize, ToSchema)]
pub(crate) struct NextTimes {
    status: &'static str,
    /// RFC 3339, with the offset of the zone.
    #[schema(value_type = Vec<String>)]
    rows: Vec<Occurrence>,
    count: usize,
    /// More times lie in the range.
    truncated: bool,
    metadata: NextMetadata,
}

#[derive(Serialize, ToSchema)]
struct NextMetadata {
    cron_expression: String,
    start_date: Option<String>,
    end_date: Option<String>,
    days_ahead: u32,
    cached: bool,
}

fn refused(calculation: &Calculation) -> ApiError {
    let message = calculation.error.clone().unwrap_or_default();
    ApiError::new(StatusCode::BAD_REQUEST, calculation.code.unwrap_or("invalid"), message)
}

/// Tells when an expression is due in the coming days.
#[utoipa::path(
    get, operation_id = "cron_next_days", path = "/cron/next", tag = "cron", params(NextQuery),
    responses((status = 200, body = NextTimes), (status = 400, body = ErrorBody))
)]
pub(crate) async fn next_days(
    Reads(api): Reads,
    Query(query): Query<NextQuery>,
) -> Result<Json<NextTimes>, ApiError> {
    let days = read_count("days", query.days.as_deref(), 1, DAYS_MAX)?;
    let results = read_count("max_results", query.max_results.as_deref(), RESULTS_USUAL, RESULTS_MAX)?;
    let now = api.engine.door().clock.now();
    let end = now + std::time::Duration::from_secs(u64::from(days) * 86_400);
    let request = CronRequest {
        end_date: Some(end.to_string()),
        max_occurrences: Some(results),
        timezone: query.timezone.unwrap_or_else(|| "UTC".to_owned()),
        ..CronRequest::new(query.cron)
    };
    let found = api.cron.calculate_next_occurrences(&request, now);
    if found.error.is_some() {
        return Err(refused(&found));
    }
    Ok(Json(NextTimes {
        status: "success",
        count: found.count,
        rows: found.occurrences,
        truncated: found.truncated,
        metadata: NextMetadata {
            cron_expression: found.cron_expression,
            start_date: found.start_date,
            end_date: found.end_date,
            days_ahead: days,
            cached: found.cached,
        },
    }))
}

/// Tells when an expression is due between two times, both excluded: at most a year apart, at most 1000 times.
#[utoipa::path(
    post, operation_id = "cron_next", path = "/cron/next", tag = "cron",
    request_body(content = Object, description = "{cron_expression, start_date, end_date, max_occurrences, timezone, use_cache}"),
    responses((status = 200, body = Object), (status = 400, description = "The same shape with status error", body = Object))
)]
pub(crate) async fn next(
    Reads(api): Reads,
    _: Query<Nothing>,
    Body(body): Body,
) -> Result<Response, ApiError> {
    let Object(request) = read_json::<Object<CronRequest>>(&body)?;
    let found = api.cron.calculate_next_occurrences(&request, api.engine.door().clock.now());
    let status = if found.error.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    Ok((status, Json(found)).into_response())
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ValidateRequest {
    /// The expression.
    cron_expression: String,
    /// The IANA zone; UTC if not given.
    #[serde(default)]
    timezone: Option<String>,
}

/// Tells whether an expression can be used, what it means and when it is due next. An invalid one is an answer as well.
#[utoipa::path(
    post, operation_id = "cron_validate", path = "/cron/validate", tag = "cron", request_body = ValidateRequest,
    responses((status = 200, body = Object), (status = 400, body = ErrorBody))
)]
pub(crate) async fn validate(
    Reads(api): Reads,
    _: Query<Nothing>,
    Body(body): Body,
) -> Result<Json<serde_json::Value>, ApiError> {
    let Object(request) = read_json::<Object<ValidateRequest>>(&body)?;
    let zone = request.timezone.as_deref().unwrap_or("UTC");
    let now = api.engine.door().clock.now();
    let verdict = api.cron.validate(&request.cron_expression, zone, now);
    let mut answer = serde_json::to_value(verdict).unwrap_or_default();
    let short = api.cron.validate_short(&request.cron_expression, zone);
    if let Some(fields) = answer.as_object_mut() {
        fields.insert("description".to_owned(), short.description.clone().into());
    }
    Ok(Json(answer))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BatchRequest {
    /// {cron_expression, start_date, end_date, timezone}: one scheduled job for each of its times, at most 100.
    #[schema(value_type = Object)]
    schedule_config: CronRequest,
    /// Names the jobs: the same name and time make one job, however often they are asked for.
    schedule_id: String,
    /// What each job is: {kind, queue, args, …}.
    #[schema(value_type = Object)]
    job: Box<RawValue>,
}

/// Makes one scheduled job for each time of an expression in a range; once for each name and time.
#[utoipa::path(
    post, operation_id = "cron_batch", path = "/cron/batch", tag = "cron", request_body = BatchRequest,
    responses((status = 202, body = Object), (status = 400, description = "Nothing was stored", body = ErrorBody))
)]
pub(crate) async fn batch(
    Submits(api): Submits,
    _: Query<Nothing>,
    Body(body): Body,
) -> Result<Response, ApiError> {
    let Object(request) = read_json::<Object<BatchRequest>>(&body)?;
    let Object(job) = read_json::<Object<JobRequest>>(request.job.get().as_bytes())?;
    job.refuse_own_place().map_err(|error| error.below("job"))?;
    if request.schedule_id.is_empty() {
        return Err(Invalid::new("schedule_id", "a name for the jobs", "an empty text").into());
    }
    api.kinds.check(&api.engine, job.kind(), || "job.kind".to_owned()).await?;
    let now = api.engine.door().clock.now();
    let most = request.schedule_config.max_occurrences.map_or(BATCH_MAX, |most| most.min(BATCH_MAX));
    let config = CronRequest { max_occurrences: Some(most), ..request.schedule_config };
    let found = api.cron.calculate_next_occurrences(&config, now);
    if found.error.is_some() {
        return Err(refused(&found));
    }
    let make = |ids: &[JobId]| -> StoreResult<_> {
        let specs = found.occurrences.iter().zip(ids).map(|(occurrence, _)| {
            let id = JobId::parse(&format!("{}@{}", request.schedule_id, occurrence.at.as_millis()))
                .map_err(|error| Invalid { field: "schedule_id".to_owned(), ..error })?;
            let mut spec = job.spec(id, &api, now).map_err(|error| error.below("job"))?;
            spec.run_at = Some(occurrence.at);
            Arc::make_mut(&mut spec.options).nominal_at = Some(occurrence.at);
            Ok(Arc::new(spec))
        });
        specs.collect()
    };
    let receipts = insert(&api, None, found.occurrences.len(), true, make).await?;
    let created = receipts.iter().filter(|receipt| !receipt.duplicate).count();
    let jobs: Vec<Accepted> = receipts.into_iter().map(Accepted::from).collect();
    let answer = serde_json::json!({
        "status": "success",
        "jobs_created": created,
        "jobs": jobs,
        "occurrences": found.occurrences,
        "truncated": found.truncated,
        "schedule_info": {
            "schedule_id": request.schedule_id,
            "cron_expression": found.cron_expression,
            "start_date": found.start_date,
            "end_date": found.end_date,
            "timezone": found.timezone,
        },
    });
    Ok((StatusCode::ACCEPTED, Json(answer)).into_response())
}

/// What the calculator of this process has counted since it started.
#[derive(Serialize, ToSchema)]
pub(crate) struct CronStats {
    #[schema(value_type = Object)]
    cron_calculations: CalculatorStats,
    /// The version of the time zone database.
    tz_version: &'static str,
    /// How many zones it has.
    zones: usize,
}

/// Tells what the calculator has counted.
#[utoipa::path(get, operation_id = "cron_stats", path = "/cron/stats", tag = "cron", responses((status = 200, body = CronStats)))]
pub(crate) async fn stats(Reads(api): Reads, _: Query<Nothing>) -> Json<CronStats> {
    Json(CronStats {
        cron_calculations: api.cron.stats(),
        tz_version: tz_version(),
        zones: Zone::names().count(),
    })
}
