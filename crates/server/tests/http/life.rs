//! Waiting for a job, cancelling it, trying it again, removing it.

use hyper::StatusCode;
use serde_json::json;

use crate::client::soon;
use crate::house::House;

#[tokio::test]
async fn waiting_ends_with_the_job() {
    let house = House::open().await;
    let id = house.client.submit(json!({ "kind": "test.hold" })).await;
    house.gate.arrived().await;
    let (client, path) = (house.client, format!("/api/v1/jobs/{id}?wait=40"));
    let waiting = tokio::spawn(async move { client.get(&path).await.json(StatusCode::OK) });
    assert_eq!(house.client.job(&id).await["state"], "running");
    house.gate.pass();
    let job = soon(waiting).await.unwrap();
    assert_eq!((&job["state"], &job["result"]), (&json!("completed"), &json!("held")));
    assert_eq!((&job["progress"], &job["attempt"]), (&json!(100), &json!(1)));
}

#[tokio::test]
async fn patience_that_is_over_shows_the_job_as_it_stands() {
    let house = House::open().await;
    let id = house.client.submit(json!({ "kind": "test.hold" })).await;
    house.gate.arrived().await;
    for patience in ["0", "10ms", "0.01"] {
        let reply = house.client.get(&format!("/api/v1/jobs/{id}?wait={patience}")).await;
        assert_eq!(reply.json(StatusCode::OK)["state"], "running");
    }
}

#[tokio::test]
async fn a_failed_job_tells_why() {
    let house = House::open().await;
    let id = house.client.submit(json!({ "kind": "test.fail" })).await;
    let job = house.client.ended(&id).await;
    assert_eq!((&job["state"], &job["reason"]), (&json!("failed"), &json!("by_handler")));
    assert_eq!(job["error"]["message"], "it failed, as it was asked to");
    assert_eq!(job["errors"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_waiting_job_is_cancelled_at_once_and_asking_again_is_told_so() {
    let house = House::open().await;
    let id = house.client.submit(json!({ "kind": "test.echo", "delay": "1h" })).await;
    let path = format!("/api/v1/jobs/{id}/cancel");
    let job = house.client.post(&path, "").await.json(StatusCode::OK);
    assert_eq!((&job["state"], &job["reason"]), (&json!("cancelled"), &json!("by_operator")));
    let refusal = house.client.post(&path, "").await.refused(409, "wrong_state");
    assert_eq!(refusal.details["state"], "cancelled");
}

#[tokio::test]
async fn a_running_job_is_asked_to_stop_and_then_cancelled() {
    let house = House::open().await;
    let id = house.client.submit(json!({ "kind": "test.hold" })).await;
    house.gate.arrived().await;
    let path = format!("/api/v1/jobs/{id}/cancel");
    let asked = house.client.post(&path, "").await.json(StatusCode::ACCEPTED);
    assert_eq!((&asked["state"], &asked["cancel_requested"]), (&json!("running"), &json!(true)));
    assert_eq!(house.client.ended(&id).await["state"], "cancelled");
    house.client.post(&path, "").await.refused(409, "wrong_state");
}

#[tokio::test]
async fn failed_and_cancelled_jobs_are_tried_again_from_the_start() {
    let house = House::open().await;
    let failed = house.client.submit(json!({ "kind": "test.fail" })).await;
    assert_eq!(house.client.ended(&failed).await["state"], "failed");
    let held = house.client.submit(json!({ "kind": "test.hold", "delay": "1h" })).await;
    house.client.post(&format!("/api/v1/jobs/{held}/cancel"), "").await.json(StatusCode::OK);
    let again = house.client.post(&format!("/api/v1/jobs/{held}/retry"), "").await.json(StatusCode::ACCEPTED);
    assert_eq!((&again["state"], &again["attempt"]), (&json!("ready"), &json!(0)));
    house.gate.arrived().await;
    house.gate.pass();
    assert_eq!(house.client.ended(&held).await["state"], "completed");
    let again =
        house.client.post(&format!("/api/v1/jobs/{failed}/retry"), "").await.json(StatusCode::ACCEPTED);
    assert_eq!(again["finished_at"], json!(null));
    assert_eq!(house.client.ended(&failed).await["state"], "failed");
}

#[tokio::test]
async fn a_removed_job_is_gone() {
    let house = House::open().await;
    for job in [json!({ "kind": "test.echo", "delay": "1h" }), json!({ "kind": "test.echo" })] {
        let waits = job.get("delay").is_some();
        let id = house.client.submit(job).await;
        if !waits {
            house.client.ended(&id).await;
        }
        let path = format!("/api/v1/jobs/{id}");
        let reply = house.client.delete(&path).await;
        assert_eq!((reply.status, reply.text()), (StatusCode::NO_CONTENT, ""));
        house.client.get(&path).await.refused(404, "not_found");
        house.client.delete(&path).await.refused(404, "not_found");
    }
    assert_eq!(house.jobs().await, 0);
}

#[tokio::test]
async fn a_running_job_is_removed_only_with_force() {
    let house = House::open().await;
    let id = house.client.submit(json!({ "kind": "test.hold" })).await;
    house.gate.arrived().await;
    let path = format!("/api/v1/jobs/{id}");
    for query in ["", "?force=false"] {
        let refusal = house.client.delete(&format!("{path}{query}")).await.refused(409, "job_running");
        assert!(refusal.message.contains("force"), "{refusal:?}");
    }
    let reply = house.client.delete(&format!("{path}?force=true")).await;
    assert_eq!(reply.status, StatusCode::NO_CONTENT);
    house.client.get(&path).await.refused(404, "not_found");
}

#[tokio::test]
async fn a_running_job_is_not_retried_and_runs_once() {
    let house = House::open().await;
    let id = house.client.submit(json!({ "kind": "test.hold" })).await;
    house.gate.arrived().await;
    let refused = house.client.post(&format!("/api/v1/jobs/{id}/retry"), "").await.json(StatusCode::CONFLICT);
    assert_eq!(refused["error"]["code"], "wrong_state");
    assert_eq!(refused["error"]["details"]["state"], "running");
    house.gate.pass();
    let job = house.client.ended(&id).await;
    assert_eq!(
        (&job["state"], &job["attempt"], &job["errors"]),
        (&json!("completed"), &json!(1), &json!([]))
    );
    let audit = house.client.get("/api/v1/audit?action=job.retry").await.json(StatusCode::OK);
    assert_eq!(audit["entries"][0]["outcome"], "refused");
}
