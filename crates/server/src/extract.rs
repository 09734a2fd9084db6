//! Reading requests, with errors that name the field, what was expected and what came.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use longshore_core::{Invalid, JobId};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::app::Api;
use crate::error::ApiError;

/// The whole body, within the limit.
pub(crate) struct Body(pub(crate) Bytes);

impl FromRequest<Api> for Body {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &Api) -> Result<Self, ApiError> {
        let limit = api.config.max_body_bytes;
        let collected = Limited::new(request.into_body(), limit).collect().await;
        collected.map(|body| Self(body.to_bytes())).map_err(|error| {
            if error.downcast_ref::<LengthLimitError>().is_some() {
                let message = format!("the body is larger than {limit} bytes (max_body_bytes)");
                ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", message)
                    .details(json!({ "limit": limit }))
            } else {
                ApiError::new(
                    StatusCode::BAD_REQUEST,
                    "invalid_body",
                    "the body could not be read to its end",
                )
            }
        })
    }
}

/// Reads JSON; an error names the path of the field.
pub(crate) fn read_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        let code = if inner.is_data() { "invalid" } else { "invalid_json" };
        let field = if path == "." { "body".to_owned() } else { path };
        ApiError::new(StatusCode::BAD_REQUEST, code, format!("{field}: {inner}"))
            .details(json!({ "field": field }))
    })?;
    deserializer.end().map_err(|error| {
        ApiError::new(
            StatusCode::BAD_REQUEST,
            "invalid_json",
            format!("body: expected the end of the JSON text: {error}"),
        )
    })?;
    Ok(value)
}

/// The id of a job in the path. A malformed one answers as an unknown one would not: it can never exist.
pub(crate) struct PathId(pub(crate) JobId);

impl FromRequestParts<Api> for PathId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let axum::extract::Path(text) =
            axum::extract::Path::<String>::from_request_parts(parts, api)
                .await
                .map_err(|error| ApiError::new(StatusCode::BAD_REQUEST, "invalid_id", error.body_text()))?;
        Ok(Self(JobId::parse(&text)?))
    }
}

/// The query, with unknown parameters refused.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<Api> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _api: &Api) -> Result<Self, ApiError> {
        let axum::extract::Query(query) =
            axum::extract::Query::<T>::try_from_uri(&parts.uri).map_err(|error| {
                ApiError::new(StatusCode::BAD_REQUEST, "invalid", format!("query: {}", error.body_text()))
            })?;
        Ok(Self(query))
    }
}

/// What makes a request the same as another under one idempotency key.
pub(crate) struct Idempotency {
    pub(crate) key: Option<String>,
}

const KEY_BYTES_MAX: usize = 200;

impl FromRequestParts<Api> for Idempotency {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _api: &Api) -> Result<Self, ApiError> {
        let Some(value) = parts.headers.get("idempotency-key") else { return Ok(Self { key: None }) };
        let text =
            value.to_str().ok().map(str::trim).filter(|text| (1..=KEY_BYTES_MAX).contains(&text.len()));
        let Some(text) = text else {
            let expected = format!("1 to {KEY_BYTES_MAX} visible ASCII characters");
            return Err(Invalid::new("Idempotency-Key", expected, format!("{value:?}")).into());
        };
        // One key names one request at one endpoint.
        Ok(Self { key: Some(format!("{}/{text}", parts.uri.path().trim_end_matches('/'))) })
    }
}

/// Whether only the head of the answer is wanted.
pub(crate) fn is_head(method: &Method) -> bool {
    *method == Method::HEAD
}

/// Whether the client has this version already.
pub(crate) fn has_version(headers: &header::HeaderMap, etag: &str) -> bool {
    let given = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
    given.split(',').map(|tag| tag.trim().trim_start_matches("W/")).any(|tag| tag == etag || tag == "*")
}
