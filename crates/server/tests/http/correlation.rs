//! What joins a request, its job and its errors.

use hyper::{Method, StatusCode};
use serde_json::json;

use crate::house::House;

const GIVEN: &str = "6f9619ff-8b86-4011-b42d-00c04fc964ff";

fn is_uuid4(text: &str) -> bool {
    text.len() == 36 && text.as_bytes()[14] == b'4'
}

#[tokio::test]
async fn a_given_id_is_returned_and_kept_on_the_job() {
    let house = House::asleep().await;
    let headers = [("x-correlation-id", GIVEN)];
    let body = json!([{ "kind": "test.echo" }, { "kind": "test.echo" }]).to_string();
    let reply = house.client.send(Method::POST, "/api/v1/jobs", &headers, body).await;
    assert_eq!(reply.header("x-correlation-id"), GIVEN);
    for job in reply.json(StatusCode::ACCEPTED).as_array().unwrap() {
        let record = house.client.job(job["id"].as_str().unwrap()).await;
        assert_eq!(record["correlation_id"], GIVEN);
    }
}

#[tokio::test]
async fn without_one_an_id_is_made_and_kept_on_the_job() {
    let house = House::asleep().await;
    let reply = house.client.post("/api/v1/jobs", r#"{"kind":"test.echo"}"#).await;
    let made = reply.header("x-correlation-id");
    assert!(is_uuid4(made), "{made}");
    let job = reply.json(StatusCode::ACCEPTED);
    assert_eq!(house.client.job(job["id"].as_str().unwrap()).await["correlation_id"], made);
    let other = house.client.get("/health/live").await;
    assert_ne!(other.header("x-correlation-id"), made);
}

#[tokio::test]
async fn an_id_that_is_no_uuid_of_version_4_is_replaced() {
    let house = House::asleep().await;
    for bad in
        ["", "x", "6f9619ff-8b86-7011-b42d-00c04fc964ff", "6f9619ff8b864011b42d00c04fc964ff", "<script>"]
    {
        let reply = house.client.send(Method::GET, "/api/v1/workers", &[("x-correlation-id", bad)], "").await;
        assert!(is_uuid4(reply.header("x-correlation-id")), "{bad:?}");
        assert_ne!(reply.header("x-correlation-id"), bad);
    }
}

#[tokio::test]
async fn errors_and_streams_carry_it_too() {
    let house = House::asleep().await;
    let headers = [("x-correlation-id", GIVEN)];
    for path in ["/api/v1/jobs/unknown", "/nowhere", "/api/v1/jobs?limit=0"] {
        let reply = house.client.send(Method::GET, path, &headers, "").await;
        let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!((&body["correlation_id"], reply.header("x-correlation-id")), (&json!(GIVEN), GIVEN));
    }
    let stream = house.client.open(Method::GET, "/api/v1/events", &headers, "").await;
    assert_eq!(stream.headers()["x-correlation-id"], GIVEN);
}
