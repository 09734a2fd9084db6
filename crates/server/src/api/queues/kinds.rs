//! Limits that hold for a kind in all queues.

use axum::Json;
use axum::http::StatusCode;
use longshore_core::{KindInfo, Limit};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::record::ErrorBody;
use crate::error::ApiError;
use crate::extract::{Body, Nothing, Object, PathKind, Query, read_json};
use crate::identity::Operates;

/// The kinds that have limits.
#[derive(Serialize, ToSchema)]
pub(crate) struct KindList {
    #[schema(value_type = Vec<Object>)]
    kinds: Vec<KindInfo>,
}

/// Lists the kinds that have limits.
#[utoipa::path(get, operation_id = "list_kinds", path = "/kinds", tag = "queues", responses((status = 200, body = KindList)))]
pub(crate) async fn list(Operates(api): Operates, _: Query<Nothing>) -> Result<Json<KindList>, ApiError> {
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

/// Closes the breaker of a kind by hand, in each process that has one: at the next beat of a worker there, a third of
/// `worker_ttl`.
#[utoipa::path(
    post, operation_id = "reset_breaker", path = "/kinds/{kind}/reset-breaker", tag = "queues",
    params(("kind" = String, Path)), responses((status = 204, description = "Asked for"))
)]
pub(crate) async fn reset_breaker(
    Operates(api): Operates,
    PathKind(kind): PathKind,
    _: Query<Nothing>,
) -> Result<StatusCode, ApiError> {
    api.engine.control().reset_breaker(&kind).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sets the limits of a kind, in every queue and for waiting jobs as well.
#[utoipa::path(
    put, operation_id = "change_kind", path = "/kinds/{kind}", tag = "queues", params(("kind" = String, Path)),
    request_body = KindSettings,
    responses((status = 204, description = "Set"), (status = 400, description = "Nothing was changed", body = ErrorBody))
)]
pub(crate) async fn change(
    Operates(api): Operates,
    PathKind(kind): PathKind,
    _: Query<Nothing>,
    Body(body): Body,
) -> Result<StatusCode, ApiError> {
    let Object(settings) = read_json::<Object<KindSettings>>(&body)?;
    api.engine.control().set_kind(&kind, settings.limits).await?;
    Ok(StatusCode::NO_CONTENT)
}
