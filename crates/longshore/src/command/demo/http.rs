use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;
use ureq::Agent;

/// The HTTP API of the demo, as any program would use it.
#[derive(Clone)]
pub(super) struct Http {
    base: Arc<str>,
    agent: Agent,
}

impl Http {
    pub(super) fn new(base: String) -> Self {
        // Loopback needs no proxy, whatever the environment says.
        let config = Agent::config_builder()
            .proxy(None)
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(30)));
        Self { base: base.into(), agent: config.build().into() }
    }

    /// Submits, and gives the answer.
    pub(super) async fn post(&self, path: &'static str, body: Value) -> anyhow::Result<Value> {
        let (http, url) = (self.clone(), format!("{}{path}", self.base));
        let asked = tokio::task::spawn_blocking(move || {
            let mut answer = http.agent.post(&url).send_json(&body)?;
            anyhow::Ok((answer.status(), answer.body_mut().read_to_string()?))
        });
        let (status, text) = asked.await?.with_context(|| format!("POST {path}"))?;
        if !status.is_success() {
            bail!("POST {path}: {status}: {text}");
        }
        Ok(serde_json::from_str(&text)?)
    }

    /// Downloads.
    pub(super) async fn get(&self, path: String) -> anyhow::Result<Vec<u8>> {
        let (http, url) = (self.clone(), format!("{}{path}", self.base));
        let asked = tokio::task::spawn_blocking(move || {
            let mut answer = http.agent.get(&url).call()?;
            anyhow::Ok((answer.status(), answer.body_mut().read_to_vec()?))
        });
        let (status, bytes) = asked.await?.with_context(|| format!("GET {path}"))?;
        if !status.is_success() {
            bail!("GET {path}: {status}: {}", String::from_utf8_lossy(&bytes));
        }
        Ok(bytes)
    }
}
