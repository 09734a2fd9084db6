//! Connections: kept, shared, and cut when they come to nothing.

use std::time::Duration;

use futures_util::FutureExt;
use http_body_util::Full;
use hyper::{Request, StatusCode};
use longshore_server::{ApiConfig, Patience};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{Client, Reply, soon};
use crate::house::{House, Plan};

/// A connection on which a test writes what it wants.
pub(crate) struct Raw(TcpStream);

impl Raw {
    pub(crate) async fn open(client: Client) -> Self {
        Self(soon(TcpStream::connect(client.address)).await.unwrap())
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        soon(self.0.write_all(bytes)).await.unwrap();
    }

    /// What comes until this text is there.
    pub(crate) async fn until(&mut self, text: &str) -> String {
        let mut seen = Vec::new();
        loop {
            let count = soon(self.0.read_buf(&mut seen)).await.unwrap();
            let told = String::from_utf8_lossy(&seen);
            if told.contains(text) {
                return told.into_owned();
            }
            assert_ne!(count, 0, "the connection ended after {told:?}");
        }
    }

    /// What comes until the server hangs up.
    pub(crate) async fn rest(&mut self) -> String {
        let mut seen = Vec::new();
        // A cut connection may end with an error instead of an end.
        soon(self.0.read_to_end(&mut seen)).await.ok();
        String::from_utf8_lossy(&seen).into_owned()
    }
}

#[tokio::test]
async fn a_connection_is_kept_for_the_next_request() {
    let house = House::asleep().await;
    let mut kept = house.client.connect().await;
    // Errors do not cost the connection either.
    for (path, status) in
        [("/health/live", 200), ("/nowhere", 404), ("/api/v1/jobs", 200), ("/api/v1/jobs/17", 400)]
    {
        soon(kept.ready()).await.unwrap();
        let request = Request::get(path).header("host", "x").body(Full::default()).unwrap();
        let reply = Reply::read(soon(kept.send_request(request)).await.unwrap()).await;
        assert_eq!(reply.status, StatusCode::from_u16(status).unwrap(), "{path}");
    }
}

#[tokio::test]
async fn two_requests_written_at_once_are_answered_in_their_order() {
    let house = House::asleep().await;
    let mut raw = Raw::open(house.client).await;
    let submit = r#"{"kind":"test.echo","id":"piped"}"#;
    let first =
        format!("POST /api/v1/jobs HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{submit}", submit.len());
    let second = "GET /api/v1/jobs/piped HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    raw.send(format!("{first}{second}").as_bytes()).await;
    let answers = raw.rest().await;
    let answers: Vec<&str> = answers.split("HTTP/1.1 ").collect();
    assert_eq!(answers.len(), 3, "{answers:?}");
    assert!(answers[1].starts_with("202 ") && answers[2].starts_with("200 "), "{answers:?}");
    assert!(answers[2].contains(r#""id":"piped""#), "{answers:?}");
}

#[tokio::test]
async fn a_client_that_never_ends_its_head_is_cut() {
    let patience = Patience { head: Duration::from_millis(50), ..Patience::default() };
    let house = House::build(Plan { patience, worker: false, ..Plan::default() }).await;
    for beginning in ["", "GET /api/v1/jobs HTTP/1.1\r\nhost: x\r\nx-slow: "] {
        let mut raw = Raw::open(house.client).await;
        raw.send(beginning.as_bytes()).await;
        let answer = raw.rest().await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408 "), "{answer}");
    }
}

#[tokio::test]
async fn a_client_that_never_ends_its_body_is_told_and_cut() {
    let patience = Patience { body: Duration::from_millis(50), ..Patience::default() };
    let house = House::build(Plan { patience, worker: false, ..Plan::default() }).await;
    for path in ["/api/v1/jobs", "/api/v1/pdf"] {
        let mut raw = Raw::open(house.client).await;
        raw.send(format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 99\r\n\r\n{{").as_bytes()).await;
        let answer = raw.rest().await;
        assert!(
            answer.starts_with("HTTP/1.1 408 ") && answer.contains(r#""code":"request_timeout""#),
            "{answer}"
        );
        assert!(answer.contains("within 50ms"), "{answer}");
    }
    assert_eq!(house.jobs().await, 0);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut() {
    let patience = Patience { reader: Duration::from_millis(50), ..Patience::default() };
    let house = House::build(Plan { patience, worker: false, ..Plan::default() }).await;
    let args = "x".repeat(900_000);
    house.client.submit(serde_json::json!({ "kind": "test.echo", "id": "large", "args": args })).await;
    let mut raw = Raw::open(house.client).await;
    // More answers than sockets hold.
    raw.send("GET /api/v1/jobs/large HTTP/1.1\r\nhost: x\r\n\r\n".repeat(40).as_bytes()).await;
    soon(async {
        // Each look is a connection of its own.
        while !house.client.get("/metrics").await.text().contains("\nlongshore_http_connections 1\n") {}
    })
    .await;
    assert!(raw.rest().await.len() < 40 * args.len());
}

#[tokio::test]
async fn a_connection_beyond_the_limit_waits_for_one_to_end() {
    let config = ApiConfig { connections_max: 1, ..ApiConfig::default() };
    let house = House::build(Plan { config, worker: false, ..Plan::default() }).await;
    let ask = b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut first = Raw::open(house.client).await;
    first.send(ask).await;
    first.until("alive").await;
    let mut second = Raw::open(house.client).await;
    second.send(ask).await;
    let mut answer = std::pin::pin!(second.until("alive"));
    for _ in 0..20 {
        first.send(ask).await;
        first.until("alive").await;
        assert!(answer.as_mut().now_or_never().is_none(), "two connections were served at once");
    }
    drop(first);
    answer.await;
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let house = House::asleep().await;
    let mut raw = Raw::open(house.client).await;
    let long = "x".repeat(100_000);
    raw.send(format!("GET / HTTP/1.1\r\nhost: x\r\nx-long: {long}\r\n\r\n").as_bytes()).await;
    let answer = raw.rest().await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
}
