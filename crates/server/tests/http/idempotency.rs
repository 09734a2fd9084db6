//! The same request under the same key gives the same jobs.

use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::client::Reply;
use crate::house::{House, Plan};

const ECHO: &str = r#"{"kind":"test.echo","args":1}"#;

async fn post(house: &House, path: &str, key: &str, body: &str) -> Reply {
    house.client.send(Method::POST, path, &[("idempotency-key", key)], body.to_owned()).await
}

async fn submit(house: &House, key: &str, body: &str) -> Value {
    post(house, "/api/v1/jobs", key, body).await.json(StatusCode::ACCEPTED)
}

#[tokio::test]
async fn the_same_request_under_the_same_key_gives_the_same_job() {
    let house = House::asleep().await;
    let first = submit(&house, "k1", ECHO).await;
    let second = submit(&house, "k1", ECHO).await;
    assert_eq!(first["id"], second["id"]);
    assert_eq!((first.get("duplicate"), &second["duplicate"]), (None, &json!(true)));
    let other = submit(&house, "k2", ECHO).await;
    assert_ne!(first["id"], other["id"]);
    assert_eq!(house.jobs().await, 2);
}

#[tokio::test]
async fn an_array_keeps_its_ids_in_their_order() {
    let house = House::asleep().await;
    let body = json!([{ "kind": "test.echo" }, { "kind": "test.echo" }, { "kind": "test.fail" }]).to_string();
    let ids = |jobs: &Value| -> Vec<Value> {
        jobs.as_array().unwrap().iter().map(|job| job["id"].clone()).collect()
    };
    let (first, second) = (submit(&house, "k", &body).await, submit(&house, "k", &body).await);
    assert_eq!(ids(&first), ids(&second));
    assert_eq!(house.jobs().await, 3);
}

#[tokio::test]
async fn another_body_under_the_same_key_is_refused() {
    let house = House::asleep().await;
    submit(&house, "k", ECHO).await;
    let other = post(&house, "/api/v1/jobs", "k", r#"{"kind":"test.echo","args":2}"#).await;
    let refusal = other.refused(409, "idempotency_conflict");
    assert_eq!(refusal.details["field"], "Idempotency-Key");
    assert_eq!(house.jobs().await, 1);
}

#[tokio::test]
async fn a_refused_request_leaves_its_key_free() {
    let house = House::asleep().await;
    post(&house, "/api/v1/jobs", "k", r#"{"kind":"test.echo","max_attempts":0}"#)
        .await
        .refused(400, "invalid");
    submit(&house, "k", ECHO).await;
}

#[tokio::test]
async fn a_key_belongs_to_one_endpoint() {
    let house = House::build(Plan { worker: false, pdf: true, ..Plan::default() }).await;
    let job = submit(&house, "k", ECHO).await;
    let report = post(&house, "/api/v1/pdf", "k", r#"{"html":"<p>x</p>"}"#).await.json(StatusCode::ACCEPTED);
    assert_ne!(job["id"], report["id"]);
    let again = post(&house, "/api/v1/pdf", "k", r#"{"html":"<p>x</p>"}"#).await.json(StatusCode::ACCEPTED);
    assert_eq!(report["id"], again["id"]);
}

#[tokio::test]
async fn bad_keys_are_refused() {
    let house = House::asleep().await;
    for key in ["", "  ", &"k".repeat(201), "schlüssel"] {
        let refusal = post(&house, "/api/v1/jobs", key, ECHO).await.refused(400, "invalid");
        assert_eq!(refusal.details["field"], "Idempotency-Key", "{key:?}");
    }
    submit(&house, &"k".repeat(200), ECHO).await;
    assert_eq!(house.jobs().await, 1);
}

#[tokio::test]
async fn twenty_requests_at_once_make_one_job() {
    for sqlite in [false, true] {
        let house = House::build(Plan { worker: false, sqlite, ..Plan::default() }).await;
        let (client, mut asked) = (house.client, JoinSet::new());
        for _ in 0..20 {
            asked.spawn(async move {
                let reply =
                    client.send(Method::POST, "/api/v1/jobs", &[("idempotency-key", "k")], ECHO).await;
                let job = reply.json(StatusCode::ACCEPTED);
                (job["id"].as_str().unwrap().to_owned(), job.get("duplicate").is_none())
            });
        }
        let told = asked.join_all().await;
        assert!(told.iter().all(|(id, _)| *id == told[0].0), "{told:?}");
        assert_eq!(told.iter().filter(|(_, is_new)| *is_new).count(), 1, "{told:?}");
        assert_eq!(house.jobs().await, 1);
    }
}

#[tokio::test]
async fn a_schedule_that_is_run_under_a_key_makes_one_job() {
    let house = House::asleep().await;
    for name in ["a", "b"] {
        let schedule = json!({ "name": name, "kind": "test.echo", "every": "1h" });
        house.client.post("/api/v1/schedules", schedule.to_string()).await.json(StatusCode::CREATED);
    }
    let first = post(&house, "/api/v1/schedules/a/run-now", "k", "").await.json(StatusCode::ACCEPTED);
    let again = post(&house, "/api/v1/schedules/a/run-now", "k", "").await.json(StatusCode::ACCEPTED);
    assert_eq!((&again["id"], &again["duplicate"]), (&first["id"], &json!(true)));
    let other = post(&house, "/api/v1/schedules/b/run-now", "k", "").await.json(StatusCode::ACCEPTED);
    assert_ne!(other["id"], first["id"]);
    let queue = house.client.get("/api/v1/queues/default").await.json(StatusCode::OK);
    assert_eq!(queue["counts"]["ready"], json!(2));
}
