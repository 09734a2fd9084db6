use std::time::Duration;

use anyhow::anyhow;
use longshore_core::{
    FailureGroup, JobFilter, KindInfo, KindName, Limit, QueueChange, QueueInfo, QueueName, State,
    format_duration,
};
use longshore_runtime::{Batch, QueueView};
use serde::{Deserialize, Serialize};

use super::remote::{Segment, query};
use super::{Operator, listing};
use crate::context::Opened;

listing!(QueueList, queues, QueueInfo);
listing!(FailureList, failures, FailureGroup);
listing!(KindList, kinds, KindInfo);

/// Fails unless the queue is there.
async fn known(opened: &Opened, name: &QueueName) -> anyhow::Result<()> {
    opened.control().queue(name).await?.map(drop).ok_or_else(|| unknown(name))
}

fn unknown(name: &QueueName) -> anyhow::Error {
    anyhow!("there is no queue {name}; `longshore queue list` shows all")
}

impl Operator {
    pub(crate) async fn queues(&self) -> anyhow::Result<Vec<QueueInfo>> {
        match self {
            Self::Store(opened) => Ok(opened.control().queues().await?),
            Self::Api(api) => Ok(api.get::<QueueList>("/queues").await?.queues),
        }
    }

    pub(crate) async fn queue(&self, name: &QueueName) -> anyhow::Result<QueueView> {
        match self {
            Self::Store(opened) => opened.control().queue_view(name).await?.ok_or_else(|| unknown(name)),
            Self::Api(api) => api.get(&format!("/queues/{}", Segment(name))).await,
        }
    }

    pub(crate) async fn set_paused(&self, name: &QueueName, paused: bool) -> anyhow::Result<QueueInfo> {
        match self {
            Self::Store(opened) => {
                known(opened, name).await?;
                let change = QueueChange { paused: Some(paused), ..QueueChange::default() };
                Ok(opened.tell(opened.control().set_queue(name, change)).await?)
            }
            Self::Api(api) => {
                let what = if paused { "pause" } else { "resume" };
                api.post(&format!("/queues/{}/{what}", Segment(name))).await
            }
        }
    }

    /// `change` in a store, and the same, `body`, at a server.
    pub(crate) async fn set_queue(
        &self,
        name: &QueueName,
        change: QueueChange,
        body: &(impl Serialize + Sync),
    ) -> anyhow::Result<QueueInfo> {
        match self {
            Self::Store(opened) => Ok(opened.tell(opened.control().set_queue(name, change)).await?),
            Self::Api(api) => api.send("PUT", &format!("/queues/{}", Segment(name)), body).await,
        }
    }

    pub(crate) async fn drain(&self, name: &QueueName, scheduled: bool) -> anyhow::Result<Batch> {
        match self {
            Self::Store(opened) => {
                known(opened, name).await?;
                Ok(opened.tell(opened.control().drain(name, scheduled)).await?)
            }
            Self::Api(api) => {
                api.post(&format!("/queues/{}/drain?include_scheduled={scheduled}", Segment(name))).await
            }
        }
    }

    /// At most `limit` of them, if one is given.
    pub(crate) async fn purge(
        &self,
        name: &QueueName,
        state: State,
        filter: JobFilter,
        grace: Duration,
        limit: Option<usize>,
    ) -> anyhow::Result<Batch> {
        match self {
            Self::Store(opened) => {
                known(opened, name).await?;
                let most = limit.unwrap_or(usize::MAX);
                Ok(opened.tell(opened.control().purge_those(name, state, filter, grace, most)).await?)
            }
            Self::Api(api) => {
                let query = query(&[
                    ("state", Some(state.to_string())),
                    ("q", Some(filter.to_string())),
                    ("grace", Some(format_duration(grace))),
                    ("limit", limit.map(|limit| limit.to_string())),
                ]);
                api.post(&format!("/queues/{}/purge{query}", Segment(name))).await
            }
        }
    }

    pub(crate) async fn retry_all(
        &self,
        name: &QueueName,
        filter: JobFilter,
        limit: Option<usize>,
    ) -> anyhow::Result<Batch> {
        match self {
            Self::Store(opened) => {
                known(opened, name).await?;
                let filter = filter.and(Some(name.clone()), None, &[])?;
                Ok(opened.tell(opened.control().retry_all(filter, limit.unwrap_or(usize::MAX))).await?)
            }
            Self::Api(api) => {
                let limit = limit.map(|limit| limit.to_string());
                let query = query(&[("q", Some(filter.to_string())), ("limit", limit)]);
                api.post(&format!("/queues/{}/retry{query}", Segment(name))).await
            }
        }
    }

    pub(crate) async fn obliterate(&self, name: &QueueName, force: bool) -> anyhow::Result<Batch> {
        match self {
            Self::Store(opened) => {
                known(opened, name).await?;
                Ok(opened.tell(opened.control().obliterate(name, force)).await?)
            }
            Self::Api(api) => {
                let name = Segment(name);
                api.delete(&format!("/queues/{name}?confirm={name}&force={force}")).await
            }
        }
    }

    pub(crate) async fn failures(&self, name: &QueueName) -> anyhow::Result<Vec<FailureGroup>> {
        match self {
            Self::Store(opened) => {
                known(opened, name).await?;
                Ok(opened.control().failures(name).await?)
            }
            Self::Api(api) => {
                Ok(api.get::<FailureList>(&format!("/queues/{}/failures", Segment(name))).await?.failures)
            }
        }
    }

    pub(crate) async fn kinds(&self) -> anyhow::Result<Vec<KindInfo>> {
        match self {
            Self::Store(opened) => Ok(opened.control().kinds().await?),
            Self::Api(api) => Ok(api.get::<KindList>("/kinds").await?.kinds),
        }
    }

    pub(crate) async fn reset_breaker(&self, kind: &KindName) -> anyhow::Result<()> {
        match self {
            Self::Store(opened) => Ok(opened.control().reset_breaker(kind).await?),
            Self::Api(api) => api.post(&format!("/kinds/{}/reset-breaker", Segment(kind))).await,
        }
    }

    pub(crate) async fn set_kind(&self, kind: &KindName, limits: &[Limit]) -> anyhow::Result<()> {
        match self {
            Self::Store(opened) => Ok(opened.control().set_kind(kind, limits.to_vec()).await?),
            Self::Api(api) => {
                let body = serde_json::json!({ "limits": limits });
                api.send("PUT", &format!("/kinds/{}", Segment(kind)), &body).await
            }
        }
    }
}
