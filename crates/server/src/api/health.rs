use axum::Json;
use axum::extract::State as Shared;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use longshore_core::{StoreError, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::metrics;
use crate::app::{Api, Face};
use crate::identity::Measures;

pub(crate) fn routes() -> OpenApiRouter<Face> {
    OpenApiRouter::new()
        .routes(routes!(health))
        .routes(routes!(live))
        .routes(routes!(ready))
        .routes(routes!(scrape))
}

/// How the process is.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// healthy, or unhealthy.
    status: &'static str,
    /// What is wrong, if anything.
    message: Option<String>,
    version: &'static str,
    #[schema(value_type = String)]
    timestamp: Timestamp,
    /// Live workers; null if the store does not answer.
    workers: Option<usize>,
    /// Since when this process has been up.
    #[schema(value_type = String)]
    started_at: Timestamp,
}

/// Tells whether the system works: the store answers, and how many workers live.
#[utoipa::path(
    get, operation_id = "health", path = "/health", tag = "health",
    responses((status = 200, body = Health), (status = 503, description = "The store does not answer", body = Health))
)]
pub(crate) async fn health(Shared(api): Shared<Face>) -> Response {
    let control = api.system.control();
    let workers = control.live_workers().await;
    let message = workers.as_ref().err().map(|_| "the store does not answer".to_owned());
    answer(&api, message, workers.ok().map(|workers| workers.len()))
}

fn answer(api: &Api, message: Option<String>, workers: Option<usize>) -> Response {
    let code = if message.is_none() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let status = if message.is_none() { "healthy" } else { "unhealthy" };
    let version = env!("CARGO_PKG_VERSION");
    let timestamp = api.system.door().clock.now();
    (code, Json(Health { status, message, version, timestamp, workers, started_at: api.started_at }))
        .into_response()
}

/// The process is there.
#[derive(Serialize, ToSchema)]
pub(crate) struct Alive {
    status: &'static str,
}

/// Tells that the process answers.
#[utoipa::path(get, operation_id = "health_live", path = "/health/live", tag = "health", responses((status = 200, body = Alive)))]
pub(crate) async fn live() -> Json<Alive> {
    Json(Alive { status: "alive" })
}

/// Tells whether work can be taken now: the store takes writes, a thread can render, and the process is not about to stop.
#[utoipa::path(
    get, operation_id = "health_ready", path = "/health/ready", tag = "health",
    responses((status = 200, body = Health), (status = 503, description = "Not now", body = Health))
)]
pub(crate) async fn ready(Shared(api): Shared<Face>) -> Response {
    if api.stop.is_draining() || api.leaving.is_draining() {
        return answer(&api, Some("the process is about to stop".to_owned()), None);
    }
    let control = api.system.control();
    if let Err(error) = control.check_writable().await {
        tracing::warn!(%error, "not ready");
        let why = match error {
            StoreError::Full(_) => "the store has no room left",
            StoreError::ReadOnly(_) => "the store can be read but not written",
            _ => "the store takes no writes",
        };
        return answer(&api, Some(why.to_owned()), None);
    }
    if api.pdf.as_ref().is_some_and(|pdf| pdf.overdue() >= pdf.threads()) {
        let text = "every render thread is held by a document that nobody waits for any more";
        return answer(&api, Some(text.to_owned()), None);
    }
    let workers = control.live_workers().await.ok();
    answer(&api, None, workers.map(|workers| workers.len()))
}

/// Everything that is measured, as Prometheus reads it.
#[utoipa::path(get, operation_id = "metrics", path = "/metrics", tag = "health", responses((status = 200, description = "Prometheus text", body = String)))]
pub(crate) async fn scrape(_: Measures, Shared(api): Shared<Face>) -> Response {
    ([(header::CONTENT_TYPE, longshore_telemetry::Exposition::CONTENT_TYPE)], metrics::text(&api).await)
        .into_response()
}
