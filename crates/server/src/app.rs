use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use longshore_core::KindName;
use longshore_runtime::{Engine, Stop};
use longshore_services::{Files, PdfService};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::api;
use crate::error::ApiError;
use crate::kinds::Kinds;
use crate::layers::correlation;

/// Limits of the HTTP face.
#[derive(Clone, Debug)]
pub struct ApiConfig {
    /// Largest body of a request, in bytes.
    pub max_body_bytes: usize,
    /// Largest args of one job, in bytes of JSON.
    pub max_args_bytes: usize,
    /// Event streams open at the same time.
    pub sse_streams_max: usize,
}

impl Default for ApiConfig {
    /// 16 MiB, 1 MiB, 1000 streams.
    fn default() -> Self {
        Self {
            max_body_bytes: 16 << 20,
            max_args_bytes: longshore_core::limits::ARGS_BYTES_MAX,
            sse_streams_max: 1_000,
        }
    }
}

/// What the routes need. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    pub(crate) engine: Engine,
    pub(crate) files: Option<Files>,
    pub(crate) pdf: Option<PdfService>,
    pub(crate) kinds: Kinds,
    pub(crate) config: Arc<ApiConfig>,
    pub(crate) streams: Arc<AtomicUsize>,
    pub(crate) stop: Stop,
    pub(crate) started_at: longshore_core::Timestamp,
}

impl Api {
    /// Around an engine. `kinds` are those that the worker in this process knows; kinds of other live workers are
    /// found by asking. Without `files` and `pdf` the routes that need them answer 503.
    pub fn new(
        engine: Engine,
        files: Option<Files>,
        pdf: Option<PdfService>,
        kinds: &[KindName],
        config: ApiConfig,
    ) -> Self {
        Self {
            kinds: Kinds::new(kinds),
            files,
            pdf,
            config: Arc::new(config),
            streams: Arc::default(),
            stop: Stop::new(),
            started_at: engine.door().clock.now(),
            engine,
        }
    }
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Longshore",
        description = "Durable background work over HTTP. JSON everywhere; times are RFC 3339 in UTC; durations are a number of seconds or a text such as \"300ms\"; ids are UUIDs, or texts that callers chose. Every error is {\"error\": {\"code\", \"message\", \"details\"}, \"correlation_id\"}.",
        license(name = "MIT OR Apache-2.0")
    ),
    tags(
        (name = "jobs", description = "Submit jobs, look at them, change them"),
        (name = "queues", description = "Lines of jobs"),
        (name = "pdf", description = "Reports as PDF"),
        (name = "events", description = "What happens, as it happens"),
        (name = "health", description = "For whoever watches the process"),
    )
)]
struct Document;

fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(Document::openapi())
        .nest("/api/v1", api::routes().merge(api::health::routes()))
        .merge(api::health::routes())
}

/// The OpenAPI document of all routes.
pub fn openapi() -> utoipa::openapi::OpenApi {
    routes().split_for_parts().1
}

/// All routes. Event streams end when `stop` drains.
pub fn router(mut api: Api, stop: Stop) -> Router {
    api.stop = stop;
    let (routes, document) = routes().split_for_parts();
    let document = Arc::new(serde_json::to_value(document).unwrap_or_default());
    routes
        .route("/api/v1/openapi.json", get(async move || axum::Json((*document).clone())))
        .fallback(async || ApiError::not_found("such route"))
        .method_not_allowed_fallback(async || {
            let status = axum::http::StatusCode::METHOD_NOT_ALLOWED;
            ApiError::new(status, "method_not_allowed", "this route does not take this method")
        })
        .layer(from_fn_with_state(api.clone(), correlation::layer))
        .with_state(api)
}
