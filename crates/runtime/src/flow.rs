use std::sync::Arc;

use longshore_core::{Invalid, JobId, JobSpec, ParentPolicy, StoreResult};

use crate::client::{Client, Enqueue, Receipt};
use crate::job::Job;

/// Jobs that are inserted in one step, all or none, and may wait for each other.
///
/// ```no_run
/// # use longshore_runtime::{Client, Job};
/// # #[derive(serde::Serialize, serde::Deserialize)] struct Fetch { url: String }
/// # impl Job for Fetch { const KIND: &'static str = "page.fetch"; type Output = (); }
/// # #[derive(serde::Serialize, serde::Deserialize)] struct Merge;
/// # impl Job for Merge { const KIND: &'static str = "pages.merge"; type Output = (); }
/// # async fn example(client: Client, urls: Vec<String>) -> Result<(), Box<dyn std::error::Error>> {
/// let mut flow = client.flow();
/// let pages = flow.group(urls.into_iter().map(|url| client.enqueue(Fetch { url })));
/// flow.then(&pages, client.enqueue(Merge));
/// flow.insert().await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is inserted until `insert` is called"]
pub struct Flow {
    client: Client,
    jobs: Vec<Result<JobSpec, Invalid>>,
}

impl Client {
    /// Begins a flow.
    pub fn flow(&self) -> Flow {
        Flow { client: self.clone(), jobs: Vec::new() }
    }
}

impl Flow {
    /// Adds a job with the parents that it names itself; the id is for those that shall wait for it.
    pub fn add<J: Job>(&mut self, job: Enqueue<J>) -> JobId {
        let spec = job.into_spec();
        // A job that cannot be written has no id yet; its mistake is told by `insert`.
        let id = spec.as_ref().map_or_else(|_| self.client.new_id(), |spec| spec.id.clone());
        self.jobs.push(spec);
        id
    }

    /// Adds jobs that need not wait for each other.
    pub fn group<J: Job>(&mut self, jobs: impl IntoIterator<Item = Enqueue<J>>) -> Vec<JobId> {
        jobs.into_iter().map(|job| self.add(job)).collect()
    }

    /// Adds jobs each of which waits for the one before.
    pub fn chain<J: Job>(&mut self, jobs: impl IntoIterator<Item = Enqueue<J>>) -> Vec<JobId> {
        let mut ids: Vec<JobId> = Vec::new();
        for job in jobs {
            let job = ids.last().into_iter().fold(job, Enqueue::after_job);
            ids.push(self.add(job));
        }
        ids
    }

    /// Adds a job that waits for all of these: the reduction behind a map.
    pub fn then<J: Job>(&mut self, parents: &[JobId], job: Enqueue<J>) -> JobId {
        self.add(parents.iter().fold(job, Enqueue::after_job))
    }

    /// Adds a job that runs when all of these have ended, however they did: the callback of a batch.
    pub fn finally<J: Job>(&mut self, parents: &[JobId], job: Enqueue<J>) -> JobId {
        self.then(parents, job.on_parent_failure(ParentPolicy::Run))
    }

    /// Inserts all of it in one step, and answers in the order in which jobs were added.
    pub async fn insert(self) -> StoreResult<Vec<Receipt>> {
        let jobs: Result<Vec<JobSpec>, Invalid> = self
            .jobs
            .into_iter()
            .enumerate()
            .map(|(index, spec)| spec.map_err(|error| error.below(&format!("jobs[{index}]"))))
            .collect();
        self.client.insert(jobs?.into_iter().map(Arc::new).collect()).await
    }
}
