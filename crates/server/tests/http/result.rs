//! The result of a job as JSON.

use std::time::Duration;

use hyper::{Method, StatusCode};
use longshore_core::limits::STEP_RECORDS_MAX;
use serde_json::json;

use crate::house::{House, Plan};

#[tokio::test]
async fn a_json_result_comes_back_byte_for_byte_with_a_version() {
    let house = House::open().await;
    let id = house.client.submit(r#"{"kind":"test.echo","args":{"sum" : 0.30000000000000004}}"#).await;
    house.client.ended(&id).await;
    let path = format!("/api/v1/jobs/{id}/result");
    let whole = house.client.get(&path).await;
    assert_eq!((whole.status, whole.text()), (StatusCode::OK, r#"{"sum" : 0.30000000000000004}"#));
    assert_eq!(whole.header("content-type"), "application/json");
    assert_eq!(whole.header("x-content-type-options"), "nosniff");
    assert_eq!(whole.header("cache-control"), "private, no-store");
    let version = whole.header("etag");
    assert!(version.starts_with('"') && version.ends_with('"') && version.len() > 10, "{version}");
    for tags in [version.to_owned(), format!("W/{version}"), format!("\"x\", {version}"), "*".to_owned()] {
        let known = house.client.send(Method::GET, &path, &[("if-none-match", &tags)], "").await;
        assert_eq!((known.status, known.text()), (StatusCode::NOT_MODIFIED, ""), "{tags}");
        assert_eq!(known.header("etag"), version);
        assert!(["", &whole.body.len().to_string()].contains(&known.header("content-length")));
    }
    let other = house.client.send(Method::GET, &path, &[("if-none-match", "\"x\"")], "").await;
    assert_eq!(other.body, whole.body);
}

#[tokio::test]
async fn a_head_tells_the_same_without_the_body() {
    let house = House::open().await;
    let id = house.client.submit(r#"{"kind":"test.echo","args":[1,2,3]}"#).await;
    house.client.ended(&id).await;
    let path = format!("/api/v1/jobs/{id}/result");
    let (whole, head) =
        (house.client.get(&path).await, house.client.send(Method::HEAD, &path, &[], "").await);
    assert_eq!((head.status, head.text()), (StatusCode::OK, ""));
    for name in ["content-type", "content-length", "etag", "cache-control"] {
        assert_eq!(head.header(name), whole.header(name), "{name}");
    }
    assert_eq!(head.header("content-length"), "7");
    let unknown = house.client.send(Method::HEAD, "/api/v1/jobs/unknown/result", &[], "").await;
    assert_eq!((unknown.status, unknown.text()), (StatusCode::NOT_FOUND, ""));
}

#[tokio::test]
async fn a_job_that_returned_nothing_has_no_content() {
    let house = House::open().await;
    let id = house.client.submit(json!({ "kind": "test.nothing" })).await;
    house.client.ended(&id).await;
    let reply = house.client.get(&format!("/api/v1/jobs/{id}/result")).await;
    assert_eq!((reply.status, reply.text()), (StatusCode::NO_CONTENT, ""));
}

#[tokio::test]
async fn only_a_completed_job_has_a_result() {
    let house = House::open().await;
    let waiting = house.client.submit(json!({ "kind": "test.echo", "delay": "1h" })).await;
    let failed = house.client.submit(json!({ "kind": "test.fail" })).await;
    house.client.ended(&failed).await;
    for (id, state) in [(waiting, "scheduled"), (failed, "failed")] {
        let refusal =
            house.client.get(&format!("/api/v1/jobs/{id}/result")).await.refused(409, "not_completed");
        assert_eq!(refusal.details, json!({ "state": state, "progress": 0 }));
        assert!(refusal.message.contains(state), "{refusal:?}");
    }
}

#[tokio::test]
async fn a_result_that_retention_removed_is_gone_and_later_unknown() {
    for sqlite in [false, true] {
        let house = House::build(Plan { pdf: true, sqlite, ..Plan::default() }).await;
        let body = json!({ "html": "<p>x</p>", "output_format": "html" }).to_string();
        let report = house.client.post("/api/v1/pdf", body).await.json(StatusCode::ACCEPTED);
        let id = report["id"].as_str().unwrap();
        assert_eq!(house.client.ended(id).await["state"], "completed");
        let path = format!("/api/v1/jobs/{id}/result");
        assert_eq!(house.client.get(&path).await.status, StatusCode::OK);
        house.store.prune(STEP_RECORDS_MAX, house.ahead(Duration::from_secs(25 * 3_600))).await.unwrap();
        let refusal = house.client.get(&path).await.refused(410, "result_expired");
        assert!(refusal.details["result_expired_at"].is_string(), "{refusal:?}");
        assert_eq!(house.client.job(id).await["state"], "completed");
        house.store.prune(STEP_RECORDS_MAX, house.ahead(Duration::from_secs(9 * 86_400))).await.unwrap();
        house.client.get(&path).await.refused(404, "not_found");
    }
}
