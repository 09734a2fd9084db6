//! A client for tests: one connection for each request, and a bound on every wait.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// What takes longer has failed.
const BOUND: Duration = Duration::from_secs(50);

/// Waits for something that must happen.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(BOUND, what).await.expect("this should have happened by now")
}

#[derive(Clone, Copy)]
pub(crate) struct Client {
    pub(crate) address: SocketAddr,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// What an error told, after its shape was checked.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) message: String,
    pub(crate) details: Value,
    pub(crate) headers: HeaderMap,
}

pub(crate) type Headers<'a> = &'a [(&'a str, &'a str)];

impl Client {
    /// A connection for several requests.
    pub(crate) async fn connect(self) -> SendRequest<Full<Bytes>> {
        let socket = soon(TcpStream::connect(self.address)).await.unwrap();
        let (sender, connection) = soon(handshake(TokioIo::new(socket))).await.unwrap();
        // It ends with an error when a test lets go of a stream in the middle.
        tokio::spawn(async move { connection.await.ok() });
        sender
    }

    /// Sends a request and returns when the head of the answer is there.
    pub(crate) async fn open(
        self,
        method: Method,
        path: &str,
        headers: Headers<'_>,
        body: impl Into<Bytes>,
    ) -> Response<Incoming> {
        let mut request = Request::builder().method(method).uri(path).header(HOST, "longshore");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        soon(self.connect().await.send_request(request)).await.unwrap()
    }

    pub(crate) async fn send(
        self,
        method: Method,
        path: &str,
        headers: Headers<'_>,
        body: impl Into<Bytes>,
    ) -> Reply {
        Reply::read(self.open(method, path, headers, body).await).await
    }

    pub(crate) async fn get(self, path: &str) -> Reply {
        self.send(Method::GET, path, &[], "").await
    }

    pub(crate) async fn post(self, path: &str, body: impl Into<Bytes>) -> Reply {
        self.send(Method::POST, path, &[], body).await
    }

    pub(crate) async fn put(self, path: &str, body: &Value) -> Reply {
        self.send(Method::PUT, path, &[], body.to_string()).await
    }

    pub(crate) async fn delete(self, path: &str) -> Reply {
        self.send(Method::DELETE, path, &[], "").await
    }

    /// Submits one job, written as JSON; its id.
    pub(crate) async fn submit(self, job: impl ToString) -> String {
        let reply = self.post("/api/v1/jobs", job.to_string()).await;
        reply.json(StatusCode::ACCEPTED)["id"].as_str().unwrap().to_owned()
    }

    /// The record of a job.
    pub(crate) async fn job(self, id: &str) -> Value {
        self.get(&format!("/api/v1/jobs/{id}")).await.json(StatusCode::OK)
    }

    /// The record of a job at its end.
    pub(crate) async fn ended(self, id: &str) -> Value {
        self.get(&format!("/api/v1/jobs/{id}?wait=40")).await.json(StatusCode::OK)
    }
}

impl Reply {
    pub(crate) async fn read(response: Response<Incoming>) -> Self {
        let (head, body) = response.into_parts();
        let body = soon(body.collect()).await.unwrap().to_bytes();
        Self { status: head.status, headers: head.headers, body }
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The text of a header; empty without it.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// The JSON of an answer with this status.
    #[track_caller]
    pub(crate) fn json(&self, status: StatusCode) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.headers[CONTENT_TYPE], "application/json");
        serde_json::from_slice(&self.body).unwrap()
    }

    /// An error, in exactly the shape that all errors have.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str) -> Refusal {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        let body = self.json(self.status);
        assert_eq!(keys(&body), ["correlation_id", "error"]);
        let error = &body["error"];
        assert_eq!(keys(error), ["code", "details", "message"]);
        assert_eq!(error["code"], code, "{error}");
        assert_eq!(body["correlation_id"], self.header("x-correlation-id"));
        let message = error["message"].as_str().unwrap().to_owned();
        assert!(!message.is_empty());
        Refusal { message, details: error["details"].clone(), headers: self.headers.clone() }
    }
}

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}
