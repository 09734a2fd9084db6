use axum::Json;
use longshore_core::WorkerInfo;
use serde::Serialize;
use utoipa::ToSchema;

use super::record::ErrorBody;
use crate::error::ApiError;
use crate::extract::{Nothing, PathWorker, Query};
use crate::identity::Operates;

/// Workers seen in the last hour.
#[derive(Serialize, ToSchema)]
pub(crate) struct WorkerList {
    workers: Vec<WorkerRecord>,
}

/// A worker as it last told of itself.
#[derive(Serialize, ToSchema)]
#[schema(as = Worker)]
pub(crate) struct WorkerRecord {
    /// id, host, pid, version, queues (empty is all), kinds, concurrency, running, buffered, finished, started_at,
    /// seen_at, stopping.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    info: WorkerInfo,
    /// It told of itself in the last 30 s.
    alive: bool,
}

/// Lists the workers.
#[utoipa::path(get, operation_id = "list_workers", path = "/workers", tag = "queues", responses((status = 200, body = WorkerList)))]
pub(crate) async fn list(Operates(api): Operates, _: Query<Nothing>) -> Result<Json<WorkerList>, ApiError> {
    let control = api.engine.control();
    let workers = control.workers().await?;
    let workers =
        workers.into_iter().map(|info| WorkerRecord { alive: control.is_alive(&info), info }).collect();
    Ok(Json(WorkerList { workers }))
}

/// Shows a worker.
#[utoipa::path(
    get, operation_id = "show_worker", path = "/workers/{worker}", tag = "queues", params(("worker" = String, Path)),
    responses((status = 200, body = WorkerRecord), (status = 404, body = ErrorBody))
)]
pub(crate) async fn show(
    Operates(api): Operates,
    PathWorker(id): PathWorker,
    _: Query<Nothing>,
) -> Result<Json<WorkerRecord>, ApiError> {
    let control = api.engine.control();
    let found = control.workers().await?.into_iter().find(|info| info.id == id);
    let info = found.ok_or_else(|| ApiError::not_found(&format!("worker {id}")))?;
    Ok(Json(WorkerRecord { alive: control.is_alive(&info), info }))
}
