use std::sync::Arc;

use longshore_core::{JobId, Json, Parent, Reason, State, StoreResult};
use serde::de::DeserializeOwned;

use crate::attempt::Running;
use crate::client::Client;
use crate::control::{Control, ControlError};
use crate::extract::{Extract, ExtractError};
use crate::identity::Caller;

/// The jobs that this one waited for, and what they returned. Read when it is asked for; results stay until the last
/// child has ended.
#[derive(Clone)]
pub struct Parents {
    control: Arc<Control>,
    parents: Vec<Parent>,
}

/// How a parent ended.
#[derive(Clone, Debug, PartialEq)]
pub struct ParentResult {
    /// Its id.
    pub id: JobId,
    /// Its name among the parents; the id if it was given none.
    pub name: String,
    /// Where it stands; none if its record was removed.
    pub state: Option<State>,
    /// Why it did not complete.
    pub reason: Option<Reason>,
    /// What it returned.
    pub result: Option<Json>,
}

impl ParentResult {
    /// What it returned, read as a `T`; an error if it returned nothing or something else.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, String> {
        let Some(result) = &self.result else {
            return Err(format!("parent {} has no result", self.name));
        };
        result.to().map_err(|error| format!("the result of parent {}: {error}", self.name))
    }
}

impl Parents {
    /// Every parent, in the order in which they were named.
    pub async fn all(&self) -> StoreResult<Vec<ParentResult>> {
        let mut results = Vec::with_capacity(self.parents.len());
        for parent in &self.parents {
            results.push(self.look(parent).await?);
        }
        Ok(results)
    }

    /// The parent with this name, or with this id if it was given none.
    pub async fn get(&self, name: &str) -> StoreResult<Option<ParentResult>> {
        match self.parents.iter().find(|parent| parent.label() == name) {
            Some(parent) => self.look(parent).await.map(Some),
            None => Ok(None),
        }
    }

    async fn look(&self, parent: &Parent) -> StoreResult<ParentResult> {
        let job = match self.control.job(&parent.id).await {
            Ok(job) => Some(job),
            Err(ControlError::Store(error)) => return Err(error),
            Err(_) => None,
        };
        Ok(ParentResult {
            id: parent.id.clone(),
            name: parent.label(),
            state: job.as_ref().map(|job| job.state),
            reason: job.as_ref().and_then(|job| job.reason),
            result: job.and_then(|job| job.result),
        })
    }
}

impl Extract for Parents {
    fn extract(running: &Arc<Running>) -> Result<Self, ExtractError> {
        let control = running.states.get::<Control>().ok_or(ExtractError::NoState("Control"))?;
        Ok(Self { control, parents: running.spec.options.depends_on.clone() })
    }
}

/// The way in for jobs that a handler enqueues. They belong to whom its own job belongs to.
impl Extract for Client {
    fn extract(running: &Arc<Running>) -> Result<Self, ExtractError> {
        let client = running.states.get::<Client>().ok_or(ExtractError::NoState("Client"))?;
        Ok(Self::new(client.engine.on_behalf_of(Caller::heir_of(&running.spec))))
    }
}
