//! Jobs that wait for others, that are unique, or that may only wait so long.

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::house::House;

#[tokio::test]
async fn a_flow_is_stored_whole_and_runs_in_its_order() {
    let house = House::open().await;
    let flow = json!([
        { "id": "sum", "kind": "test.echo", "depends_on": [{ "id": "left", "name": "l" }, "right"] },
        { "id": "left", "kind": "test.hold" },
        { "id": "right", "kind": "test.echo" }
    ]);
    let answer = house.client.post("/api/v1/jobs", flow.to_string()).await.json(StatusCode::ACCEPTED);
    let states: Vec<&Value> = answer.as_array().unwrap().iter().map(|job| &job["state"]).collect();
    assert_eq!(states, ["blocked", "ready", "ready"]);
    house.gate.arrived().await;
    let sum = house.client.job("sum").await;
    assert_eq!(sum["depends_on"], json!([{ "id": "left", "name": "l" }, "right"]));
    assert_eq!(sum["state"], "blocked");
    house.gate.pass();
    assert_eq!(house.client.ended("sum").await["state"], "completed");
}

#[tokio::test]
async fn a_flow_that_cannot_be_is_refused_whole() {
    let house = House::asleep().await;
    let job = |id: &str, parents: Value| json!({ "id": id, "kind": "test.echo", "depends_on": parents });
    for (flow, code, field) in [
        (json!([job("a", json!(["b"])), job("b", json!(["a"]))]), "flow_cycle", "[0].depends_on"),
        (json!([job("a", json!([])), job("b", json!(["a", "x"]))]), "unknown_parent", "[1].depends_on[1]"),
        (json!([job("a", json!(["b", "b"])), job("b", json!([]))]), "invalid", "[0].depends_on[1]"),
    ] {
        let error = house.client.post("/api/v1/jobs", flow.to_string()).await.json(StatusCode::BAD_REQUEST);
        let told = (&error["error"]["code"], &error["error"]["details"]["field"]);
        assert_eq!(told, (&json!(code), &json!(field)), "{error}");
    }
    assert_eq!(house.client.get("/api/v1/jobs").await.json(StatusCode::OK)["jobs"], json!([]));
}

#[tokio::test]
async fn a_failed_parent_decides_as_the_child_says() {
    let house = House::open().await;
    let child = |policy: &str| {
        json!({
            "id": policy, "kind": "test.echo", "depends_on": ["bad"], "on_parent_failure": policy
        })
    };
    let flow = json!([
        { "id": "bad", "kind": "test.fail", "max_attempts": 1 },
        child("wait"), child("fail"), child("cancel"), child("run")
    ]);
    house.client.post("/api/v1/jobs", flow.to_string()).await.json(StatusCode::ACCEPTED);
    for (id, state) in [("bad", "failed"), ("fail", "failed"), ("cancel", "cancelled"), ("run", "completed")]
    {
        assert_eq!(house.client.ended(id).await["state"], state, "{id}");
    }
    assert_eq!(house.client.job("fail").await["reason"], "parent_failed");
    let wait = house.client.job("wait").await;
    assert_eq!((&wait["state"], &wait["parents_left"]), (&json!("blocked"), &json!(1)));
    let why = house.client.get("/api/v1/jobs/wait/why").await.json(StatusCode::OK);
    assert_eq!((&why["reasons"][0]["code"], &why["reasons"][0]["jobs"]), (&json!("parent"), &json!(["bad"])));
    assert!(
        why["reasons"][0]["message"]
            .as_str()
            .unwrap()
            .contains("parent bad is failed; this job waits until a retry"),
        "{why}"
    );
}

#[tokio::test]
async fn a_unique_key_gives_one_job() {
    let house = House::asleep().await;
    let client = &house.client;
    let job = |unique: Value| json!({ "kind": "test.echo", "delay": "1h", "unique": unique });
    let first = client.submit(job(json!("report/7"))).await;
    let again = client.post("/api/v1/jobs", job(json!({ "key": "report/7" })).to_string()).await;
    let again = again.json(StatusCode::ACCEPTED);
    assert_eq!((&again["id"], &again["duplicate"]), (&json!(first), &json!(true)));
    let replaced = client.submit(job(json!({ "key": "report/7", "replace": true }))).await;
    assert_ne!(replaced, first);
    assert_eq!(client.get(&format!("/api/v1/jobs/{first}")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(client.job(&replaced).await["unique_key"], "report/7");
    assert_eq!(client.post(&format!("/api/v1/jobs/{replaced}/cancel"), "").await.status, StatusCode::OK);
    let owner = client.submit(job(json!("report/7"))).await;
    let error = client.post(&format!("/api/v1/jobs/{replaced}/retry"), "").await.json(StatusCode::CONFLICT);
    assert_eq!(error["error"]["code"], "unique_conflict");
    assert_eq!(error["error"]["details"]["owner"], owner);
    for (unique, field) in [
        (json!(""), "unique.key"),
        (json!({ "key": "k", "ttl": 0 }), "unique.ttl"),
        (json!({ "key": "k", "extend": true }), "unique.extend"),
    ] {
        let error = client.post("/api/v1/jobs", job(unique).to_string()).await.json(StatusCode::BAD_REQUEST);
        assert_eq!(error["error"]["details"]["field"], field);
    }
}

#[tokio::test]
async fn a_job_that_waits_too_long_has_expired() {
    let house = House::open().await;
    let job = json!({ "kind": "test.echo", "delay": "1h", "ttl": "50ms" });
    let id = house.client.submit(job).await;
    let job = house.client.ended(&id).await;
    assert_eq!(
        (&job["state"], &job["reason"], &job["attempt"]),
        (&json!("failed"), &json!("expired"), &json!(0))
    );
}
