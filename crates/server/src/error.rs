use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use longshore_core::{Invalid, State, StoreError};
use longshore_runtime::ControlError;
use serde::Serialize;
use serde_json::{Value, json};

use crate::layers::correlation;

/// An answer that is not a success.
///
/// On the wire: `{"error": {"code", "message", "details"}, "correlation_id"}`. `code` is a stable word for programs,
/// `message` a sentence for people, `details` what a program may want to know besides, or null.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    details: Value,
    header: Option<(HeaderName, HeaderValue)>,
}

#[derive(Serialize)]
struct Wire<'a> {
    error: Inner<'a>,
    correlation_id: Option<String>,
}

#[derive(Serialize)]
struct Inner<'a> {
    code: &'a str,
    message: &'a str,
    details: &'a Value,
}

impl ApiError {
    /// With a status, a code and a sentence.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), details: Value::Null, header: None }
    }

    /// The same with something for programs.
    #[must_use]
    pub fn details(mut self, details: Value) -> Self {
        self.details = details;
        self
    }

    /// The same with a hint when to come back.
    #[must_use]
    pub fn retry_after(self, seconds: u64) -> Self {
        self.header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// The same with the one header that belongs to it.
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.header = Some((name, value));
        self
    }

    /// The same about an unknown field where these fields would have been right as well.
    pub(crate) fn or_expected(mut self, fields: &[&str]) -> Self {
        if self.details["got"] == "an unknown field"
            && let Some(expected) = self.details["expected"].as_str()
        {
            let all = format!("{expected}, {}", fields.join(", "));
            self.message = self.message.replace(expected, &all);
            self.details["expected"] = all.into();
        }
        self
    }

    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("there is no {what}"))
    }
}

impl From<Invalid> for ApiError {
    fn from(invalid: Invalid) -> Self {
        let status = match invalid.code {
            "payload_too_large" => StatusCode::PAYLOAD_TOO_LARGE,
            "idempotency_conflict" => StatusCode::CONFLICT,
            "missing_scope" => StatusCode::FORBIDDEN,
            "renderer_unavailable" => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        };
        let details = json!({ "field": invalid.field, "expected": invalid.expected, "got": invalid.got });
        Self::new(status, invalid.code, invalid.to_string()).details(details)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Invalid(invalid) => invalid.into(),
            StoreError::IdTaken { ref id, ref queue } => {
                let known = Some(queue).filter(|queue| !queue.is_empty());
                let details = json!({ "id": id, "queue": known });
                Self::new(StatusCode::CONFLICT, "id_taken", error.to_string()).details(details)
            }
            StoreError::Full(_) => {
                tracing::error!(%error, "the store has no room left");
                let message = "the store has no room left; nothing was stored. Free some space on its disk, then try again";
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "store_full", message).retry_after(30)
            }
            StoreError::ReadOnly(_) => {
                tracing::error!(%error, "the store cannot be written");
                let message = "the store can be read but not written; nothing was stored";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "store_read_only", message).retry_after(30)
            }
            other => {
                // What exactly is wrong with the store is for the operator's log, not for callers.
                tracing::error!(error = %other, "the store did not do what it was asked");
                let message = "the store does not take this now; nothing is lost, try again later";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "store_unavailable", message).retry_after(2)
            }
        }
    }
}

impl From<ControlError> for ApiError {
    fn from(error: ControlError) -> Self {
        match error {
            ControlError::Unknown(id) => Self::not_found(&format!("job {id}")),
            ControlError::Running(_) => Self::new(StatusCode::CONFLICT, "job_running", error.to_string())
                .details(json!({ "state": State::Running })),
            ControlError::WrongState { state, .. } => {
                Self::new(StatusCode::CONFLICT, "wrong_state", error.to_string())
                    .details(json!({ "state": state }))
            }
            ControlError::QueueBusy { running, .. } => {
                Self::new(StatusCode::CONFLICT, "queue_busy", error.to_string())
                    .details(json!({ "running": running }))
            }
            ControlError::UniqueConflict { ref owner, .. } => {
                let details = json!({ "owner": owner });
                Self::new(StatusCode::CONFLICT, "unique_conflict", error.to_string()).details(details)
            }
            ControlError::Store(error) => error.into(),
            other => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", other.to_string()),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let error = Inner { code: self.code, message: &self.message, details: &self.details };
        let body = Wire { error, correlation_id: correlation::current() };
        let mut response = (self.status, Json(body)).into_response();
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}
