use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use bytes::Bytes;
use longshore_core::{JobDefaults, KindName, QueueName};
use longshore_cron::CronCalculator;
use longshore_runtime::{Engine, Stop};
use longshore_services::{Files, PdfService};
use longshore_telemetry::monitor::EventLoopMonitor;
use utoipa::OpenApi;
use utoipa::openapi::path::PathItem;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;

use crate::api;
use crate::error::ApiError;
use crate::identity::Identity;
use crate::kinds::Kinds;
use crate::layers::measure::HttpMeters;
use crate::layers::{correlation, measure, trace};

/// Limits of the HTTP face.
#[derive(Clone, Debug)]
pub struct ApiConfig {
    /// Largest body of a request, in bytes.
    pub max_body_bytes: usize,
    /// Largest args of one job, in bytes of JSON; documents of reports have limits of their own.
    pub max_job_payload_bytes: usize,
    /// Event streams open at the same time.
    pub sse_streams_max: usize,
    /// Connections open at the same time; further ones wait until one ends.
    pub connections_max: usize,
    /// Who may ask for what.
    pub identity: Identity,
    /// What jobs are asked for that say nothing else, by queue.
    pub jobs: HashMap<QueueName, JobDefaults>,
}

impl Default for ApiConfig {
    /// 16 MiB, 1 MiB, 1000 streams, 10 000 connections, no identity.
    fn default() -> Self {
        Self {
            max_body_bytes: 16 << 20,
            max_job_payload_bytes: longshore_core::limits::JOB_PAYLOAD_BYTES_USUAL,
            sse_streams_max: 1_000,
            connections_max: 10_000,
            identity: Identity::default(),
            jobs: HashMap::new(),
        }
    }
}

/// How long the HTTP face waits.
#[derive(Clone, Debug)]
pub struct Patience {
    /// A client must send its head within this time, the first one and each that follows on its connection.
    pub head: Duration,
    /// A client must send the whole body of a request within this time.
    pub body: Duration,
    /// A client must go on reading what it asked for; one that takes nothing for so long is cut.
    pub reader: Duration,
    /// A silent event stream sends a comment so often.
    pub heartbeat: Duration,
    /// Open requests may go on so long after the first step of a stop.
    pub last_requests: Duration,
}

impl Default for Patience {
    /// 15 s, 60 s, 60 s, 15 s, 10 s.
    fn default() -> Self {
        Self {
            head: Duration::from_secs(15),
            body: Duration::from_secs(60),
            reader: Duration::from_secs(60),
            heartbeat: Duration::from_secs(15),
            last_requests: Duration::from_secs(10),
        }
    }
}

/// What the routes need. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    /// On behalf of nobody; handlers use the one that is bound to their caller.
    pub(crate) system: Engine,
    pub(crate) files: Option<Files>,
    pub(crate) pdf: Option<PdfService>,
    pub(crate) kinds: Kinds,
    pub(crate) cron: Arc<CronCalculator>,
    pub(crate) config: Arc<ApiConfig>,
    pub(crate) streams: Arc<AtomicUsize>,
    pub(crate) connections: Arc<AtomicUsize>,
    pub(crate) http: Arc<HttpMeters>,
    pub(crate) patience: Patience,
    pub(crate) stop: Stop,
    /// Drains when the process is about to go, maybe long before the server stops.
    pub(crate) leaving: Stop,
    pub(crate) started_at: longshore_core::Timestamp,
    /// Watches the runtime that serves, if somebody does.
    pub(crate) monitor: Option<Arc<EventLoopMonitor>>,
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
        let cron: Arc<CronCalculator> = Arc::default();
        // Neither name can be refused: the first parts of a process always have room.
        let _ = engine.parts().register("cron", api::metrics::Expressions(cron.clone()));
        if let Some(pdf) = &pdf {
            let _ = engine.parts().register("pdf", pdf.pool().clone());
        }
        Self {
            kinds: Kinds::new(kinds),
            cron,
            files,
            pdf,
            config: Arc::new(config),
            streams: Arc::default(),
            connections: Arc::default(),
            http: Arc::default(),
            patience: Patience::default(),
            stop: Stop::new(),
            leaving: Stop::new(),
            started_at: engine.door().clock.now(),
            monitor: None,
            system: engine,
        }
    }

    /// The same with the figures of a watch on the runtime among its metrics.
    #[must_use]
    pub fn watched_by(mut self, monitor: Arc<EventLoopMonitor>) -> Self {
        self.monitor = Some(monitor);
        self
    }

    /// The same in a process that is about to go when `leaving` drains: it is not ready then, and answers all the same.
    #[must_use]
    pub fn leaves_with(mut self, leaving: Stop) -> Self {
        self.leaving = leaving;
        self
    }

    /// The same with other waits.
    #[must_use]
    pub fn patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }
}

