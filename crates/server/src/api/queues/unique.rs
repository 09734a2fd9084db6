//! Who holds a unique key.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::record::ErrorBody;
use crate::error::ApiError;
use crate::extract::{NoBody, Nothing, PathUnique, Query};
use crate::identity::Operates;

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
pub(crate) async fn owner(
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
    responses((status = 200, body = KeyOwner), (status = 400, description = "It has a body", body = ErrorBody), (status = 404, description = "Nobody holds it", body = ErrorBody))
)]
pub(crate) async fn free(
    Operates(api): Operates,
    PathUnique(name, key): PathUnique,
    _: Query<Nothing>,
    _: NoBody,
) -> Result<Json<KeyOwner>, ApiError> {
    let owner = api.engine.control().free_unique(&name, &key).await?;
    let id = owner.ok_or_else(|| ApiError::not_found(&format!("holder of key {key}")))?.to_string();
    Ok(Json(KeyOwner { key, id }))
}
