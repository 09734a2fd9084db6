//! What operators do to many jobs of a queue at once.

use axum::Json;
use longshore_core::{Change, Invalid, JobFilter, JobId, QueueName, State, parse_duration};
use longshore_runtime::{Batch, Refused};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::find;
use crate::api::record::ErrorBody;
use crate::error::ApiError;
use crate::extract::{Body, NoBody, Nothing, Object, PathQueue, Query, read_flag, read_json};
use crate::identity::{Asked, Operates};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DrainQuery {
    /// Also removes jobs that wait for a time.
    #[serde(alias = "include_delayed")]
    #[param(value_type = Option<bool>)]
    include_scheduled: Option<String>,
}

/// What was removed.
#[derive(Serialize, ToSchema)]
pub(crate) struct Drained {
    /// How many jobs.
    removed: usize,
    /// Their ids, the first thousand.
    #[schema(value_type = Vec<String>)]
    ids: Vec<JobId>,
}

impl From<Batch> for Drained {
    fn from(batch: Batch) -> Self {
        Self { removed: batch.changed, ids: batch.ids }
    }
}

/// Removes the ready and blocked jobs of the queue. Running jobs go on.
#[utoipa::path(
    post, operation_id = "drain_queue", path = "/queues/{queue}/drain", tag = "queues", params(("queue" = String, Path), DrainQuery),
    responses((status = 200, body = Drained), (status = 400, description = "It has a body", body = ErrorBody), (status = 404, body = ErrorBody))
)]
pub(crate) async fn drain(
    Operates(api): Operates,
    PathQueue(name): PathQueue,
    Query(query): Query<DrainQuery>,
    _: NoBody,
) -> Result<Json<Drained>, ApiError> {
    let scheduled = read_flag("include_scheduled", query.include_scheduled.as_deref())?;
    let queue = find(&api, &name).await?;
    Ok(Json(api.engine.control().drain(&queue.name, scheduled).await?.into()))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PurgeQuery {
    /// The state whose jobs are removed: any but running.
    state: Option<String>,
    /// Only jobs that match these words, as in a listing.
    q: Option<String>,
    /// Keeps those that ended less than this time ago.
    #[param(value_type = Option<String>)]
    grace: Option<String>,
    /// Removes at most so many; all if not given.
    #[param(value_type = Option<usize>)]
    limit: Option<String>,
}

fn read_limit(text: Option<&str>) -> Result<usize, Invalid> {
    let Some(text) = text else { return Ok(usize::MAX) };
    let limit = text.parse().map(|limit| if limit == 0 { usize::MAX } else { limit });
    limit.map_err(|_| Invalid::new("limit", "a whole number, 0 for all", format!("{text:?}")))
}

/// Removes jobs of the queue that are in one state, the newest first.
#[utoipa::path(
    post, operation_id = "purge_queue", path = "/queues/{queue}/purge", tag = "queues", params(("queue" = String, Path), PurgeQuery),
    responses((status = 200, body = Drained), (status = 400, body = ErrorBody), (status = 404, body = ErrorBody))
)]
pub(crate) async fn purge(
    Operates(api): Operates,
    PathQueue(name): PathQueue,
    Query(query): Query<PurgeQuery>,
    _: NoBody,
) -> Result<Json<Drained>, ApiError> {
    let state = query
        .state
        .as_deref()
        .ok_or_else(|| Invalid::new("state", "a value", "nothing").code("missing_field"))?;
    let state: State = state.parse()?;
    if state == State::Running {
        return Err(
            Invalid::new("state", "any state but running; cancel running jobs instead", "running").into()
        );
    }
    let grace =
        query.grace.as_deref().map(parse_duration).transpose().map_err(|error| error.below("grace"))?;
    let words = query.q.as_deref().unwrap_or_default();
    let filter: JobFilter = words.parse().map_err(|error: Invalid| error.below("q"))?;
    let limit = read_limit(query.limit.as_deref())?;
    let queue = find(&api, &name).await?;
    let (control, grace) = (api.engine.control(), grace.unwrap_or_default());
    let purged = control.purge_those(&queue.name, state, filter, grace, limit).await?;
    Ok(Json(purged.into()))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ObliterateQuery {
    /// The name of the queue once more, because nothing of it can be brought back. Not needed with `force`.
    confirm: Option<String>,
    /// Removes running jobs as well; their workers lose the leases.
    #[param(value_type = Option<bool>)]
    force: Option<String>,
}

/// Removes everything of the queue: its jobs in all states, and its settings. Wants the name once more.
#[utoipa::path(
    delete, operation_id = "obliterate_queue", path = "/queues/{queue}", tag = "queues", params(("queue" = String, Path), ObliterateQuery),
    responses(
        (status = 200, body = Drained),
        (status = 400, description = "It was not confirmed", body = ErrorBody),
        (status = 404, body = ErrorBody),
        (status = 409, description = "Jobs of it run", body = ErrorBody)
    )
)]
pub(crate) async fn obliterate(
    Operates(api): Operates,
    PathQueue(name): PathQueue,
    Query(query): Query<ObliterateQuery>,
    _: NoBody,
) -> Result<Json<Drained>, ApiError> {
    let force = read_flag("force", query.force.as_deref())?;
    let confirmed = query.confirm.as_deref().map(|confirm| confirm == name.as_str());
    if confirmed == Some(false) || (confirmed.is_none() && !force) {
        let expected = format!("{name}, to confirm that nothing of the queue shall be left");
        return Err(Invalid::new("confirm", expected, query.confirm.unwrap_or("nothing".to_owned())).into());
    }
    let queue = find(&api, &name).await?;
    Ok(Json(api.engine.control().obliterate(&queue.name, force).await?.into()))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RetryQuery {
    /// Only those that match these words of the filter language, such as `reason:timeout kind:pdf.*`.
    q: Option<String>,
    /// At most so many, the newest first; all if not given.
    #[param(value_type = Option<usize>)]
    limit: Option<String>,
}

/// Jobs that were made ready again.
#[derive(Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the names on the wire")]
pub(crate) struct Retried {
    /// How many jobs.
    retried: usize,
    /// Their ids, the first thousand.
    #[schema(value_type = Vec<String>)]
    ids: Vec<JobId>,
    /// Those that were not, the first thousand: {id, code, message}. Another job may hold the unique key of one.
    #[schema(value_type = Vec<Object>)]
    refused: Vec<Refused>,
}

/// Makes the failed jobs of the queue ready again, with all their attempts.
#[utoipa::path(
    post, operation_id = "retry_queue", path = "/queues/{queue}/retry", tag = "queues", params(("queue" = String, Path), RetryQuery),
    responses((status = 200, body = Retried), (status = 400, body = ErrorBody), (status = 404, body = ErrorBody))
)]
pub(crate) async fn retry(
    Operates(api): Operates,
    PathQueue(name): PathQueue,
    Query(query): Query<RetryQuery>,
    _: NoBody,
) -> Result<Json<Retried>, ApiError> {
    let words = query.q.as_deref().unwrap_or_default();
    let filter: JobFilter = words.parse().map_err(|error: Invalid| error.below("q"))?;
    let limit = read_limit(query.limit.as_deref())?;
    let queue = find(&api, &name).await?;
    let filter = filter.and(Some(queue.name), None, &[])?;
    let Batch { changed, ids, refused } = api.engine.control().retry_all(filter, limit).await?;
    Ok(Json(Retried { retried: changed, ids, refused }))
}

