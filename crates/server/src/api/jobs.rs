use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use longshore_core::limits::PAGE_JOBS_MAX;
use longshore_core::{Cursor, Invalid, JobFilter, Page, QueueName, State};
use serde::Deserialize;
use utoipa::IntoParams;

use super::record::{ErrorBody, JobList, JobRecord};
use crate::error::ApiError;
use crate::extract::{NoBody, Nothing, PathId, Query, read_flag};
use crate::identity::{Reads, Submits};

/// The longest that one request waits for the end of a job.
const WAIT_MAX: Duration = Duration::from_secs(60);
const PAGE_DEFAULT: usize = 50;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// Of this queue.
    queue: Option<String>,
    /// In one of these states, separated by commas.
    state: Option<String>,
    /// Of this kind; a final `*` stands for any ending.
    kind: Option<String>,
    /// With this tag.
    tag: Option<String>,
    /// Words of the filter language, such as `reason:timeout created>2026-03-01T00:00:00Z text`.
    q: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Jobs on the page, 1 to 1000; 50 if not given.
    #[param(value_type = Option<usize>)]
    limit: Option<String>,
}

impl ListQuery {
    fn filter(&self) -> Result<JobFilter, Invalid> {
        let mut filter: JobFilter =
            self.q.as_deref().unwrap_or_default().parse().map_err(|error: Invalid| error.below("q"))?;
        let queue = self.queue.as_ref().map(QueueName::new).transpose()?;
        let states = self.state.iter().flat_map(|states| states.split(','));
        let states: Vec<State> = states.map(str::parse).collect::<Result<_, _>>()?;
        filter = filter.and(queue, self.kind.clone(), &states)?;
        filter.tags.extend(self.tag.clone());
        Ok(filter)
    }

    fn page(&self) -> Result<Page, Invalid> {
        let read_limit = |text: &str| {
            let limit = text.parse().ok().filter(|limit| (1..=PAGE_JOBS_MAX).contains(limit));
            let expected = format!("a whole number from 1 to {PAGE_JOBS_MAX}");
            limit.ok_or_else(|| Invalid::new("limit", expected, format!("{text:?}")))
        };
        let read_cursor = |text: &str| {
            let wrong = |_| Invalid::new("cursor", "the next_cursor of the page before", format!("{text:?}"));
            u64::from_str_radix(text, 16).map(Cursor).map_err(wrong)
        };
        let limit = self.limit.as_deref().map(read_limit).transpose()?.unwrap_or(PAGE_DEFAULT);
        Ok(Page { after: self.cursor.as_deref().map(read_cursor).transpose()?, limit })
    }
}

/// Lists jobs, the newest first.
#[utoipa::path(
    get, operation_id = "list_jobs", path = "/jobs", tag = "jobs", params(ListQuery),
    responses((status = 200, body = JobList), (status = 400, body = ErrorBody))
)]
pub(crate) async fn list(
    Reads(api): Reads,
    Query(query): Query<ListQuery>,
) -> Result<Json<JobList>, ApiError> {
    let found = api.engine.control().list(query.filter()?, query.page()?).await?;
    Ok(Json(JobList { jobs: found.jobs, next_cursor: found.next.map(|cursor| format!("{:x}", cursor.0)) }))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ShowQuery {
    /// Waits up to so long (at most 60 s) for the end of the job.
    #[param(value_type = Option<String>)]
    wait: Option<String>,
}

/// Shows a job; with `wait` as soon as it has ended, or as it stands when the time is over.
#[utoipa::path(
    get, operation_id = "show_job", path = "/jobs/{id}", tag = "jobs", params(("id" = String, Path), ShowQuery),
    responses((status = 200, body = JobRecord), (status = 400, body = ErrorBody), (status = 404, body = ErrorBody))
)]
pub(crate) async fn show(
    Reads(api): Reads,
    PathId(id): PathId,
    Query(query): Query<ShowQuery>,
) -> Result<Json<longshore_core::Job>, ApiError> {
    let patience = query
        .wait
        .as_deref()
        .map(longshore_core::parse_duration)
        .transpose()
        .map_err(|error| error.below("wait"))?;
    let control = api.engine.control();
    let job = match patience {
        None => control.job(&id).await?,
        Some(patience) => tokio::select! {
            job = control.wait(&id, patience.min(WAIT_MAX)) => job?,
            () = api.stop.draining() => control.job(&id).await?,
        },
    };
    Ok(Json(job))
}

/// Tells why a job is not running: every reason, read from the state of the store.
#[utoipa::path(
    get, operation_id = "why_job", path = "/jobs/{id}/why", tag = "jobs", params(("id" = String, Path)),
    responses((status = 200, body = Object), (status = 404, body = ErrorBody))
)]
pub(crate) async fn why(
    Reads(api): Reads,
    PathId(id): PathId,
    _: Query<Nothing>,
) -> Result<Json<longshore_runtime::Why>, ApiError> {
    Ok(Json(api.engine.control().why(&id).await?))
}

/// Cancels a job: at once while it waits (200); a running one is asked to stop (202). Asking again is fine.
#[utoipa::path(
    post, operation_id = "cancel_job", path = "/jobs/{id}/cancel", tag = "jobs", params(("id" = String, Path)),
    responses(
        (status = 200, description = "Cancelled", body = JobRecord),
        (status = 202, description = "Running, and asked to stop", body = JobRecord),
        (status = 400, description = "The id cannot be one", body = ErrorBody),
        (status = 404, body = ErrorBody),
        (status = 409, description = "It has ended", body = ErrorBody)
    )
)]
pub(crate) async fn cancel(
    Submits(api): Submits,
    PathId(id): PathId,
    _: Query<Nothing>,
    _: NoBody,
) -> Result<Response, ApiError> {
    let job = api.engine.control().cancel(&id).await?;
    let status = if job.state.is_end() { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, Json(job)).into_response())
}

/// Makes a failed or cancelled job ready again, with all its attempts.
#[utoipa::path(
    post, operation_id = "retry_job", path = "/jobs/{id}/retry", tag = "jobs", params(("id" = String, Path)),
    responses(
        (status = 202, description = "Ready again", body = JobRecord),
        (status = 400, description = "The id cannot be one", body = ErrorBody),
        (status = 404, body = ErrorBody),
        (status = 409, description = "It has not failed", body = ErrorBody)
    )
)]
pub(crate) async fn retry(
    Submits(api): Submits,
    PathId(id): PathId,
    _: Query<Nothing>,
    _: NoBody,
) -> Result<Response, ApiError> {
    let job = api.engine.control().retry(&id).await?;
    Ok((StatusCode::ACCEPTED, Json(job)).into_response())
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RemoveQuery {
    /// Removes it even while it runs; its worker loses the lease.
    #[param(value_type = Option<bool>)]
    force: Option<String>,
}

/// Removes the record of a job.
#[utoipa::path(
    delete, operation_id = "remove_job", path = "/jobs/{id}", tag = "jobs", params(("id" = String, Path), RemoveQuery),
    responses(
        (status = 204, description = "Gone"),
        (status = 400, description = "It has a body", body = ErrorBody), (status = 404, body = ErrorBody),
        (status = 409, description = "It runs", body = ErrorBody)
    )
)]
pub(crate) async fn remove(
    Submits(api): Submits,
    PathId(id): PathId,
    Query(query): Query<RemoveQuery>,
    _: NoBody,
) -> Result<StatusCode, ApiError> {
    let force = read_flag("force", query.force.as_deref())?;
    api.engine.control().remove(&id, force).await?;
    Ok(StatusCode::NO_CONTENT)
}
