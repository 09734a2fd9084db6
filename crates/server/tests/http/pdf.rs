//! Submitting reports.

use hyper::StatusCode;
use serde_json::json;

use crate::house::{House, Plan};

#[tokio::test]
async fn a_report_is_a_job_with_the_words_of_jobs() {
    let house = House::build(Plan { worker: false, pdf: true, ..Plan::default() }).await;
    let reply = house.client.post("/api/v1/pdf", r#"{"html":"<p>x</p>"}"#).await;
    let job = reply.json(StatusCode::ACCEPTED);
    let id = job["id"].as_str().unwrap();
    let places = format!("/api/v1/jobs/{id}");
    let whole =
        json!({ "id": id, "state": "ready", "status_url": places, "events_url": format!("{places}/events") });
    assert_eq!(job, whole);
    let record = house.client.job(id).await;
    assert_eq!((&record["kind"], &record["queue"]), (&json!("pdf.render"), &json!("pdf")));
    assert_eq!(record["args"], json!({ "html": "<p>x</p>" }));
    assert_eq!(record["correlation_id"], reply.header("x-correlation-id"));
}

#[tokio::test]
async fn bad_reports_are_refused_by_field_and_nothing_is_stored() {
    let house = House::build(Plan { worker: false, pdf: true, ..Plan::default() }).await;
    for (body, status, code, field) in [
        ("{}", 400, "missing_field", "template_name"),
        (r#"{"html":"x","template_name":"monthly_report"}"#, 400, "invalid", "html"),
        (r#"{"template_name":"none","context_data":{}}"#, 400, "unknown_template", "template_name"),
        (r#"{"template_name":"../etc","context_data":{}}"#, 400, "unknown_template", "template_name"),
        (r#"{"template_name":"monthly_report"}"#, 400, "missing_field", "context_data"),
        (r#"{"template_name":"monthly_report","context_data":[]}"#, 400, "invalid", "context_data"),
        (r#"{"html":7}"#, 400, "invalid", "html"),
        (r#"{"html":"x","css_files":["../a.css"]}"#, 400, "unknown_css_file", "css_files[0]"),
        (r#"{"html":"x","css_files":[1]}"#, 400, "invalid", "css_files[0]"),
        (r#"{"html":"x","output_format":"docx"}"#, 400, "invalid", "output_format"),
        (r#"{"html":"x","renderer":"word"}"#, 400, "invalid", "renderer"),
        (r#"{"html":"x","renderer":"chromium"}"#, 503, "renderer_unavailable", "renderer"),
        (r#"{"html":"x","colour":"red"}"#, 400, "unknown_field", "colour"),
        ("[]", 400, "invalid", "body"),
        ("{", 400, "invalid_json", "body"),
    ] {
        let refusal = house.client.post("/api/v1/pdf", body).await.refused(status, code);
        assert_eq!(refusal.details["field"], field, "{body}: {refusal:?}");
        assert!(refusal.message.starts_with(&format!("{field}: expected ")), "{refusal:?}");
    }
    assert_eq!(house.jobs().await, 0);
}

#[tokio::test]
async fn a_document_may_be_larger_than_the_args_of_other_jobs() {
    let house = House::build(Plan { worker: false, pdf: true, ..Plan::default() }).await;
    let html = |bytes: usize| json!({ "html": format!("<p>{}</p>", "x".repeat(bytes - 7)) });
    let (largest, larger) = (html(5 << 20), html((5 << 20) + 1));
    let job =
        |args: &serde_json::Value| json!({ "kind": "pdf.render", "queue": "pdf", "args": args }).to_string();
    house.client.post("/api/v1/pdf", largest.to_string()).await.json(StatusCode::ACCEPTED);
    house.client.post("/api/v1/jobs", job(&largest)).await.json(StatusCode::ACCEPTED);
    let refusal =
        house.client.post("/api/v1/pdf", larger.to_string()).await.refused(413, "payload_too_large");
    assert_eq!(refusal.details["field"], "html");
    let refusal = house.client.post("/api/v1/jobs", job(&larger)).await.refused(413, "payload_too_large");
    assert_eq!(refusal.details["field"], "args.html");
    assert_eq!(house.jobs().await, 2);
}

#[tokio::test]
async fn a_report_among_other_jobs_is_checked_as_well() {
    let house = House::build(Plan { worker: false, pdf: true, ..Plan::default() }).await;
    for (args, code, field) in [
        (json!(null), "invalid", "args"),
        (json!({}), "missing_field", "args.template_name"),
        (json!({ "template_name": "none", "context_data": {} }), "unknown_template", "args.template_name"),
        (json!({ "html": "x", "colour": "red" }), "unknown_field", "args.colour"),
    ] {
        let body = json!({ "kind": "pdf.render", "args": args }).to_string();
        let refusal = house.client.post("/api/v1/jobs", body.clone()).await.refused(400, code);
        assert_eq!(refusal.details["field"], field, "{body}: {refusal:?}");
        let refusal = house.client.post("/api/v1/jobs", format!("[{body}]")).await.refused(400, code);
        assert_eq!(refusal.details["field"], format!("[0].{field}"), "{body}: {refusal:?}");
    }
    assert_eq!(house.jobs().await, 0);
}

#[tokio::test]
async fn a_server_without_a_renderer_says_so() {
    let house = House::asleep().await;
    let refusal =
        house.client.post("/api/v1/pdf", r#"{"html":"x"}"#).await.refused(503, "renderer_unavailable");
    assert!(refusal.message.contains("no reports"), "{refusal:?}");
}
