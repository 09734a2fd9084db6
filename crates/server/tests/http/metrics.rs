//! The scrape, read the way Prometheus reads it.

use std::collections::HashMap;

use hyper::StatusCode;
use serde_json::json;

use crate::house::House;
use crate::stream::Stream;

/// Every sample by its name and labels; fails the test where Prometheus would refuse the text.
fn samples(text: &str) -> HashMap<String, f64> {
    let is_name = |name: &str| {
        name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && !name.starts_with(|c: char| c.is_ascii_digit())
    };
    let (mut samples, mut families, mut last) = (HashMap::new(), Vec::new(), 0.0);
    for line in text.lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            let (name, sort) = family.split_once(' ').unwrap();
            assert!(["counter", "gauge", "histogram"].contains(&sort), "{line}");
            assert!(!families.contains(&name), "{name} is told in two places");
            families.push(name);
            continue;
        }
        if line.starts_with("# HELP ") {
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
        let (name, labels) = sample.split_once('{').unwrap_or((sample, "}"));
        let family = families.last().unwrap();
        let of_family = name.strip_prefix(family).unwrap_or_else(|| panic!("{name} below {family}"));
        assert!(["", "_bucket", "_sum", "_count"].contains(&of_family) && is_name(name), "{line}");
        let labels = labels.strip_suffix('}').unwrap().replace("\\\"", "");
        for label in labels.split("\",").filter(|label| !label.is_empty()) {
            let (label, value) = label.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
            assert!(is_name(label) && !value.trim_end_matches('"').contains('"'), "{line}");
        }
        let value: f64 = value.parse().unwrap();
        if of_family == "_bucket" {
            assert!(labels.contains("le=\"0.001\"") || value >= last, "{line}");
            last = value;
        }
        assert_eq!(samples.insert(sample.to_owned(), value), None, "{line}");
    }
    samples
}

#[tokio::test]
async fn a_scrape_is_prometheus_text_and_counts_what_was_done() {
    let house = House::open().await;
    for (kind, count) in [("test.echo", 3), ("test.fail", 2)] {
        for _ in 0..count {
            let id = house.client.submit(json!({ "kind": kind, "queue": "mail" })).await;
            house.client.ended(&id).await;
        }
    }
    house.client.submit(json!({ "kind": "test.echo", "queue": "odd \"one\"", "delay": "1h" })).await;
    let mut stream = Stream::open(house.client, "/api/v1/events").await;
    stream.expect("snapshot").await;
    for path in ["/metrics", "/api/v1/metrics"] {
        let reply = house.client.get(path).await;
        assert_eq!(reply.status, StatusCode::OK);
        assert_eq!(reply.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
        let samples = samples(reply.text());
        for (sample, value) in [
            ("longshore_job_inserted_total{queue=\"mail\"}", 5.0),
            ("longshore_job_finished_total{queue=\"mail\",outcome=\"completed\"}", 3.0),
            ("longshore_job_finished_total{queue=\"mail\",outcome=\"failed\"}", 2.0),
            ("longshore_job_run_seconds_count{queue=\"mail\"}", 5.0),
            ("longshore_job_run_seconds_bucket{queue=\"mail\",le=\"+Inf\"}", 5.0),
            ("longshore_queue_depth{queue=\"mail\",state=\"completed\"}", 3.0),
            ("longshore_queue_depth{queue=\"odd \\\"one\\\"\",state=\"scheduled\"}", 1.0),
            ("longshore_store_up", 1.0),
            ("longshore_workers", 1.0),
            ("longshore_event_streams", 1.0),
            ("longshore_kind_run_seconds_count{kind=\"test.echo\"}", 3.0),
            ("longshore_kind_finished_total{kind=\"test.fail\",outcome=\"failed\"}", 2.0),
            ("longshore_kind_retried_total{kind=\"test.fail\",reason=\"panic\"}", 0.0),
            ("longshore_http_request_seconds_count{route=\"/api/v1/jobs\",class=\"2xx\"}", 6.0),
        ] {
            assert_eq!(samples.get(sample), Some(&value), "{sample}\n{}", reply.text());
        }
    }
}

#[tokio::test]
async fn a_request_is_measured_under_its_route_whatever_it_asked_for() {
    let house = House::open().await;
    for number in 0..3 {
        house.client.get(&format!("/api/v1/jobs/{number}")).await;
        house.client.get(&format!("/nowhere/{number}")).await;
    }
    let scrape = house.client.get("/metrics").await;
    let samples = samples(scrape.text());
    for (route, count) in [("/api/v1/jobs/{id}", 3.0), ("(none)", 3.0)] {
        let sample = format!("longshore_http_request_seconds_count{{route=\"{route}\",class=\"4xx\"}}");
        assert_eq!(samples.get(&sample), Some(&count), "{sample}\n{}", scrape.text());
    }
    #[cfg(target_os = "linux")]
    {
        for name in ["process_resident_memory_bytes", "process_open_fds"] {
            assert!(samples[name] > 0.0, "{name}");
        }
        // It is told in hundredths of a second; each look takes some of one.
        while self::samples(house.client.get("/metrics").await.text())["process_cpu_seconds_total"] == 0.0 {}
    }
}
