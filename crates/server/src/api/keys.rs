use axum::Json;
use axum::http::StatusCode;
use longshore_core::DurationText;
use longshore_runtime::{ApiKey, NewKey, Scope};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::record::ErrorBody;
use crate::error::ApiError;
use crate::extract::{Body, NoBody, Nothing, Object, PathKey, Query, read_json};
use crate::identity::Operates;

/// The API keys that are worth something.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeyList {
    /// {id, owner, scopes, created_at, expires_at} of each.
    #[schema(value_type = Vec<Object>)]
    keys: Vec<ApiKey>,
}

/// Lists the API keys, without their secrets.
#[utoipa::path(get, operation_id = "list_keys", path = "/keys", tag = "keys", responses((status = 200, body = KeyList)))]
pub(crate) async fn list(Operates(api): Operates, _: Query<Nothing>) -> Result<Json<KeyList>, ApiError> {
    Ok(Json(KeyList { keys: api.engine.keys().list().await? }))
}

/// A key as it is asked for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyRequest {
    /// To whom the jobs belong that are inserted with it.
    owner: String,
    /// What it allows: read, submit, admin.
    #[schema(value_type = Vec<String>)]
    scopes: Vec<Scope>,
    /// After so long it is worth nothing; never, if not given.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "90d")]
    expires_in: Option<DurationText>,
}

/// A key that was made.
#[derive(Serialize, ToSchema)]
pub(crate) struct MadeKey {
    /// The text to send. It is shown this once.
    key: String,
    #[serde(flatten)]
    #[schema(value_type = Object)]
    kept: ApiKey,
}

/// Makes an API key. The answer shows its text this once.
#[utoipa::path(
    post, operation_id = "create_key", path = "/keys", tag = "keys", request_body = KeyRequest,
    responses((status = 201, body = MadeKey), (status = 400, description = "Nothing was stored", body = ErrorBody))
)]
pub(crate) async fn create(
    Operates(api): Operates,
    _: Query<Nothing>,
    Body(body): Body,
) -> Result<(StatusCode, Json<MadeKey>), ApiError> {
    let Object(KeyRequest { owner, scopes, expires_in }) = read_json::<Object<KeyRequest>>(&body)?;
    let new = NewKey { owner, scopes, expires_in: expires_in.map(|wait| wait.0) };
    let (kept, key) = api.engine.keys().create(&new).await?;
    Ok((StatusCode::CREATED, Json(MadeKey { key, kept })))
}

/// Makes an API key worthless, from the next request on.
#[utoipa::path(
    delete, operation_id = "revoke_key", path = "/keys/{api_key}", tag = "keys", params(("api_key" = String, Path, description = "Its id")),
    responses((status = 204, description = "Gone"), (status = 400, description = "It has a body", body = ErrorBody), (status = 404, body = ErrorBody))
)]
pub(crate) async fn revoke(
    Operates(api): Operates,
    PathKey(id): PathKey,
    _: Query<Nothing>,
    _: NoBody,
) -> Result<StatusCode, ApiError> {
    if api.engine.keys().revoke(&id).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(ApiError::not_found(&format!("API key {id}")))
}
