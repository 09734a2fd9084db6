use axum::Json;
use longshore_core::QueueName;
use longshore_runtime::{History, SAMPLES_MAX};
use serde::Deserialize;
use utoipa::IntoParams;

use super::record::ErrorBody;
use crate::error::ApiError;
use crate::extract::{Query, read_count};
use crate::identity::Operates;

/// Samples that are shown unless somebody asks for more or fewer: ten minutes.
const SAMPLES_USUAL: u32 = 60;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct HistoryQuery {
    /// Samples, 1 to 500; 60 if not given.
    #[param(value_type = Option<u32>)]
    limit: Option<String>,
    /// Only this queue.
    queue: Option<String>,
}

/// Tells what all processes did, ten seconds at a time, the oldest first: counts, rates, percentiles, depth. What nobody
/// measured is null.
#[utoipa::path(
    get, operation_id = "metrics_history", path = "/metrics/history", tag = "health", params(HistoryQuery),
    responses(
        (status = 200, description = "{samples: [{from, to, queues: {NAME: {inserted, started, completed, failed, cancelled, retried, completed_per_s, retry_ratio, wait_ms: {p50, p95, p99}, run_ms, depth: {blocked, scheduled, ready, running}}}}], total: the same over all of them}", body = Object),
        (status = 400, body = ErrorBody)
    )
)]
pub(crate) async fn history(
    Operates(api): Operates,
    Query(query): Query<HistoryQuery>,
) -> Result<Json<History>, ApiError> {
    let limit = read_count("limit", query.limit.as_deref(), SAMPLES_USUAL, SAMPLES_MAX as u32)? as usize;
    let queue = query.queue.map(QueueName::new).transpose()?;
    Ok(Json(api.engine.control().history(queue.as_ref(), limit).await?))
}