/// Which jobs of the queue are meant: these, or those that match.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Meant {
    /// These, at most a thousand.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    ids: Option<Vec<JobId>>,
    /// Those that match these words of the filter language, such as `state:failed reason:timeout`.
    #[serde(default)]
    q: Option<String>,
    /// With `q`: at most so many, the newest first; all if not given.
    #[serde(default)]
    limit: Option<usize>,
    /// When they are removed: also those that run; their workers lose the leases.
    #[serde(default)]
    force: bool,
}

/// What became of them.
#[derive(Serialize, ToSchema)]
pub(crate) struct Amends {
    /// How many jobs were changed.
    changed: usize,
    /// Their ids, the first thousand.
    #[schema(value_type = Vec<String>)]
    ids: Vec<JobId>,
    /// Those that were not, the first thousand: {id, code, message}.
    #[schema(value_type = Vec<Object>)]
    refused: Vec<Refused>,
}

async fn amend(
    api: &Asked,
    queue: &QueueName,
    body: &[u8],
    change: impl FnOnce(bool) -> Result<Change, Invalid>,
) -> Result<Json<Amends>, ApiError> {
    let Object(Meant { ids, q, limit, force }) = read_json::<Object<Meant>>(body)?;
    let change = change(force)?;
    let control = api.engine.control();
    let Batch { changed, ids, refused } = match (ids, q) {
        (Some(_), None) if limit.is_some() => {
            return Err(Invalid::new("limit", "no limit beside ids", "both").into());
        }
        (Some(ids), None) => control.amend_these(&find(api, queue).await?.name, ids, change).await?,
        (None, Some(words)) if words.trim().is_empty() => {
            return Err(Invalid::new("q", "words that say which jobs, such as state:failed", "none").into());
        }
        (None, Some(words)) => {
            let filter: JobFilter = words.parse().map_err(|error: Invalid| error.below("q"))?;
            // 0 is all, as everywhere.
            let most = limit.filter(|limit| *limit > 0).unwrap_or(usize::MAX);
            control.amend_matching(&find(api, queue).await?.name, filter, change, most).await?
        }
        (ids, _) => {
            let got = if ids.is_some() { "both" } else { "neither" };
            return Err(Invalid::new("ids", "either ids, or q", got).into());
        }
    };
    Ok(Json(Amends { changed, ids, refused }))
}

