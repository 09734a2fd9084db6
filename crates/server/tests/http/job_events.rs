//! Watching one job.

use serde_json::{Value, json};

use crate::client::Client;
use crate::house::{House, Plan};
use crate::stream::Stream;

async fn watch(client: Client, id: &str) -> Stream {
    Stream::open(client, &format!("/api/v1/jobs/{id}/events")).await
}

/// A job that is sure not to run before its watcher is there, and then runs.
async fn watched(house: &House, kind: &str) -> (String, Stream) {
    let client = house.client;
    client.submit(json!({ "kind": "test.echo", "queue": "stage", "id": "opener", "delay": "1h" })).await;
    client.post("/api/v1/queues/stage/pause", "").await;
    let id = client.submit(json!({ "kind": kind, "queue": "stage" })).await;
    let mut stream = watch(client, &id).await;
    let snapshot = stream.expect("snapshot").await.json();
    assert_eq!((&snapshot["id"], &snapshot["state"]), (&json!(id), &json!("ready")));
    client.post("/api/v1/queues/stage/resume", "").await;
    (id, stream)
}

#[tokio::test]
async fn a_watcher_hears_progress_and_states_in_their_order_and_then_the_end() {
    for sqlite in [false, true] {
        let house = House::build(Plan { sqlite, ..Plan::default() }).await;
        let (id, mut stream) = watched(&house, "test.steps").await;
        let mut numbers = Vec::new();
        let started = stream.expect("state").await;
        numbers.push(started.number());
        assert_eq!(
            (&started.json()["event"], &started.json()["state"]),
            (&json!("job:started"), &json!("running"))
        );
        for percent in [10, 40, 80] {
            // It comes while the handler is held: it was pushed, and not looked up afterwards.
            let progress = stream.expect("progress").await;
            numbers.push(progress.number());
            let told = progress.json();
            assert_eq!(
                (&told["progress"], &told["progress_message"]),
                (&json!(percent), &json!("on the way"))
            );
            assert_eq!(house.client.job(&id).await["state"], "running");
            house.gate.arrived().await;
            house.gate.pass();
        }
        let completed = stream.expect("state").await;
        numbers.push(completed.number());
        assert_eq!(completed.json()["event"], "job:completed");
        let end = stream.expect("end").await.json();
        assert_eq!(
            (&end["state"], &end["progress"], &end["id"]),
            (&json!("completed"), &json!(100), &json!(id))
        );
        assert!(stream.next().await.is_none());
        assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    }
}

#[tokio::test]
async fn a_failure_and_a_cancel_end_a_stream_as_well() {
    let house = House::open().await;
    let (_, mut stream) = watched(&house, "test.fail").await;
    let told = stream.until(|frame| frame.event == "end").await.json();
    assert_eq!((&told["state"], &told["reason"]), (&json!("failed"), &json!("by_handler")));
    let id = house.client.submit(json!({ "kind": "test.hold" })).await;
    house.gate.arrived().await;
    let mut stream = watch(house.client, &id).await;
    stream.expect("snapshot").await;
    house.client.post(&format!("/api/v1/jobs/{id}/cancel"), "").await;
    assert_eq!(stream.until(|frame| frame.event == "end").await.json()["state"], "cancelled");
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn a_job_that_has_ended_is_shown_and_the_stream_closes() {
    let house = House::open().await;
    let id = house.client.submit(json!({ "kind": "test.echo", "args": 7 })).await;
    house.client.ended(&id).await;
    let mut stream = watch(house.client, &id).await;
    let snapshot = stream.expect("snapshot").await.json();
    assert_eq!((&snapshot["state"], &snapshot["result"]), (&json!("completed"), &json!(7)));
    assert_eq!(stream.expect("end").await.json(), snapshot);
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn a_job_that_is_removed_ends_its_stream() {
    let house = House::asleep().await;
    let id = house.client.submit(json!({ "kind": "test.echo" })).await;
    let mut stream = watch(house.client, &id).await;
    stream.expect("snapshot").await;
    house.client.delete(&format!("/api/v1/jobs/{id}")).await;
    assert_eq!(stream.expect("state").await.json()["event"], "job:removed");
    assert_eq!(stream.expect("end").await.json(), json!({ "id": id, "removed": true }));
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn a_watcher_sees_its_job_through_a_retry() {
    let house = House::asleep().await;
    let id = house.client.submit(json!({ "kind": "test.echo" })).await;
    let mut stream = watch(house.client, &id).await;
    stream.expect("snapshot").await;
    house.client.post(&format!("/api/v1/jobs/{id}/cancel"), "").await;
    assert_eq!(stream.expect("state").await.json()["event"], "job:cancelled");
    assert_eq!(stream.expect("end").await.json()["state"], "cancelled");
    house.client.post(&format!("/api/v1/jobs/{id}/retry"), "").await;
    assert_eq!(watch(house.client, &id).await.expect("snapshot").await.json()["state"], "ready");
}

#[tokio::test]
async fn an_unknown_job_is_refused_before_a_stream_begins() {
    let house = House::asleep().await;
    let reply = house.client.get("/api/v1/jobs/unknown/events").await;
    reply.refused(404, "not_found");
}

#[tokio::test]
async fn args_and_results_of_several_lines_stay_one_event() {
    let house = House::open().await;
    let args = "{\"a\":\n\n 1,\r\n\"b\":\r[2]}";
    let id = house.client.submit(format!(r#"{{"kind":"test.echo","args":{args}}}"#)).await;
    house.client.ended(&id).await;
    let mut stream = watch(house.client, &id).await;
    let value: Value = serde_json::from_str(args).unwrap();
    for event in ["snapshot", "end"] {
        let record = stream.expect(event).await.json();
        assert_eq!((&record["args"], &record["result"]), (&value, &value));
    }
}
