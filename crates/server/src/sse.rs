//! Server-sent events: the frames, the heartbeat, and the limit on open streams.

use std::convert::Infallible;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use serde::Serialize;
use tokio::sync::mpsc;

use crate::app::Api;
use crate::error::ApiError;

/// Frames that a slow client may leave unread before the stream waits for it.
const UNREAD_MAX: usize = 64;

/// The sending end of a stream. The stream ends when it is dropped.
pub(crate) struct Sender {
    frames: mpsc::Sender<Bytes>,
    epoch: String,
    _place: Place,
}

/// One of the streams that may be open.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The client went away.
pub(crate) struct Gone;

impl Sender {
    /// Sends one event. `number` lets the client resume after it.
    pub(crate) async fn send(
        &self,
        event: &str,
        number: Option<u64>,
        data: &(impl Serialize + Sync),
    ) -> Result<(), Gone> {
        let mut frame = format!("event: {event}\n");
        if let Some(number) = number {
            let _ = writeln!(frame, "id: {}-{number}", self.epoch);
        }
        // Args and results are kept byte for byte, line breaks included; a frame needs its field before each line.
        for line in serde_json::to_string(data).unwrap_or_default().split(['\n', '\r']) {
            let _ = writeln!(frame, "data: {line}");
        }
        frame.push('\n');
        self.frames.send(Bytes::from(frame)).await.map_err(|_| Gone)
    }

    /// Resolves when the client has gone.
    pub(crate) async fn closed(&self) {
        self.frames.closed().await;
    }
}

/// Opens a stream: the response, and the end to send on.
pub(crate) fn open(api: &Api) -> Result<(Response, Sender), ApiError> {
    let place = Place(api.streams.clone());
    if api.streams.fetch_add(1, Ordering::Relaxed) >= api.config.sse_streams_max {
        let message = format!("{} event streams are open (sse_streams_max)", api.config.sse_streams_max);
        return Err(
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_streams", message).retry_after(10)
        );
    }
    let (frames, waiting) = mpsc::channel(UNREAD_MAX);
    let sender = Sender { frames, epoch: api.system.hub().epoch().to_owned(), _place: place };
    let (clock, heartbeat) = (api.system.door().clock.clone(), api.patience.heartbeat);
    let stream = futures_util::stream::unfold((waiting, true), move |(mut waiting, first)| {
        let clock = clock.clone();
        async move {
            if first {
                return Some((Ok::<_, Infallible>(Bytes::from_static(b"retry: 2000\n\n")), (waiting, false)));
            }
            let frame = tokio::select! {
                frame = waiting.recv() => frame?,
                () = clock.sleep(heartbeat) => Bytes::from_static(b": alive\n\n"),
            };
            Some((Ok(frame), (waiting, false)))
        }
    });
    let mut response = Response::new(Body::from_stream(stream));
    let head = response.headers_mut();
    head.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    head.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    head.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok((response, sender))
}

/// The number after which a client wants to go on, if it speaks of this run of this process.
pub(crate) fn resume_after(api: &Api, headers: &header::HeaderMap) -> Option<u64> {
    let (epoch, number) = headers.get("last-event-id")?.to_str().ok()?.rsplit_once('-')?;
    (epoch == api.system.hub().epoch()).then(|| number.parse().ok()).flatten()
}
