use anyhow::{anyhow, ensure};
use longshore_core::{QueueName, WorkerId, format_duration};
use longshore_runtime::{ApiKey, AuditEntry, AuditFilter, History, NewKey, WorkerView};
use serde::Deserialize;

use super::remote::{Segment, query};
use super::{Operator, listing};

listing!(WorkerList, workers, WorkerView);
listing!(AuditList, entries, AuditEntry);
listing!(KeyList, keys, ApiKey);

/// A key that was made, with its text.
#[derive(Deserialize)]
struct MadeKey {
    key: String,
}

impl Operator {
    pub(crate) async fn workers(&self) -> anyhow::Result<Vec<WorkerView>> {
        match self {
            Self::Store(opened) => Ok(opened.control().workers().await?),
            Self::Api(api) => Ok(api.get::<WorkerList>("/workers").await?.workers),
        }
    }

    pub(crate) async fn worker(&self, id: &WorkerId) -> anyhow::Result<WorkerView> {
        match self {
            Self::Store(opened) => opened.control().worker(id).await?.ok_or_else(|| {
                anyhow!("there is no worker {id}; `longshore worker list` shows those of the last hour")
            }),
            Self::Api(api) => api.get(&format!("/workers/{}", Segment(id))).await,
        }
    }

    pub(crate) async fn history(&self, queue: Option<&QueueName>, limit: usize) -> anyhow::Result<History> {
        match self {
            Self::Store(opened) => Ok(opened.control().history(queue, limit).await?),
            Self::Api(api) => {
                let queue = queue.map(ToString::to_string);
                let query = query(&[("queue", queue), ("limit", Some(limit.to_string()))]);
                api.get(&format!("/metrics/history{query}")).await
            }
        }
    }

    pub(crate) async fn audit(&self, filter: AuditFilter, limit: usize) -> anyhow::Result<Vec<AuditEntry>> {
        match self {
            Self::Store(opened) => Ok(opened.control().audit(&filter, limit).await?),
            Self::Api(api) => {
                let AuditFilter { action, outcome, queue, text } = filter;
                let query = query(&[
                    ("action", action),
                    ("outcome", outcome),
                    ("queue", queue.map(|queue| queue.to_string())),
                    ("q", text),
                    ("limit", Some(limit.to_string())),
                ]);
                Ok(api.get::<AuditList>(&format!("/audit{query}")).await?.entries)
            }
        }
    }

    /// The key as it is kept, and its text.
    pub(crate) async fn create_key(&self, new: &NewKey) -> anyhow::Result<(ApiKey, String)> {
        match self {
            Self::Store(opened) => Ok(opened.engine.keys().create(new).await?),
            Self::Api(api) => {
                let mut body = serde_json::json!({ "owner": new.owner, "scopes": new.scopes });
                if let Some(time) = new.expires_in {
                    body["expires_in"] = format_duration(time).into();
                }
                let made: serde_json::Value = api.send("POST", "/keys", &body).await?;
                let MadeKey { key } = serde_json::from_value(made.clone())?;
                Ok((serde_json::from_value(made)?, key))
            }
        }
    }

    pub(crate) async fn keys(&self) -> anyhow::Result<Vec<ApiKey>> {
        match self {
            Self::Store(opened) => Ok(opened.engine.keys().list().await?),
            Self::Api(api) => Ok(api.get::<KeyList>("/keys").await?.keys),
        }
    }

    pub(crate) async fn revoke_key(&self, id: &str) -> anyhow::Result<()> {
        match self {
            Self::Store(opened) => {
                ensure!(opened.engine.keys().revoke(id).await?, "there is no API key {id}");
                Ok(())
            }
            Self::Api(api) => api.delete(&format!("/keys/{}", Segment(id))).await,
        }
    }
}
