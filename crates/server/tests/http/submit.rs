//! Submitting jobs, one and many.

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::house::{House, Plan};

#[tokio::test]
async fn one_job_is_answered_with_its_id_state_and_places() {
    let house = House::asleep().await;
    let reply = house.client.post("/api/v1/jobs", r#"{"kind":"test.echo"}"#).await;
    let job = reply.json(StatusCode::ACCEPTED);
    let id = job["id"].as_str().unwrap();
    assert_eq!(id.len(), 36);
    let places = format!("/api/v1/jobs/{id}");
    let whole =
        json!({ "id": id, "state": "ready", "status_url": places, "events_url": format!("{places}/events") });
    assert_eq!(job, whole);
}

#[tokio::test]
async fn an_array_is_answered_with_an_array_in_the_same_order() {
    let house = House::asleep().await;
    let body = json!([
        { "kind": "test.echo", "id": "first" },
        { "kind": "test.echo", "id": "second", "delay": "1h" },
        { "kind": "test.echo", "id": "third" }
    ]);
    let jobs = house.client.post("/api/v1/jobs", body.to_string()).await.json(StatusCode::ACCEPTED);
    let told: Vec<_> = jobs.as_array().unwrap().iter().map(|job| (&job["id"], &job["state"])).collect();
    let ids = [json!("first"), json!("second"), json!("third")];
    let states = [json!("ready"), json!("scheduled"), json!("ready")];
    assert_eq!(told, ids.iter().zip(&states).collect::<Vec<_>>());
    let one = house.client.post("/api/v1/jobs", r#" [{"kind":"test.echo"}]"#).await;
    assert_eq!(one.json(StatusCode::ACCEPTED).as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_thousand_jobs_are_taken_at_once() {
    let house = House::build(Plan { worker: false, sqlite: true, ..Plan::default() }).await;
    let body = Value::Array(vec![json!({ "kind": "test.echo" }); 1_000]);
    let jobs = house.client.post("/api/v1/jobs", body.to_string()).await.json(StatusCode::ACCEPTED);
    assert_eq!(jobs.as_array().unwrap().len(), 1_000);
    assert_eq!(house.jobs().await, 1_000);
}

#[tokio::test]
async fn one_bad_job_refuses_all_and_is_named_by_its_place() {
    for sqlite in [false, true] {
        let house = House::build(Plan { worker: false, sqlite, ..Plan::default() }).await;
        for (bad, status, code, field) in [
            (json!({ "kind": "test.echo", "max_attempts": 0 }), 400, "invalid", "[3].max_attempts"),
            (json!({ "kind": "test.echo", "delay": -1 }), 400, "invalid", "[3].delay"),
            (json!({ "kind": "test.none" }), 400, "unknown_kind", "[3].kind"),
            (json!({ "kind": "test.echo", "colour": "red" }), 400, "unknown_field", "[3].colour"),
            (json!({ "queue": "a" }), 400, "missing_field", "[3].kind"),
            (json!({ "kind": "test.echo", "tags": ["a", 7] }), 400, "invalid", "[3].tags[1]"),
            (
                json!({ "kind": "test.echo", "delay": 1, "run_at": "2026-03-01T00:00:00Z" }),
                400,
                "invalid",
                "[3].delay",
            ),
            (json!(["test.echo"]), 400, "invalid", "[3]"),
            (
                json!({ "kind": "test.echo", "args": "x".repeat(1 << 20) }),
                413,
                "payload_too_large",
                "[3].args",
            ),
        ] {
            let fine = json!({ "kind": "test.echo" });
            let body = json!([fine, fine, fine, bad, fine]).to_string();
            let refusal = house.client.post("/api/v1/jobs", body).await.refused(status, code);
            assert_eq!(refusal.details["field"], field, "{refusal:?}");
            assert!(refusal.message.starts_with(&format!("{field}: expected ")), "{refusal:?}");
            assert!(refusal.message.contains(", got "), "{refusal:?}");
        }
        assert_eq!(house.jobs().await, 0);
    }
}

#[tokio::test]
async fn an_id_of_ones_own_is_kept_and_its_second_job_is_told_to_be_a_duplicate() {
    let house = House::asleep().await;
    let body = r#"{"kind":"test.echo","queue":"mail","id":"order-17"}"#;
    let first = house.client.post("/api/v1/jobs", body).await.json(StatusCode::ACCEPTED);
    assert_eq!(first["id"], "order-17");
    assert_eq!(first.get("duplicate"), None);
    let second = house.client.post("/api/v1/jobs", body).await.json(StatusCode::ACCEPTED);
    assert_eq!((&second["id"], &second["duplicate"]), (&json!("order-17"), &json!(true)));
    assert_eq!(house.jobs().await, 1);
}

#[tokio::test]
async fn an_id_that_a_job_of_another_queue_has_is_refused_with_the_whole_array() {
    for sqlite in [false, true] {
        let house = House::build(Plan { worker: false, sqlite, ..Plan::default() }).await;
        house.client.submit(json!({ "kind": "test.echo", "queue": "mail", "id": "order-17" })).await;
        let body =
            json!([{ "kind": "test.echo" }, { "kind": "test.echo", "queue": "post", "id": "order-17" }]);
        let refusal = house.client.post("/api/v1/jobs", body.to_string()).await.refused(409, "id_taken");
        assert_eq!(refusal.details, json!({ "id": "order-17", "queue": "mail" }));
        assert!(refusal.message.contains("order-17") && refusal.message.contains("mail"), "{refusal:?}");
        assert_eq!(house.jobs().await, 1);
    }
}

#[tokio::test]
async fn the_places_of_an_id_with_odd_characters_lead_to_its_job() {
    let house = House::open().await;
    for id in ["order 17", "a/b?c#d", "50%", "größe", "%2F", "+&="] {
        let body = json!({ "kind": "test.echo", "id": id }).to_string();
        let job = house.client.post("/api/v1/jobs", body).await.json(StatusCode::ACCEPTED);
        let place = job["status_url"].as_str().unwrap();
        let record = house.client.get(&format!("{place}?wait=40")).await.json(StatusCode::OK);
        assert_eq!((&record["id"], &record["state"]), (&json!(id), &json!("completed")));
        let events = house.client.get(job["events_url"].as_str().unwrap()).await;
        assert!(events.text().contains("event: end\n"), "{}", events.text());
    }
}
