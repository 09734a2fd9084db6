//! The HTTP API of a server that runs elsewhere.

use std::fmt::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use ureq::Agent;
use ureq::http::{Request, StatusCode, header};
use ureq::tls::{RootCerts, TlsConfig};

use crate::exit::Usage;

/// Longest wait for an answer. A retry or a purge of many jobs takes its time.
const ANSWER_WITHIN: Duration = Duration::from_secs(300);
/// Largest answer: a page of jobs whose args and results are large.
const ANSWER_BYTES_MAX: u64 = 256 << 20;
/// Where the API begins.
const PREFIX: &str = "/api/v1";

/// A server, and who asks it.
#[derive(Clone)]
pub(crate) struct Remote {
    base: Arc<str>,
    token: Option<Arc<str>>,
    agent: Agent,
}

/// An answer that is not a success, as the server tells it.
#[derive(Debug)]
pub(crate) struct RemoteError {
    status: StatusCode,
    message: String,
}

impl RemoteError {
    /// Whether it was asked for in the wrong way.
    pub(crate) fn is_wrong_usage(&self) -> bool {
        matches!(self.status.as_u16(), 400 | 413 | 422)
    }
}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for RemoteError {}

#[derive(Deserialize)]
struct Wire {
    error: Inner,
}

#[derive(Deserialize)]
struct Inner {
    message: String,
}

/// Text as one segment of a path, or as a value of a query.
pub(crate) struct Segment<'a, T: ?Sized>(pub(crate) &'a T);

impl<T: fmt::Display + ?Sized> fmt::Display for Segment<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0.to_string().bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    f.write_char(byte.into())?;
                }
                _ => write!(f, "%{byte:02X}")?,
            }
        }
        Ok(())
    }
}

/// A query, of what is given.
pub(crate) fn query(parts: &[(&str, Option<String>)]) -> String {
    let given = parts.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
    let parts: Vec<String> = given.map(|(name, value)| format!("{name}={}", Segment(value))).collect();
    if parts.is_empty() { String::new() } else { format!("?{}", parts.join("&")) }
}

impl Remote {
    pub(crate) fn new(url: &str, token: Option<&str>) -> Self {
        let base = url.trim_end_matches('/');
        let base = base.strip_suffix(PREFIX).unwrap_or(base);
        let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(ANSWER_WITHIN))
            .tls_config(tls);
        Self {
            base: format!("{base}{PREFIX}").into(),
            token: token.map(Into::into),
            agent: config.build().into(),
        }
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        read(&self.ask("GET", path, String::new()).await?)
    }

    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        read(&self.ask("POST", path, String::new()).await?)
    }

    pub(crate) async fn send<T: DeserializeOwned>(
        &self,
        method: &'static str,
        path: &str,
        body: &impl Serialize,
    ) -> anyhow::Result<T> {
        read(&self.ask(method, path, serde_json::to_string(body)?).await?)
    }

    pub(crate) async fn delete<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        read(&self.ask("DELETE", path, String::new()).await?)
    }

    /// The body of a success; nothing is `null`.
    async fn ask(&self, method: &'static str, path: &str, body: String) -> anyhow::Result<String> {
        let url = format!("{}{path}", self.base);
        let mut request = Request::builder().method(method).uri(&url);
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request.body(body).context("--api: cannot ask this")?;
        let agent = self.agent.clone();
        let asked = tokio::task::spawn_blocking(move || {
            let mut answer = agent.run(request)?;
            let text = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string()?;
            Ok::<_, ureq::Error>((answer.status(), text))
        });
        let (status, text) = asked.await?.with_context(|| format!("cannot reach {}", self.base))?;
        if status.is_success() {
            return Ok(if text.is_empty() { "null".to_owned() } else { text });
        }
        Err(self.refusal(status, &text))
    }

    fn refusal(&self, status: StatusCode, text: &str) -> anyhow::Error {
        let told = serde_json::from_str::<Wire>(text).map(|wire| wire.error.message).ok();
        if status == StatusCode::UNAUTHORIZED && self.token.is_none() {
            return Usage(format!("{} wants an API key: set LONGSHORE_API_TOKEN", self.base)).into();
        }
        let message =
            told.unwrap_or_else(|| format!("{} answered {status}, and no error of ours", self.base));
        RemoteError { status, message }.into()
    }
}

fn read<T: DeserializeOwned>(text: &str) -> anyhow::Result<T> {
    serde_json::from_str(text).context("the server answered something that this version does not understand")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_paths_is_escaped() {
        assert_eq!(Segment("a/b c:ü").to_string(), "a%2Fb%20c%3A%C3%BC");
        assert_eq!(query(&[("q", Some("a b".into())), ("limit", None)]), "?q=a%20b");
        assert_eq!(query(&[("q", None)]), "");
    }

    #[test]
    fn the_prefix_of_the_api_may_be_given_or_not() {
        for url in ["http://here:1", "http://here:1/", "http://here:1/api/v1", "http://here:1/api/v1/"] {
            assert_eq!(&*Remote::new(url, None).base, "http://here:1/api/v1");
        }
    }
}
