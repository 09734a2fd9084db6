use std::sync::Arc;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use longshore_telemetry::traces;

/// Makes a request part of the trace that its `traceparent` names, and so the jobs that it enqueues. What cannot be gone on
/// with is passed over, as the standard asks.
pub(crate) async fn layer(request: Request, next: Next) -> Response {
    let header = request.headers().get("traceparent").and_then(|value| value.to_str().ok());
    let parent: Option<Arc<str>> = header.filter(|text| traces::is_traceparent(text)).map(Into::into);
    if parent.is_none() && !traces::is_on() {
        return next.run(request).await;
    }
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let span = || {
        let route = route.as_ref().map_or("", MatchedPath::as_str);
        tracing::info_span!(
            target: traces::TARGET,
            "request",
            otel.name = format!("{method} {route}").trim_end(),
            otel.kind = "server",
            otel.status_code = tracing::field::Empty,
            http.request.method = %method,
            http.route = route,
            http.response.status_code = tracing::field::Empty,
        )
    };
    let answer = async {
        let response = next.run(request).await;
        if traces::is_on() {
            let (span, status) = (tracing::Span::current(), response.status());
            span.record("http.response.status_code", i64::from(status.as_u16()));
            if status.is_server_error() {
                span.record("otel.status_code", "ERROR");
            }
        }
        response
    };
    traces::within(parent.as_ref(), span, answer).await
}
