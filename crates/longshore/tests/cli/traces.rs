//! A collector gets the trace of a job, from the caller's span to the handler.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde_json::{Value, json};

use crate::support::{Site, get};

const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Listens where a collector would, and hands out the spans it is sent.
fn collector() -> (String, mpsc::Receiver<Span>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (spans, received) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let (mut length, mut line) = (0, String::new());
            while stream.read_line(&mut line).unwrap() > 2 {
                if let Some(number) = line.to_lowercase().strip_prefix("content-length:") {
                    length = number.trim().parse().unwrap();
                }
                line.clear();
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).unwrap();
            let request = ExportTraceServiceRequest::decode(&*body).unwrap();
            let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
            for span in scopes.flat_map(|scope| scope.spans) {
                let _ = spans.send(span);
            }
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            let _ = stream.get_mut().write_all(answer);
        }
    });
    (url, received)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn attribute(span: &Span, key: &str) -> String {
    let attribute = span.attributes.iter().find(|attribute| attribute.key == key);
    format!("{:?}", attribute.unwrap_or_else(|| panic!("{key} in {span:?}")).value)
}

/// Submits with a `traceparent`, and gives the id of the job.
fn submit(url: &str, traceparent: &str) -> String {
    let mut reply = ureq::post(format!("{url}/api/v1/jobs"))
        .header("traceparent", traceparent)
        .send_json(json!({ "kind": "test.echo", "args": 7 }))
        .unwrap();
    let reply: Value = reply.body_mut().read_json().unwrap();
    reply["id"].as_str().unwrap().to_owned()
}

#[test]
fn the_span_of_an_attempt_hangs_below_the_request_and_that_below_the_caller() {
    let (collector, received) = collector();
    // Nothing would be sent in time but for the end of the process.
    let site = Site::new()
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", &collector)
        .with("OTEL_BSP_SCHEDULE_DELAY", "3600000");
    let (mut server, url) = site.serve(&["--test-kinds"]);
    let id = submit(&url, CALLER);
    let job = get(&format!("{url}/api/v1/jobs/{id}?wait=25"));
    assert_eq!(job["state"], "completed");
    server.signal("TERM");
    assert_eq!(server.rest().0, 0);

    let spans: Vec<Span> = received.try_iter().collect();
    let named = |name: &str| {
        spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("{name} in {spans:?}"))
    };
    let (request, attempt) = (named("POST /api/v1/jobs"), named("longshore.job.test.echo"));
    for span in [request, attempt] {
        assert_eq!(hex(&span.trace_id), "0af7651916cd43dd8448eb211c80319c");
    }
    assert_eq!(hex(&request.parent_span_id), "b7ad6b7169203331");
    assert_eq!(attempt.parent_span_id, request.span_id);
    let carried = format!("00-{}-{}-01", hex(&request.trace_id), hex(&request.span_id));
    assert_eq!(job["traceparent"], json!(carried));
    assert!(attribute(attempt, "job.id").contains(&id));
    assert!(attribute(attempt, "job.outcome").contains("done"));
    assert!(attribute(request, "http.response.status_code").contains("202"));
}

#[test]
fn without_a_collector_a_job_carries_what_came_with_its_request() {
    let site = Site::new();
    let (_server, url) = site.serve(&["--no-worker"]);
    let id = submit(&url, CALLER);
    assert_eq!(get(&format!("{url}/api/v1/jobs/{id}"))["traceparent"], json!(CALLER));
    let id = submit(&url, "00-broken-01");
    assert_eq!(get(&format!("{url}/api/v1/jobs/{id}"))["traceparent"], json!(null));
}

#[test]
fn a_collector_that_is_away_costs_no_job_and_is_counted() {
    let site = Site::new().with("OTEL_BSP_SCHEDULE_DELAY", "20");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    site.write("longshore.toml", &format!("otlp_endpoint = \"http://{closed}\"\n"));
    let (_server, url) = site.serve(&["--test-kinds"]);
    let id = submit(&url, CALLER);
    assert_eq!(get(&format!("{url}/api/v1/jobs/{id}?wait=25"))["state"], "completed");
    let failed = || {
        let scrape = get(&format!("{url}/metrics"));
        let line = "longshore_trace_deliveries_total{name=\"otlp\",outcome=\"failed\"} ";
        let count = scrape.as_str().unwrap().lines().find_map(|told| told.strip_prefix(line)).unwrap();
        count.parse::<u32>().unwrap() > 0
    };
    assert!(std::iter::repeat_with(failed).any(|failed| failed));
}
