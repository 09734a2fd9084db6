//! How many event streams may be open.

use longshore_server::ApiConfig;
use serde_json::json;

use crate::client::soon;
use crate::house::{House, Plan};
use crate::stream::Stream;

async fn with_places(places: usize) -> House {
    let config = ApiConfig { sse_streams_max: places, ..ApiConfig::default() };
    House::build(Plan { config, worker: false, ..Plan::default() }).await
}

/// Asks until a place is free.
async fn opened(house: &House, path: &str) -> Stream {
    let asked = async {
        loop {
            match Stream::try_open(house.client, path, &[]).await {
                Ok(stream) => return stream,
                Err(reply) => drop(reply.refused(503, "too_many_streams")),
            }
        }
    };
    soon(asked).await
}

#[tokio::test]
async fn one_stream_too_many_is_told_when_to_come_back() {
    let house = with_places(2).await;
    let id = house.client.submit(json!({ "kind": "test.echo" })).await;
    let job = format!("/api/v1/jobs/{id}/events");
    let (mut first, mut second) =
        (Stream::open(house.client, "/api/v1/events").await, Stream::open(house.client, &job).await);
    first.expect("snapshot").await;
    second.expect("snapshot").await;
    for path in ["/api/v1/events", &job] {
        let Err(reply) = Stream::try_open(house.client, path, &[]).await else { panic!("a third stream") };
        let refusal = reply.refused(503, "too_many_streams");
        assert_eq!(refusal.headers["retry-after"], "10");
        assert!(refusal.message.contains("sse_streams_max"), "{refusal:?}");
    }
}

#[tokio::test]
async fn a_client_that_hangs_up_frees_its_place() {
    let house = with_places(1).await;
    let id = house.client.submit(json!({ "kind": "test.echo" })).await;
    for path in ["/api/v1/events", &format!("/api/v1/jobs/{id}/events")] {
        let mut stream = opened(&house, path).await;
        stream.expect("snapshot").await;
        drop(stream);
        opened(&house, path).await;
    }
}

#[tokio::test]
async fn a_refused_stream_takes_no_place() {
    let house = with_places(1).await;
    for _ in 0..3 {
        house.client.get("/api/v1/jobs/unknown/events").await.refused(404, "not_found");
        house.client.get("/api/v1/events?state=none").await.refused(400, "invalid");
    }
    Stream::open(house.client, "/api/v1/events").await.expect("snapshot").await;
}
