pub(crate) mod kinds;
pub(crate) mod many;
pub(crate) mod unique;

use std::time::Duration;

use axum::Json;
use longshore_core::{
    DurationText, FailureGroup, Invalid, Limit, QueueChange, QueueInfo, QueueName, Rate, RetentionChange,
};
use longshore_runtime::QueueView;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::record::ErrorBody;
use super::workers::WorkerRecord;
use crate::error::ApiError;
use crate::extract::{Body, NoBody, Nothing, Object, PathQueue, Query, given, read_json};
use crate::identity::{Asked, Operates};

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
    /// How long ended jobs stay, in seconds, and how many of each state at most: {completed, failed, cancelled, most}.
    #[schema(value_type = Object)]
    retention: (),
    /// How many jobs may run and start, over all nodes: {key, concurrency, rate, interval, burst} each.
    #[schema(value_type = Vec<Object>)]
    limits: (),
    /// Each time a job has waited so long, it counts one priority lower.
    ageing: Option<String>,
    /// Longest time between two looks for work that nobody rang for.
    scan_interval: Option<String>,
}

/// A queue, and who serves it.
#[derive(ToSchema)]
#[schema(as = QueueView)]
#[expect(dead_code, reason = "the shape of `QueueView`, for the OpenAPI document")]
pub(crate) struct QueueViewRecord {
    #[schema(inline)]
    #[serde(flatten)]
    queue: QueueRecord,
    /// Seconds that the next ready job has waited.
    oldest_ready_age: Option<f64>,
    /// The live workers that serve it.
    workers: Vec<WorkerRecord>,
    /// Kinds that none of them has a handler for, among the newest thousand of its ready and scheduled jobs.
    kinds_without_worker: Vec<String>,
}

/// What is to be changed about a queue; what is not named stays, and null takes it off.
#[expect(clippy::option_option, reason = "three cases: leave it, take it off, set it")]
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct QueueSettings {
    /// Hand out no jobs.
    #[serde(default)]
    paused: Option<bool>,
    /// Jobs that run at once, over all nodes.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u32>)]
    concurrency: Option<Option<u32>>,
    /// Starts per `rate_interval` on average, over all nodes; 0 lets none start.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u32>)]
    rate_limit: Option<Option<u32>>,
    /// The interval of the rate; a second if not given.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    rate_interval: Option<DurationText>,
    /// Starts at once out of a full bucket; as many as the rate if not given. 1 spaces them evenly.
    #[serde(default)]
    rate_burst: Option<u32>,
    /// All limits at once, also those with a key: {key, concurrency, rate, interval, burst} each.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Object>>)]
    limits: Option<Vec<Limit>>,
    /// Each time a job has waited so long, it counts one priority lower.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    ageing: Option<Option<DurationText>>,
    /// Longest time between two looks for work that nobody rang for.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    scan_interval: Option<Option<DurationText>>,
    /// How long jobs stay that end from now on, and how many of each state at most: {completed, failed, cancelled, most};
    /// what is not named stays as it is.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    retention: Option<RetentionChange>,
}

impl QueueSettings {
    fn change(self) -> Result<QueueChange, Invalid> {
        if self.rate_limit.flatten().is_none() && (self.rate_interval.is_some() || self.rate_burst.is_some())
        {
            return Err(Invalid::new("rate_limit", "a number beside rate_interval and rate_burst", "none"));
        }
        let interval = self.rate_interval.map_or(Duration::from_secs(1), |interval| interval.0);
        let rate = |rate| Rate { rate, interval, burst: self.rate_burst };
        Ok(QueueChange {
            paused: self.paused,
            retention: self.retention.unwrap_or_default(),
            limits: self.limits,
            concurrency: self.concurrency,
            rate: self.rate_limit.map(|limit| limit.map(rate)),
            ageing: self.ageing,
            // 0 is what each worker has, as null is.
            scan_interval: self.scan_interval.map(|scan| scan.filter(|scan| !scan.0.is_zero())),
        })
    }
}

/// Lists the queues with their counts.
#[utoipa::path(get, operation_id = "list_queues", path = "/queues", tag = "queues", responses((status = 200, body = QueueList)))]
pub(crate) async fn list(Operates(api): Operates, _: Query<Nothing>) -> Result<Json<QueueList>, ApiError> {
    Ok(Json(QueueList { queues: api.engine.control().queues().await? }))
}

