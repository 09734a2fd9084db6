//! Stopping: what is open ends, and the second step cuts.

use std::time::Duration;

use hyper::StatusCode;
use longshore_server::Patience;
use serde_json::json;

use crate::client::soon;
use crate::connection::Raw;
use crate::house::{House, Plan};
use crate::stream::Stream;

/// A request whose body the server waits for.
async fn stuck(house: &House) -> Raw {
    let mut raw = Raw::open(house.client).await;
    raw.send(b"POST /api/v1/jobs HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 100\r\n\r\n")
        .await;
    raw.until("100 Continue\r\n\r\n").await;
    raw
}

#[tokio::test]
async fn a_graceful_stop_ends_streams_and_answers_what_is_open() {
    let house = House::asleep().await;
    let id = house.client.submit(json!({ "kind": "test.echo" })).await;
    let mut all = Stream::open(house.client, "/api/v1/events").await;
    let mut one = Stream::open(house.client, &format!("/api/v1/jobs/{id}/events")).await;
    all.expect("snapshot").await;
    one.expect("snapshot").await;
    let listeners = house.engine.hub().listeners();
    let (client, path) = (house.client, format!("/api/v1/jobs/{id}?wait=60"));
    let waiting = tokio::spawn(async move { client.get(&path).await.json(StatusCode::OK) });
    // The request waits once it listens.
    soon(async {
        while house.engine.hub().listeners() == listeners {
            tokio::task::yield_now().await;
        }
    })
    .await;
    house.stop.drain();
    assert!(all.next().await.is_none());
    assert!(one.next().await.is_none());
    assert_eq!(soon(waiting).await.unwrap()["state"], "ready");
    let mut house = house;
    soon(&mut house.serving).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_request_that_is_on_its_way_is_still_answered() {
    let mut house = House::asleep().await;
    let mut raw = stuck(&house).await;
    house.stop.drain();
    let body = format!("{:<100}", r#"{"kind":"test.echo"}"#);
    raw.send(body.as_bytes()).await;
    assert!(raw.rest().await.starts_with("HTTP/1.1 202 "));
    soon(&mut house.serving).await.unwrap().unwrap();
    assert_eq!(house.jobs().await, 1);
}

#[tokio::test]
async fn the_second_step_cuts_what_is_open() {
    let mut house = House::asleep().await;
    let mut raw = stuck(&house).await;
    house.stop.drain();
    house.stop.cut();
    soon(&mut house.serving).await.unwrap().unwrap();
    assert_eq!(raw.rest().await, "");
    assert_eq!(house.jobs().await, 0);
}

#[tokio::test]
async fn what_does_not_end_in_time_is_cut() {
    let patience = Patience { last_requests: Duration::from_millis(50), ..Patience::default() };
    let mut house = House::build(Plan { patience, worker: false, ..Plan::default() }).await;
    let mut raw = stuck(&house).await;
    house.stop.drain();
    soon(&mut house.serving).await.unwrap().unwrap();
    assert_eq!(raw.rest().await, "");
}