fn without_force(change: Change) -> impl FnOnce(bool) -> Result<Change, Invalid> {
    move |force| {
        let wrong = || Invalid::new("force", "no force: it is only for jobs that are removed", true);
        if force { Err(wrong()) } else { Ok(change) }
    }
}

/// Makes failed and cancelled jobs of the queue ready again: these, or those that match. What could not be is told.
#[utoipa::path(
    post, operation_id = "retry_jobs", path = "/queues/{queue}/jobs/retry", tag = "queues", params(("queue" = String, Path)),
    request_body = Meant,
    responses((status = 200, body = Amends), (status = 400, body = ErrorBody), (status = 404, body = ErrorBody))
)]
pub(crate) async fn retry_jobs(
    Operates(api): Operates,
    PathQueue(name): PathQueue,
    _: Query<Nothing>,
    Body(body): Body,
) -> Result<Json<Amends>, ApiError> {
    amend(&api, &name, &body, without_force(Change::Revive)).await
}

/// Cancels jobs of the queue: these, or those that match. Running ones are asked to stop.
#[utoipa::path(
    post, operation_id = "cancel_jobs", path = "/queues/{queue}/jobs/cancel", tag = "queues", params(("queue" = String, Path)),
    request_body = Meant,
    responses((status = 200, body = Amends), (status = 400, body = ErrorBody), (status = 404, body = ErrorBody))
)]
pub(crate) async fn cancel_jobs(
    Operates(api): Operates,
    PathQueue(name): PathQueue,
    _: Query<Nothing>,
    Body(body): Body,
) -> Result<Json<Amends>, ApiError> {
    amend(&api, &name, &body, without_force(Change::Cancel)).await
}

/// Removes the records of jobs of the queue: these, or those that match.
#[utoipa::path(
    post, operation_id = "remove_jobs", path = "/queues/{queue}/jobs/remove", tag = "queues", params(("queue" = String, Path)),
    request_body = Meant,
    responses((status = 200, body = Amends), (status = 400, body = ErrorBody), (status = 404, body = ErrorBody))
)]
pub(crate) async fn remove_jobs(
    Operates(api): Operates,
    PathQueue(name): PathQueue,
    _: Query<Nothing>,
    Body(body): Body,
) -> Result<Json<Amends>, ApiError> {
    amend(&api, &name, &body, |force| Ok(Change::Remove { force })).await
}
