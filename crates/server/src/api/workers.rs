use std::collections::BTreeMap;

use axum::Json;
use longshore_core::Limit;
use longshore_runtime::WorkerView;
use serde::Serialize;
use utoipa::ToSchema;

use super::record::ErrorBody;
use crate::error::ApiError;
use crate::extract::{Nothing, PathWorker, Query};
use crate::identity::Operates;

/// Workers seen in the last hour.
#[derive(Serialize, ToSchema)]
pub(crate) struct WorkerList {
    #[schema(value_type = Vec<WorkerRecord>)]
    workers: Vec<WorkerView>,
}

/// A worker as it last told of itself.
#[derive(ToSchema)]
#[schema(as = Worker)]
#[expect(dead_code, reason = "the shape of `WorkerView`, for the OpenAPI document")]
pub(crate) struct WorkerRecord {
    id: String,
    host: String,
    pid: u32,
    version: String,
    /// The queues it serves; empty is all.
    queues: Vec<String>,
    /// The kinds it has handlers for.
    kinds: Vec<String>,
    /// Slots per queue.
    concurrency: u32,
    /// Slots of queues that have another number; absent if there are none.
    slots: Option<BTreeMap<String, u32>>,
    /// Rates of queues that count at this worker alone; absent if there are none.
    #[schema(value_type = Option<Object>)]
    own_rates: Option<BTreeMap<String, Limit>>,
    /// Attempts running now, and leases whose handlers have not started.
    running: u32,
    buffered: u32,
    /// Their jobs, the first hundred of each.
    running_jobs: Vec<String>,
    buffered_jobs: Vec<String>,
    /// Attempts ended since it started, and per second since it told of itself before.
    finished: u64,
    finished_per_second: Option<f64>,
    started_at: String,
    /// When it told of all this.
    seen_at: String,
    /// It claims no more.
    stopping: bool,
    /// After so many seconds without a word it counts as gone.
    ttl: f64,
    alive: bool,
    /// healthy, aging (two thirds of `ttl` are over), stale (gone) or stopping.
    health: String,
}

/// Lists the workers.
#[utoipa::path(get, operation_id = "list_workers", path = "/workers", tag = "queues", responses((status = 200, body = WorkerList)))]
pub(crate) async fn list(Operates(api): Operates, _: Query<Nothing>) -> Result<Json<WorkerList>, ApiError> {
    Ok(Json(WorkerList { workers: api.engine.control().workers().await? }))
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
) -> Result<Json<WorkerView>, ApiError> {
    let found = api.engine.control().worker(&id).await?;
    Ok(Json(found.ok_or_else(|| ApiError::not_found(&format!("worker {id}")))?))
}
