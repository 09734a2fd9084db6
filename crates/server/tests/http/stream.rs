//! Event streams, read the way browsers read them.

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{Method, Response, StatusCode};
use serde_json::Value;

use crate::client::{Client, Headers, Reply, soon};

/// An open stream. Dropping it hangs up.
pub(crate) struct Stream {
    body: Incoming,
    text: String,
}

/// One event, or a comment in its place.
#[derive(Debug, Default)]
pub(crate) struct Frame {
    pub(crate) event: String,
    pub(crate) id: String,
    pub(crate) comment: String,
    pub(crate) retry: String,
    data: Vec<String>,
}

impl Frame {
    fn read(text: &str) -> Self {
        let mut frame = Self::default();
        for line in text.split(['\n', '\r']) {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
            match field {
                "event" => frame.event = value,
                "id" => frame.id = value,
                "data" => frame.data.push(value),
                "retry" => frame.retry = value,
                "" => frame.comment = value,
                other => panic!("no such field in event streams: {other:?}"),
            }
        }
        frame
    }

    pub(crate) fn text(&self) -> String {
        self.data.join("\n")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text()).unwrap()
    }

    /// The part of the id that rises.
    pub(crate) fn number(&self) -> u64 {
        self.id.rsplit_once('-').unwrap().1.parse().unwrap()
    }
}

impl Stream {
    /// Opens a stream that must be there.
    pub(crate) async fn open(client: Client, path: &str) -> Self {
        Self::with(client, path, &[]).await
    }

    pub(crate) async fn with(client: Client, path: &str, headers: Headers<'_>) -> Self {
        match Self::try_open(client, path, headers).await {
            Ok(stream) => stream,
            Err(reply) => panic!("{path}: {} {}", reply.status, reply.text()),
        }
    }

    pub(crate) async fn try_open(client: Client, path: &str, headers: Headers<'_>) -> Result<Self, Reply> {
        let response: Response<Incoming> = client.open(Method::GET, path, headers, "").await;
        if response.status() != StatusCode::OK {
            return Err(Reply::read(response).await);
        }
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        let mut stream = Self { body: response.into_body(), text: String::new() };
        let first = stream.any().await.expect("the stream begins with how soon to come back");
        assert_eq!(first.retry, "2000");
        Ok(stream)
    }

    /// The next frame, comments included; none at the end.
    pub(crate) async fn any(&mut self) -> Option<Frame> {
        loop {
            if let Some((frame, rest)) = self.text.split_once("\n\n") {
                let (frame, rest) = (Frame::read(frame), rest.to_owned());
                self.text = rest;
                return Some(frame);
            }
            let Some(piece) = soon(self.body.frame()).await else {
                assert_eq!(self.text, "", "the stream ended in the middle of a frame");
                return None;
            };
            let bytes = piece.unwrap().into_data().unwrap();
            self.text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }

    /// The next event; none at the end.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        loop {
            match self.any().await {
                Some(frame) if frame.event.is_empty() => {}
                other => return other,
            }
        }
    }

    /// The next event, which must have this name.
    pub(crate) async fn expect(&mut self, event: &str) -> Frame {
        let frame = self.next().await.unwrap_or_else(|| panic!("the stream ended before {event}"));
        assert_eq!(frame.event, event, "{}", frame.text());
        frame
    }

    /// Events up to the first of which this holds.
    pub(crate) async fn until(&mut self, holds: impl Fn(&Frame) -> bool) -> Frame {
        loop {
            let frame = self.next().await.expect("the stream ended too early");
            if holds(&frame) {
                return frame;
            }
        }
    }
}
