//! Watching the whole system.

use std::time::Duration;

use hyper::StatusCode;
use longshore_server::Patience;
use serde_json::{Value, json};

use crate::client::soon;
use crate::house::{House, Plan};
use crate::stream::Stream;

const EVENTS: &str = "/api/v1/events";

async fn resumed(house: &House, id: &str) -> Stream {
    Stream::with(house.client, EVENTS, &[("last-event-id", id)]).await
}

#[tokio::test]
async fn the_snapshot_shows_queues_and_workers() {
    let house = House::open().await;
    house.client.submit(json!({ "kind": "test.echo", "queue": "mail", "delay": "1h" })).await;
    let snapshot = Stream::open(house.client, EVENTS).await.expect("snapshot").await.json();
    assert_eq!(snapshot["queues"][0]["name"], "mail");
    assert_eq!(snapshot["queues"][0]["counts"]["scheduled"], 1);
    assert_eq!(snapshot["workers"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn every_event_comes_under_its_own_name_with_a_number_that_rises() {
    let house = House::open().await;
    let mut stream = Stream::open(house.client, EVENTS).await;
    stream.expect("snapshot").await;
    let id = house.client.submit(json!({ "kind": "test.hold", "queue": "mail" })).await;
    house.gate.arrived().await;
    house.client.post("/api/v1/queues/mail/pause", "").await.json(StatusCode::OK);
    house.client.post("/api/v1/queues/mail/resume", "").await.json(StatusCode::OK);
    house.gate.pass();
    let mut numbers = Vec::new();
    let mut names = Vec::new();
    while names.last().map(String::as_str) != Some("job:completed") {
        let frame = stream.next().await.unwrap();
        let event = frame.json();
        assert_eq!(event["event"], frame.event);
        assert_eq!(event["queue"], "mail");
        assert!(event["at"].is_number());
        numbers.push(frame.number());
        names.push(frame.event);
    }
    names.sort_unstable();
    assert_eq!(names, ["job:added", "job:completed", "job:started", "queue:paused", "queue:resumed"]);
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
    assert_eq!(house.client.job(&id).await["state"], "completed");
}

#[tokio::test]
async fn filters_leave_out_what_was_not_asked_for() {
    let house = House::open().await;
    let open = async |query: &str| {
        let mut stream = Stream::open(house.client, &format!("{EVENTS}?{query}")).await;
        stream.expect("snapshot").await;
        stream
    };
    let mut by_queue = open("queue=mail&event=job:added").await;
    let mut by_kind = open("kind=test.fail").await;
    let mut by_event = open("event=job:failed,job:completed").await;
    let mut by_pattern = open("event=queue:*,job:failed").await;
    let mut by_state = open("state=completed,failed").await;
    let echo = house.client.submit(json!({ "kind": "test.echo", "queue": "post" })).await;
    house.client.ended(&echo).await;
    let fail = house.client.submit(json!({ "kind": "test.fail", "queue": "mail" })).await;
    house.client.ended(&fail).await;
    assert_eq!(by_queue.expect("job:added").await.json()["id"], json!(fail));
    for name in ["job:added", "job:started", "job:failed"] {
        assert_eq!(by_kind.until(|frame| frame.event == name).await.json()["id"], json!(fail));
    }
    house.client.post("/api/v1/queues/mail/pause", "").await;
    by_pattern.expect("job:failed").await;
    by_pattern.expect("queue:paused").await;
    for stream in [&mut by_event, &mut by_state] {
        assert_eq!(stream.expect("job:completed").await.json()["id"], json!(echo));
        assert_eq!(stream.expect("job:failed").await.json()["id"], json!(fail));
    }
}

#[tokio::test]
async fn a_client_that_comes_back_has_missed_nothing() {
    for sqlite in [false, true] {
        let house = House::build(Plan { worker: false, sqlite, ..Plan::default() }).await;
        // Events of the store in memory are told only while somebody listens.
        let mut other = Stream::open(house.client, EVENTS).await;
        other.expect("snapshot").await;
        let mut stream = Stream::open(house.client, EVENTS).await;
        stream.expect("snapshot").await;
        let first = house.client.submit(json!({ "kind": "test.echo" })).await;
        let heard = stream.expect("job:added").await;
        assert_eq!(heard.json()["id"], json!(first));
        drop(stream);
        let mut missed = Vec::new();
        for _ in 0..5 {
            missed.push(house.client.submit(json!({ "kind": "test.echo" })).await);
        }
        let mut stream = resumed(&house, &heard.id).await;
        missed.push(house.client.submit(json!({ "kind": "test.echo" })).await);
        for (id, number) in missed.iter().zip(heard.number() + 1..) {
            let frame = stream.expect("job:added").await;
            assert_eq!((frame.json()["id"].as_str(), frame.number()), (Some(&**id), number));
        }
    }
}

#[tokio::test]
async fn what_happened_while_nobody_listened_is_in_the_snapshot_or_told() {
    for sqlite in [false, true] {
        let house = House::build(Plan { worker: false, sqlite, ..Plan::default() }).await;
        let mut stream = Stream::open(house.client, EVENTS).await;
        stream.expect("snapshot").await;
        house.client.submit(json!({ "kind": "test.echo" })).await;
        let heard = stream.expect("job:added").await;
        drop(stream);
        soon(async {
            while house.engine.hub().listeners() > 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        let id = house.client.submit(json!({ "kind": "test.echo" })).await;
        let first = resumed(&house, &heard.id).await.next().await.unwrap();
        if first.event == "snapshot" {
            assert_eq!(first.json()["queues"][0]["counts"]["ready"], 2);
        } else {
            assert_eq!(first.json()["id"], json!(id));
        }
    }
}

#[tokio::test]
async fn a_place_of_another_run_or_of_no_run_begins_with_a_snapshot() {
    let house = House::asleep().await;
    let mut stream = Stream::open(house.client, EVENTS).await;
    stream.expect("snapshot").await;
    house.client.submit(json!({ "kind": "test.echo" })).await;
    let heard = stream.expect("job:added").await;
    for id in ["1", "nonsense", "0123-1", &format!("{}x", heard.id), "\u{e9}-1", ""] {
        let snapshot = resumed(&house, id).await.expect("snapshot").await.json();
        assert_eq!(snapshot["queues"][0]["counts"]["ready"], 1, "{id:?}");
    }
}

#[tokio::test]
async fn a_place_that_was_long_ago_begins_with_a_snapshot() {
    let house = House::asleep().await;
    let mut stream = Stream::open(house.client, EVENTS).await;
    stream.expect("snapshot").await;
    house.client.submit(json!({ "kind": "test.echo" })).await;
    let heard = stream.expect("job:added").await;
    let batch = Value::Array(vec![json!({ "kind": "test.echo" }); 1_000]).to_string();
    for _ in 0..3 {
        house.client.post("/api/v1/jobs", batch.clone()).await.json(StatusCode::ACCEPTED);
    }
    let last = heard.number() + 3_000;
    stream.until(|frame| frame.number() == last).await;
    resumed(&house, &heard.id).await.expect("snapshot").await;
}

#[tokio::test]
async fn a_silent_stream_shows_that_it_lives() {
    let patience = Patience { heartbeat: Duration::from_millis(20), ..Patience::default() };
    let house = House::build(Plan { patience, worker: false, ..Plan::default() }).await;
    let id = house.client.submit(json!({ "kind": "test.echo" })).await;
    for path in [EVENTS, &format!("/api/v1/jobs/{id}/events")] {
        let mut stream = Stream::open(house.client, path).await;
        stream.expect("snapshot").await;
        for _ in 0..2 {
            assert_eq!(stream.any().await.unwrap().comment, "alive");
        }
    }
}

#[tokio::test]
async fn a_listener_that_does_not_read_is_told_of_a_gap_and_is_not_waited_for() {
    let house = House::asleep().await;
    let mut stream = Stream::open(house.client, EVENTS).await;
    stream.expect("snapshot").await;
    let batch = Value::Array(vec![json!({ "kind": "test.echo" }); 1_000]).to_string();
    // More than sockets and the hub hold.
    for _ in 0..80 {
        house.client.post("/api/v1/jobs", batch.clone()).await.json(StatusCode::ACCEPTED);
    }
    stream.until(|frame| frame.event == "gap").await;
}

#[tokio::test]
async fn a_place_that_has_not_been_reached_begins_with_a_snapshot() {
    let house = House::asleep().await;
    let mut stream = Stream::open(house.client, EVENTS).await;
    stream.expect("snapshot").await;
    house.client.submit(json!({ "kind": "test.echo" })).await;
    let heard = stream.expect("job:added").await;
    let (epoch, _) = heard.id.rsplit_once('-').unwrap();
    resumed(&house, &format!("{epoch}-{}", heard.number() + 7)).await.expect("snapshot").await;
}