async fn find(api: &Asked, name: &QueueName) -> Result<QueueInfo, ApiError> {
    api.engine.control().queue(name).await?.ok_or_else(|| ApiError::not_found(&format!("queue {name}")))
}

/// Shows a queue, and who serves it.
#[utoipa::path(
    get, operation_id = "show_queue", path = "/queues/{queue}", tag = "queues", params(("queue" = String, Path)),
    responses((status = 200, body = QueueViewRecord), (status = 404, body = ErrorBody))
)]
pub(crate) async fn show(
    Operates(api): Operates,
    PathQueue(name): PathQueue,
    _: Query<Nothing>,
) -> Result<Json<QueueView>, ApiError> {
    let view = api.engine.control().queue_view(&name).await?;
    Ok(Json(view.ok_or_else(|| ApiError::not_found(&format!("queue {name}")))?))
}

/// Changes the settings of a queue, on every node and for waiting jobs as well. A queue that has none yet is made.
#[utoipa::path(
    put, operation_id = "change_queue", path = "/queues/{queue}", tag = "queues", params(("queue" = String, Path)),
    request_body = QueueSettings,
    responses((status = 200, body = QueueRecord), (status = 400, description = "Nothing was changed", body = ErrorBody))
)]
pub(crate) async fn change(
    Operates(api): Operates,
    PathQueue(name): PathQueue,
    _: Query<Nothing>,
    Body(body): Body,
) -> Result<Json<QueueInfo>, ApiError> {
    let Object(settings) = read_json::<Object<QueueSettings>>(&body)?;
    Ok(Json(api.engine.control().set_queue(&name, settings.change()?).await?))
}

/// The failed jobs of a queue by what went wrong.
#[derive(Serialize, ToSchema)]
pub(crate) struct FailureList {
    /// The largest group first, a thousand at most: {fingerprint, kind, reason, message, jobs} each.
    #[schema(value_type = Vec<Object>)]
    failures: Vec<FailureGroup>,
}

/// Groups the failed jobs of a queue by kind, reason and error, whatever numbers and ids stand in the error. The
/// filter word `fingerprint:` means the jobs of a group.
#[utoipa::path(
    get, operation_id = "list_failures", path = "/queues/{queue}/failures", tag = "queues",
    params(("queue" = String, Path)),
    responses((status = 200, body = FailureList), (status = 404, body = ErrorBody))
)]
pub(crate) async fn failures(
    Operates(api): Operates,
    PathQueue(name): PathQueue,
    _: Query<Nothing>,
) -> Result<Json<FailureList>, ApiError> {
    let queue = find(&api, &name).await?;
    Ok(Json(FailureList { failures: api.engine.control().failures(&queue.name).await? }))
}

/// Stops the queue from handing out jobs, on every node. Running jobs go on.
#[utoipa::path(
    post, operation_id = "pause_queue", path = "/queues/{queue}/pause", tag = "queues", params(("queue" = String, Path)),
    responses((status = 200, body = QueueRecord), (status = 400, description = "It has a body", body = ErrorBody), (status = 404, body = ErrorBody))
)]
pub(crate) async fn pause(
    Operates(api): Operates,
    PathQueue(name): PathQueue,
    _: Query<Nothing>,
    _: NoBody,
) -> Result<Json<QueueInfo>, ApiError> {
    let queue = find(&api, &name).await?;
    Ok(Json(api.engine.control().pause(&queue.name).await?))
}

/// Lets the queue hand out jobs again.
#[utoipa::path(
    post, operation_id = "resume_queue", path = "/queues/{queue}/resume", tag = "queues", params(("queue" = String, Path)),
    responses((status = 200, body = QueueRecord), (status = 400, description = "It has a body", body = ErrorBody), (status = 404, body = ErrorBody))
)]
pub(crate) async fn resume(
    Operates(api): Operates,
    PathQueue(name): PathQueue,
    _: Query<Nothing>,
    _: NoBody,
) -> Result<Json<QueueInfo>, ApiError> {
    let queue = find(&api, &name).await?;
    Ok(Json(api.engine.control().resume(&queue.name).await?))
}
