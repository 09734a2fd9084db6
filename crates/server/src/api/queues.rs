use axum::Json;
use axum::extract::State as Shared;
use longshore_core::{QueueInfo, QueueName};
use longshore_runtime::Batch;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::record::ErrorBody;
use crate::app::{Api, Face};
use crate::error::ApiError;
use crate::extract::{Nothing, PathQueue, Query, read_flag};

/// Every queue.
#[derive(Serialize, ToSchema)]
pub(crate) struct QueueList {
    #[schema(value_type = Vec<QueueRecord>)]
    queues: Vec<QueueInfo>,
}

/// A queue as it stands.
#[derive(ToSchema)]
#[schema(as = Queue)]
#[expect(dead_code, reason = "the shape of `QueueInfo`, for the OpenAPI document")]
pub(crate) struct QueueRecord {
    name: String,
    /// Hands out no jobs.
    paused: bool,
    /// Jobs by state; always all seven states.
    #[schema(value_type = Object)]
    counts: (),
    /// Since when the next ready job has waited.
    oldest_ready_at: Option<String>,
    /// How long ended jobs stay, in seconds: {completed, failed, cancelled}.
    #[schema(value_type = Object)]
    retention: (),
}

/// Lists the queues with their counts.
#[utoipa::path(get, operation_id = "list_queues", path = "/queues", tag = "queues", responses((status = 200, body = QueueList)))]
pub(crate) async fn list(Shared(api): Shared<Face>, _: Query<Nothing>) -> Result<Json<QueueList>, ApiError> {
    Ok(Json(QueueList { queues: api.engine.control().queues().await? }))
}

async fn find(api: &Api, name: &QueueName) -> Result<QueueInfo, ApiError> {
    api.engine.control().queue(name).await?.ok_or_else(|| ApiError::not_found(&format!("queue {name}")))
}

/// Shows a queue.
#[utoipa::path(
    get, operation_id = "show_queue", path = "/queues/{queue}", tag = "queues", params(("queue" = String, Path)),
    responses((status = 200, body = QueueRecord), (status = 404, body = ErrorBody))
)]
pub(crate) async fn show(
    Shared(api): Shared<Face>,
    PathQueue(name): PathQueue,
    _: Query<Nothing>,
) -> Result<Json<QueueInfo>, ApiError> {
    Ok(Json(find(&api, &name).await?))
}

/// Stops the queue from handing out jobs, on every node. Running jobs go on.
#[utoipa::path(
    post, operation_id = "pause_queue", path = "/queues/{queue}/pause", tag = "queues", params(("queue" = String, Path)),
    responses((status = 200, body = QueueRecord), (status = 404, body = ErrorBody))
)]
pub(crate) async fn pause(
    Shared(api): Shared<Face>,
    PathQueue(name): PathQueue,
    _: Query<Nothing>,
) -> Result<Json<QueueInfo>, ApiError> {
    let queue = find(&api, &name).await?;
    Ok(Json(api.engine.control().pause(&queue.name).await?))
}

/// Lets the queue hand out jobs again.
#[utoipa::path(
    post, operation_id = "resume_queue", path = "/queues/{queue}/resume", tag = "queues", params(("queue" = String, Path)),
    responses((status = 200, body = QueueRecord), (status = 404, body = ErrorBody))
)]
pub(crate) async fn resume(
    Shared(api): Shared<Face>,
    PathQueue(name): PathQueue,
    _: Query<Nothing>,
) -> Result<Json<QueueInfo>, ApiError> {
    let queue = find(&api, &name).await?;
    Ok(Json(api.engine.control().resume(&queue.name).await?))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DrainQuery {
    /// Also removes jobs that wait for a time.
    #[param(value_type = Option<bool>)]
    include_scheduled: Option<String>,
}

/// What was removed.
#[derive(Serialize, ToSchema)]
pub(crate) struct Drained {
    /// How many jobs.
    removed: usize,
    /// Their ids, the first thousand.
    ids: Vec<String>,
}

impl From<Batch> for Drained {
    fn from(batch: Batch) -> Self {
        Self { removed: batch.changed, ids: batch.ids.iter().map(ToString::to_string).collect() }
    }
}

/// Removes the ready and blocked jobs of the queue. Running jobs go on.
#[utoipa::path(
    post, operation_id = "drain_queue", path = "/queues/{queue}/drain", tag = "queues", params(("queue" = String, Path), DrainQuery),
    responses((status = 200, body = Drained), (status = 404, body = ErrorBody))
)]
pub(crate) async fn drain(
    Shared(api): Shared<Face>,
    PathQueue(name): PathQueue,
    Query(query): Query<DrainQuery>,
) -> Result<Json<Drained>, ApiError> {
    let scheduled = read_flag("include_scheduled", query.include_scheduled.as_deref())?;
    let queue = find(&api, &name).await?;
    Ok(Json(api.engine.control().drain(&queue.name, scheduled).await?.into()))
}
