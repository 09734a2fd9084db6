//! Requests that may be repeated: the same one under the same key gives the same jobs for a day.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use longshore_core::{Doc, Expect, Invalid, JobId, JobSpec, Put, State, StoreError, StoreResult};
use serde::{Deserialize, Serialize};

use crate::client::{Client, Receipt};
use crate::identity::Caller;

/// How long a key is remembered.
const REMEMBERED: Duration = Duration::from_secs(86_400);

/// What makes a request the same as another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnceKey {
    /// Where the key counts; the same key elsewhere is another one.
    pub scope: String,
    /// The key that the caller chose.
    pub name: String,
    /// Recognises the request, so that another one under the same key is refused.
    pub print: String,
}

/// What is remembered under a key.
#[derive(Serialize, Deserialize)]
struct Remembered {
    print: String,
    /// The ids given to the jobs.
    ids: Vec<JobId>,
    /// The jobs with the states they were born in, once they are known to be inserted.
    #[serde(default)]
    made: Option<Vec<(JobId, State)>>,
}

impl OnceKey {
    /// Each caller has keys of its own.
    fn doc(&self, caller: &Caller) -> String {
        let owner = caller.name().map_or("", |name| name);
        format!("idempotency/{owner}/{}/{}", self.scope, self.name)
    }

    /// Reads what is remembered; another request under the same key has the code `idempotency_conflict`.
    fn read(&self, doc: &Doc) -> StoreResult<Remembered> {
        let kept: Option<Remembered> = serde_json::from_slice(&doc.value).ok();
        kept.filter(|kept| kept.print == self.print).ok_or_else(|| {
            let expected = "a key that no other request has used in the last 24 h";
            let error = Invalid::new("Idempotency-Key", expected, format!("{:?}", self.name));
            StoreError::Invalid(error.code("idempotency_conflict"))
        })
    }
}

impl Client {
    /// What a request has made that was answered before; none if it has to be carried out. Nothing that may have changed
    /// since is looked at again: who repeats a request wants its answer, not another run.
    pub async fn recall(&self, key: &OnceKey) -> StoreResult<Option<Vec<Receipt>>> {
        let doc = self.engine.store().doc_get(&key.doc(self.engine.caller()), self.engine.now()).await?;
        match doc {
            None => Ok(None),
            Some(doc) => self.answer(key.read(&doc)?).await,
        }
    }

    /// Inserts jobs under a key: once, however often the request comes, and even if the first one was cut off.
    ///
    /// `make` makes the jobs from ids; it must make the same jobs from the same ids. A request that is refused leaves its
    /// key free.
    pub async fn insert_once(
        &self,
        key: &OnceKey,
        count: usize,
        make: impl Fn(&[JobId]) -> StoreResult<Vec<Arc<JobSpec>>>,
    ) -> StoreResult<Vec<Receipt>> {
        let now = self.engine.now();
        let ids: Vec<JobId> = (0..count).map(|_| self.new_id()).collect();
        let fresh = Remembered { print: key.print.clone(), ids, made: None };
        let jobs = make(&fresh.ids)?;
        let value = Bytes::from(serde_json::to_vec(&fresh).unwrap_or_default());
        let (store, doc) = (self.engine.store(), key.doc(self.engine.caller()));
        let (version, kept, inserted) =
            match store.doc_put(&doc, value, Expect::Absent, Some(REMEMBERED), now).await? {
                Put::Written(version) => (version, fresh, self.insert(jobs).await),
                Put::Conflict(None) => return Err(StoreError::Unavailable("a key vanished".to_owned())),
                Put::Conflict(Some(there)) => {
                    let kept = key.read(&there)?;
                    let again = make(&kept.ids)?;
                    if let Some(receipts) = self.answer(kept).await? {
                        return Ok(receipts);
                    }
                    // Ids make the insert itself repeatable, so a crash between the two steps loses nothing.
                    (there.version, key.read(&there)?, self.insert_rest(again).await)
                }
            };
        match inserted {
            Ok(receipts) => {
                let made = Some(receipts.iter().map(|receipt| (receipt.id.clone(), receipt.state)).collect());
                let value = serde_json::to_vec(&Remembered { made, ..kept }).unwrap_or_default();
                let expect = Expect::Version(version);
                // If it does not get there, a repetition finds the jobs by their ids.
                let marked = store.doc_put(&doc, value.into(), expect, Some(REMEMBERED), now).await;
                drop(marked.inspect_err(|error| tracing::debug!(%error, "a key was not marked as used")));
                Ok(receipts)
            }
            Err(error) => {
                if matches!(error, StoreError::Invalid(_) | StoreError::IdTaken { .. } | StoreError::Full(_))
                {
                    let _ = store.doc_delete(&doc, Expect::Version(version), now).await;
                }
                Err(error)
            }
        }
    }

    /// The receipts of jobs that were inserted, with their states of today.
    async fn answer(&self, kept: Remembered) -> StoreResult<Option<Vec<Receipt>>> {
        let Some(made) = kept.made else { return Ok(None) };
        let mut receipts = Vec::with_capacity(made.len());
        for (id, born) in made {
            let state = self.engine.look(&id).await?.map_or(born, |job| job.state);
            receipts.push(Receipt { id, state, duplicate: true });
        }
        Ok(Some(receipts))
    }

    /// Inserts those jobs that do not exist. A cancelled job does exist here: who repeats a request does not ask for it
    /// again.
    async fn insert_rest(&self, jobs: Vec<Arc<JobSpec>>) -> StoreResult<Vec<Receipt>> {
        let (mut receipts, mut rest) = (Vec::new(), Vec::new());
        for job in jobs {
            let standing = self.engine.look(&job.id).await?;
            if standing.is_none() {
                rest.push(job.clone());
            }
            let state = standing.map(|standing| standing.state);
            receipts.push(state.map(|state| Receipt { id: job.id.clone(), state, duplicate: true }));
        }
        let mut inserted = if rest.is_empty() { Vec::new() } else { self.insert(rest).await? }.into_iter();
        Ok(receipts.into_iter().filter_map(|known| known.or_else(|| inserted.next())).collect())
    }
}
