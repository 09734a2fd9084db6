use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use longshore_core::{Job, JobFilter, JobId, JobSpec, Page, StoreError};
use longshore_runtime::{Caller, Receipt, Why};
use serde::Serialize;

use super::remote::{Segment, query};
use super::{Listing, Operator};

impl Operator {
    pub(crate) async fn job(&self, id: &JobId) -> anyhow::Result<Job> {
        match self {
            Self::Store(opened) => Ok(opened.control().job(id).await?),
            Self::Api(api) => api.get(&format!("/jobs/{}", Segment(id))).await,
        }
    }

    /// The job as soon as it has ended, or as it stands after a while.
    pub(crate) async fn wait(&self, id: &JobId, patience: Duration) -> anyhow::Result<Job> {
        match self {
            Self::Store(opened) => Ok(opened.control().wait(id, patience).await?),
            Self::Api(api) => {
                api.get(&format!("/jobs/{}?wait={}ms", Segment(id), patience.as_millis())).await
            }
        }
    }

    pub(crate) async fn list(&self, filter: JobFilter, page: Page) -> anyhow::Result<Listing> {
        let cursor = |cursor: longshore_core::Cursor| format!("{:x}", cursor.0);
        match self {
            Self::Store(opened) => {
                let found = opened.control().list(filter, page).await?;
                Ok(Listing { jobs: found.jobs, next_cursor: found.next.map(cursor) })
            }
            Self::Api(api) => {
                let (q, limit) = (Some(filter.to_string()), Some(page.limit.to_string()));
                let query = query(&[("q", q), ("limit", limit), ("cursor", page.after.map(cursor))]);
                api.get(&format!("/jobs{query}")).await
            }
        }
    }

    pub(crate) async fn why(&self, id: &JobId) -> anyhow::Result<Why> {
        match self {
            Self::Store(opened) => Ok(opened.control().why(id).await?),
            Self::Api(api) => api.get(&format!("/jobs/{}/why", Segment(id))).await,
        }
    }

    /// Inserts a job for an owner, or one without: `spec` into a store, and what was really given, `body`, to a server,
    /// which has defaults of its own.
    pub(crate) async fn insert(
        &self,
        spec: JobSpec,
        owner: Option<&str>,
        body: &(impl Serialize + Sync),
    ) -> anyhow::Result<Receipt> {
        match self {
            Self::Store(opened) => {
                let caller = owner.map(Caller::operator).transpose()?.unwrap_or_default();
                let client = opened.client(caller);
                let inserted = opened.tell(client.insert(vec![Arc::new(spec)])).await;
                let receipts = inserted.map_err(StoreError::of_one_job)?;
                receipts.into_iter().next().context("the store gave no receipt")
            }
            Self::Api(api) => api.send("POST", "/jobs", body).await,
        }
    }

    pub(crate) async fn cancel(&self, id: &JobId) -> anyhow::Result<Job> {
        match self {
            Self::Store(opened) => {
                opened.tell(opened.control().cancel(id)).await?;
                Ok(opened.control().job(id).await?)
            }
            Self::Api(api) => api.post(&format!("/jobs/{}/cancel", Segment(id))).await,
        }
    }

    pub(crate) async fn retry(&self, id: &JobId) -> anyhow::Result<Job> {
        match self {
            Self::Store(opened) => {
                opened.tell(opened.control().retry(id)).await?;
                Ok(opened.control().job(id).await?)
            }
            Self::Api(api) => api.post(&format!("/jobs/{}/retry", Segment(id))).await,
        }
    }

    /// The job as it last was; none if the caller may remove it, but not look at it.
    pub(crate) async fn remove(&self, id: &JobId, force: bool) -> anyhow::Result<Option<Job>> {
        match self {
            Self::Store(opened) => Ok(Some(opened.tell(opened.control().remove(id, force)).await?)),
            Self::Api(api) => {
                let job = self.job(id).await.ok();
                api.delete::<()>(&format!("/jobs/{}?force={force}", Segment(id))).await?;
                Ok(job)
            }
        }
    }
}
