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
async fn a_server_without_a_renderer_says_so() {
    let house = House::asleep().await;
    let refusal =
        house.client.post("/api/v1/pdf", r#"{"html":"x"}"#).await.refused(503, "renderer_unavailable");
    assert!(refusal.message.contains("no reports"), "{refusal:?}");
}