/// What every request shares.
pub(crate) type Face = Arc<Api>;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Longshore",
        description = "Durable background work over HTTP. JSON everywhere; times are RFC 3339 in UTC; durations are a number of seconds or a text such as \"300ms\"; ids are UUIDs, or texts that callers chose. Every error is {\"error\": {\"code\", \"message\", \"details\"}, \"correlation_id\"}.",
        license(name = "MIT OR Apache-2.0")
    ),
    tags(
        (name = "jobs", description = "Submit jobs, look at them, change them"),
        (name = "queues", description = "Lines of jobs, and what limits them"),
        (name = "schedules", description = "Rules that make jobs later"),
        (name = "cron", description = "When expressions are due"),
        (name = "pdf", description = "Reports as PDF"),
        (name = "keys", description = "API keys"),
        (name = "audit", description = "What operators did"),
        (name = "events", description = "What happens, as it happens"),
        (name = "health", description = "For whoever watches the process"),
    )
)]
struct Document;

/// Says of every operation that it wants an API key where identity is on.
fn guard(routes: &mut utoipa::openapi::OpenApi) {
    let refusal = |text| ResponseBuilder::new().description(text).build();
    let operations = routes.paths.paths.values_mut().flat_map(|item| {
        let PathItem { get, put, post, delete, head, .. } = item;
        [get, put, post, delete, head].into_iter().flatten()
    });
    for operation in operations {
        operation.security = Some(vec![SecurityRequirement::new::<_, _, &str>("key", [])]);
        let answers = &mut operation.responses.responses;
        answers.insert("401".to_owned(), refusal("No API key that is worth something (identity)").into());
        answers.insert("403".to_owned(), refusal("The API key lacks the scope").into());
    }
}

fn routes() -> OpenApiRouter<Face> {
    let mut guarded = api::routes();
    guard(guarded.get_openapi_mut());
    let mut at_root = api::health::routes();
    // The same routes stand at two places; each operation needs a name of its own.
    for item in at_root.get_openapi_mut().paths.paths.values_mut() {
        if let Some(id) = item.get.as_mut().and_then(|operation| operation.operation_id.as_mut()) {
            id.push_str("_at_root");
        }
    }
    let mut document = Document::openapi();
    let key = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    document.components.get_or_insert_default().add_security_scheme("key", key);
    OpenApiRouter::with_openapi(document).nest("/api/v1", guarded.merge(api::health::routes())).merge(at_root)
}

/// The OpenAPI document of all routes.
pub fn openapi() -> utoipa::openapi::OpenApi {
    routes().split_for_parts().1
}

/// All routes. Event streams end when `stop` drains.
pub fn router(api: Api, stop: Stop) -> Router {
    let (routes, document) = routes().split_for_parts();
    let document = Bytes::from(serde_json::to_vec(&document).unwrap_or_default());
    let kind = HeaderValue::from_static("application/json");
    let document = async move || ([(header::CONTENT_TYPE, kind)], document);
    finish(routes.route("/api/v1/openapi.json", get(document)), api, stop)
}

/// Only what watches a process: health and metrics.
pub fn probes(api: Api, stop: Stop) -> Router {
    let routes = OpenApiRouter::new().nest("/api/v1", api::health::routes()).merge(api::health::routes());
    finish(routes.into(), api, stop)
}

fn finish(routes: Router<Face>, mut api: Api, stop: Stop) -> Router {
    api.stop = stop;
    let api: Face = Arc::new(api);
    routes
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(from_fn_with_state(api.clone(), correlation::layer))
        .layer(from_fn(trace::layer))
        .layer(from_fn_with_state(api.clone(), measure::layer))
        .with_state(api)
}

async fn no_route(method: Method, uri: Uri) -> ApiError {
    let route =
        format!("route {method} {} here; /api/v1/openapi.json of a server lists them all", shown(&uri));
    ApiError::not_found(&route)
}

async fn no_method(method: Method, uri: Uri) -> ApiError {
    let message =
        format!("the route {} does not take {method}; the header Allow lists what it takes", shown(&uri));
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
}

/// A path, cut to what a reader needs.
fn shown(uri: &Uri) -> &str {
    let path = uri.path();
    &path[..path.floor_char_boundary(200)]
}
