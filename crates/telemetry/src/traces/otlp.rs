//! Spans on their way to a collector that speaks OTLP over HTTP.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use longshore_core::Invalid;
use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing::{Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::LookupSpan;
use ureq::Agent;

use super::IS_ON;
use crate::{Metered, Samples};

/// Longest time of one delivery.
const DELIVER_WITHIN: Duration = Duration::from_secs(5);

/// Where spans go.
#[derive(Clone, Debug)]
pub struct OtlpConfig {
    /// The address of a collector, such as `http://127.0.0.1:4318`.
    pub endpoint: String,
    /// The share of traces that begin here and are kept, above 0 and at most 1. What came in with a decision keeps it.
    pub sample_ratio: f64,
    /// What this process is called there.
    pub service_name: String,
}

/// Spans go to a collector until this is dropped.
pub struct Traces {
    provider: SdkTracerProvider,
    deliveries: Arc<Deliveries>,
}

/// What became of the deliveries.
#[derive(Default)]
struct Deliveries {
    done: AtomicU64,
    failed: AtomicU64,
}

impl Metered for Deliveries {
    fn meter(&self, samples: &mut Samples<'_>) {
        let help = "Requests with spans to the collector, each try by itself.";
        let values = [("done", &self.done), ("failed", &self.failed)]
            .map(|(how, count)| (how, count.load(Ordering::Relaxed)));
        samples.counters("longshore_trace_deliveries_total", help, "outcome", values);
    }
}

/// How long the end of a process waits for the last spans.
const LEAVE_WITHIN: Duration = Duration::from_secs(3);

impl Traces {
    /// Refuses an address that is none and a share out of range. A collector that is away is no error.
    pub fn start(config: &OtlpConfig) -> Result<Self, Invalid> {
        if !(config.sample_ratio > 0.0 && config.sample_ratio <= 1.0) {
            let expected = "a number above 0 and at most 1";
            return Err(Invalid::new("sample_ratio", expected, config.sample_ratio));
        }
        let is_web = |address: &Uri| {
            matches!(address.scheme_str(), Some("http" | "https"))
                && address.host().is_some_and(|host| !host.is_empty())
        };
        if !config.endpoint.parse::<Uri>().is_ok_and(|address| is_web(&address)) {
            let expected = "the address of a collector, such as http://127.0.0.1:4318";
            return Err(Invalid::new("endpoint", expected, format!("{:?}", config.endpoint)));
        }
        let deliveries = Arc::new(Deliveries::default());
        let agent = Agent::config_builder()
            .timeout_global(Some(DELIVER_WITHIN))
            .http_status_as_error(false)
            .build()
            .new_agent();
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{}/v1/traces", config.endpoint.trim_end_matches('/')))
            .with_timeout(DELIVER_WITHIN)
            .with_http_client(Deliverer { agent, deliveries: deliveries.clone() })
            .build()
            .map_err(|error| Invalid::new("endpoint", "the address of a collector", error))?;
        let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(config.sample_ratio)));
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(sampler)
            .with_resource(
                Resource::builder()
                    .with_service_name(config.service_name.clone())
                    .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
                    .build(),
            )
            .build();
        IS_ON.store(true, Ordering::Relaxed);
        Ok(Self { provider, deliveries })
    }

    /// The layer that sends spans of level info and above there, for a program with a subscriber of its own.
    /// [`start_with`](crate::logs::start_with) has it built in.
    pub fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(&self) -> impl Layer<S> + use<S> {
        let tracer = self.provider.tracer("longshore");
        tracing_opentelemetry::layer().with_tracer(tracer).with_filter(LevelFilter::INFO)
    }

    /// What became of the deliveries, to be shown.
    pub fn deliveries(&self) -> impl Metered + use<> {
        self.deliveries.clone()
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        IS_ON.store(false, Ordering::Relaxed);
        // One delivery may be under way, and the last one follows; nobody waits for long for a collector that hangs.
        if let Err(error) = self.provider.shutdown_with_timeout(LEAVE_WITHIN) {
            tracing::warn!(%error, "the last spans were not delivered");
        }
    }
}

/// Delivers on the thread that gathers, which has nothing else to do.
#[derive(Debug)]
struct Deliverer {
    agent: Agent,
    deliveries: Arc<Deliveries>,
}

impl std::fmt::Debug for Deliveries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deliveries").finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl HttpClient for Deliverer {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let sent = self.deliver(request);
        let is_done = sent.as_ref().is_ok_and(|response| response.status().is_success());
        let count = if is_done { &self.deliveries.done } else { &self.deliveries.failed };
        if count.fetch_add(1, Ordering::Relaxed) == 0 && !is_done {
            let said =
                sent.as_ref().map_or_else(ToString::to_string, |response| response.status().to_string());
            tracing::warn!(said, "spans cannot be delivered; this is said once, and counted in the metrics");
        }
        sent
    }
}

impl Deliverer {
    fn deliver(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, body) = request.into_parts();
        let response = self.agent.run(Request::from_parts(head, body.to_vec()))?;
        let (head, mut body) = response.into_parts();
        Ok(Response::from_parts(head, body.read_to_vec()?.into()))
    }
}

/// The `traceparent` of a span that is part of a trace.
pub(super) fn of_span(span: &Span) -> Option<Arc<str>> {
    let context = span.context();
    let span = context.span();
    let own = span.span_context();
    let flags = own.trace_flags().to_u8();
    own.is_valid().then(|| format!("00-{}-{}-{flags:02x}", own.trace_id(), own.span_id()).into())
}

/// Puts a span below the one that came in.
pub(super) fn follow(span: &Span, traceparent: &str) {
    let mut parts = traceparent.split('-').skip(1);
    let mut part = || parts.next().unwrap_or_default();
    let (Ok(trace), Ok(above), Ok(flags)) =
        (TraceId::from_hex(part()), SpanId::from_hex(part()), u8::from_str_radix(part(), 16))
    else {
        return;
    };
    let remote = SpanContext::new(trace, above, TraceFlags::new(flags), true, TraceState::default());
    // A span that is not made has no place.
    let _ = span.set_parent(Context::new().with_remote_span_context(remote));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_a_collector_is_refused() {
        let config = |endpoint: &str, sample_ratio| OtlpConfig {
            endpoint: endpoint.to_owned(),
            sample_ratio,
            service_name: "test".to_owned(),
        };
        for endpoint in ["", "foo", "ftp://x", "http://", "http:///v1", "127.0.0.1:4318"] {
            let refused = Traces::start(&config(endpoint, 1.0)).err();
            assert!(refused.is_some_and(|refused| refused.field == "endpoint"), "{endpoint:?}");
        }
        for ratio in [0.0, -1.0, 1.1, f64::NAN] {
            let refused = Traces::start(&config("http://127.0.0.1:4318", ratio)).err();
            assert!(refused.is_some_and(|refused| refused.field == "sample_ratio"), "{ratio}");
        }
    }
}
