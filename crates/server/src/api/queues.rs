use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use longshore_core::{
    DurationText, FailureGroup, Invalid, JobFilter, KindInfo, Limit, QueueChange, QueueInfo, QueueName, Rate,
    Retention, State, parse_duration,
};
use longshore_runtime::Batch;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::record::ErrorBody;
use crate::error::ApiError;
use crate::extract::{
    Body, Nothing, Object, PathKind, PathQueue, PathUnique, Query, given, read_flag, read_json,
};
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
    /// How long jobs stay that end from now on, and how many of each state at most: {completed, failed, cancelled}, all
    /// three, and {most}, 100000 if not given.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    retention: Option<RetentionForm>,
}

/// All three, because one alone would not say what becomes of the others.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RetentionForm {
    completed: DurationText,
    failed: DurationText,
    cancelled: DurationText,
    #[serde(default = "usual_most")]
    most: u64,
}

fn usual_most() -> u64 {
    Retention::default().most
}

impl From<RetentionForm> for Retention {
    fn from(form: RetentionForm) -> Self {
        let RetentionForm { completed, failed, cancelled, most } = form;
        Self { completed, failed, cancelled, most }
    }
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
            retention: self.retention.map(Retention::from),
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

/// Shows a queue.
#[utoipa::path(
    get, operation_id = "show_queue", path = "/queues/{queue}", tag = "queues", params(("queue" = String, Path)),
    responses((status = 200, body = QueueRecord), (status = 404, body = ErrorBody))
)]
pub(crate) async fn show(
    Operates(api): Operates,
    PathQueue(name): PathQueue,
    _: Query<Nothing>,
) -> Result<Json<QueueInfo>, ApiError> {
    Ok(Json(find(&api, &name).await?))
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

/// The kinds that have limits.
#[derive(Serialize, ToSchema)]
pub(crate) struct KindList {
    #[schema(value_type = Vec<Object>)]
    kinds: Vec<KindInfo>,
}

/// Lists the kinds that have limits.
#[utoipa::path(get, operation_id = "list_kinds", path = "/kinds", tag = "queues", responses((status = 200, body = KindList)))]
pub(crate) async fn kinds(Operates(api): Operates, _: Query<Nothing>) -> Result<Json<KindList>, ApiError> {
    Ok(Json(KindList { kinds: api.engine.control().kinds().await? }))
}

/// The limits of a kind.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KindSettings {
    /// All of its limits: {key, concurrency, rate, interval, burst} each; an empty list takes them off.
    #[schema(value_type = Vec<Object>)]
    limits: Vec<Limit>,
}

/// Sets the limits of a kind, in every queue and for waiting jobs as well.
#[utoipa::path(
    put, operation_id = "change_kind", path = "/kinds/{kind}", tag = "queues", params(("kind" = String, Path)),
    request_body = KindSettings,
    responses((status = 204, description = "Set"), (status = 400, description = "Nothing was changed", body = ErrorBody))
)]
pub(crate) async fn change_kind(
    Operates(api): Operates,
    PathKind(kind): PathKind,
    _: Query<Nothing>,
    Body(body): Body,
) -> Result<StatusCode, ApiError> {
    let Object(settings) = read_json::<Object<KindSettings>>(&body)?;
    api.engine.control().set_kind(&kind, settings.limits).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Stops the queue from handing out jobs, on every node. Running jobs go on.
#[utoipa::path(
    post, operation_id = "pause_queue", path = "/queues/{queue}/pause", tag = "queues", params(("queue" = String, Path)),
    responses((status = 200, body = QueueRecord), (status = 404, body = ErrorBody))
)]
pub(crate) async fn pause(
    Operates(api): Operates,
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
    Operates(api): Operates,
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
    Operates(api): Operates,
    PathQueue(name): PathQueue,
    Query(query): Query<DrainQuery>,
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
pub(crate) struct Retried {
    /// How many jobs.
    retried: usize,
    /// Their ids, the first thousand.
    ids: Vec<String>,
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
) -> Result<Json<Retried>, ApiError> {
    let words = query.q.as_deref().unwrap_or_default();
    let filter: JobFilter = words.parse().map_err(|error: Invalid| error.below("q"))?;
    let limit = read_limit(query.limit.as_deref())?;
    let queue = find(&api, &name).await?;
    let filter = JobFilter { queue: Some(queue.name), ..filter };
    let Drained { removed, ids } = api.engine.control().retry_all(filter, limit).await?.into();
    Ok(Json(Retried { retried: removed, ids }))
}

/// Who holds a unique key of the queue.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeyOwner {
    /// The key.
    key: String,
    /// The job that holds it.
    id: String,
}

/// Shows the job that holds a unique key of the queue.
#[utoipa::path(
    get, operation_id = "show_unique_key", path = "/queues/{queue}/unique/{key}", tag = "queues",
    params(("queue" = String, Path), ("key" = String, Path)),
    responses((status = 200, body = KeyOwner), (status = 404, description = "Nobody holds it", body = ErrorBody))
)]
pub(crate) async fn unique_owner(
    Operates(api): Operates,
    PathUnique(name, key): PathUnique,
    _: Query<Nothing>,
) -> Result<Json<KeyOwner>, ApiError> {
    let owner = api.engine.control().unique_owner(&name, &key).await?;
    let id = owner.ok_or_else(|| ApiError::not_found(&format!("holder of key {key}")))?.to_string();
    Ok(Json(KeyOwner { key, id }))
}

/// Takes a unique key from the job that holds it. The job stays; its id is the answer.
#[utoipa::path(
    delete, operation_id = "free_unique_key", path = "/queues/{queue}/unique/{key}", tag = "queues",
    params(("queue" = String, Path), ("key" = String, Path)),
    responses((status = 200, body = KeyOwner), (status = 404, description = "Nobody holds it", body = ErrorBody))
)]
pub(crate) async fn free_unique(
    Operates(api): Operates,
    PathUnique(name, key): PathUnique,
    _: Query<Nothing>,
) -> Result<Json<KeyOwner>, ApiError> {
    let owner = api.engine.control().free_unique(&name, &key).await?;
    let id = owner.ok_or_else(|| ApiError::not_found(&format!("holder of key {key}")))?.to_string();
    Ok(Json(KeyOwner { key, id }))
}
