//! Who asks, and what they may see. Everything that a caller can reach goes through an engine, and the engine knows its
//! caller: this is the one place where ownership is decided.

mod keys;

use std::collections::HashSet;
use std::sync::Arc;

use longshore_core::limits::NAME_BYTES_MAX;
use longshore_core::{Invalid, Job, JobFilter, JobId, JobSpec, StoreError, StoreResult};

use crate::audit::Source;
use crate::engine::Engine;

pub use keys::{ApiKey, KEYS_MAX, Keys, NewKey, Scope};

/// On whose behalf an engine is used. Without a name and without bounds unless somebody says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    name: Option<Arc<str>>,
    is_bound: bool,
    source: Source,
}

impl Caller {
    /// Sees and changes all jobs; those it inserts belong to `name`.
    pub fn operator(name: &str) -> Result<Self, Invalid> {
        Ok(Self { name: Some(owner(name)?), ..Self::default() })
    }

    /// Sees and changes the jobs that belong to `name`, and no others: to such a caller they are unknown.
    pub fn owner(name: &str) -> Result<Self, Invalid> {
        Ok(Self { is_bound: true, ..Self::operator(name)? })
    }

    /// Sees all jobs; those it inserts belong to whom an earlier job belongs to.
    pub(crate) fn heir_of(spec: &JobSpec) -> Self {
        Self { name: spec.owner.clone(), ..Self::default() }
    }

    /// The same, and which way it came in.
    #[must_use]
    pub fn via(self, source: Source) -> Self {
        Self { source, ..self }
    }

    /// Which way it came in.
    pub fn source(&self) -> Source {
        self.source
    }

    /// To whom its jobs belong; none without identity.
    pub fn name(&self) -> Option<&Arc<str>> {
        self.name.as_ref()
    }

    /// Whether it sees its own jobs only.
    pub fn is_bound(&self) -> bool {
        self.is_bound
    }

    /// Whether it may know of a job. A job never changes its owner.
    pub(crate) fn sees(&self, job: &Job) -> bool {
        !self.is_bound || job.spec.owner == self.name
    }

    /// What of the jobs that match it may see; none if that cannot be any.
    pub(crate) fn narrow(&self, filter: JobFilter) -> Option<JobFilter> {
        match &self.name {
            Some(name) if self.is_bound => filter
                .owner
                .as_deref()
                .is_none_or(|asked| asked == &**name)
                .then(|| JobFilter { owner: Some(name.to_string()), ..filter }),
            _ => Some(filter),
        }
    }

    /// Makes a job its own.
    pub(crate) fn own(&self, spec: &mut JobSpec) {
        let Some(name) = &self.name else { return };
        if self.is_bound || spec.owner.is_none() {
            spec.owner = Some(name.clone());
        }
        keep_key_apart(spec);
    }
}

/// Unique keys count for each owner alone: the key of an owned job is `@OWNER/KEY`. No owner's name has a slash in it, and
/// [`check_key`] keeps others from such keys.
pub(crate) fn keep_key_apart(spec: &mut JobSpec) {
    let (Some(owner), Some(unique)) = (&spec.owner, &spec.options.unique) else { return };
    let rest = unique.key.strip_prefix('@').and_then(|rest| rest.strip_prefix(&**owner));
    if rest.is_some_and(|rest| rest.starts_with('/')) {
        return;
    }
    let key = format!("@{owner}/{}", unique.key);
    if let Some(unique) = &mut Arc::make_mut(&mut spec.options).unique {
        unique.key = key;
    }
}

/// Refuses the key of somebody's to a job that is nobody's.
pub(crate) fn check_key(field: &str, spec: &JobSpec) -> Result<(), Invalid> {
    let taken = |key: &String| spec.owner.is_none() && key.starts_with('@');
    match spec.options.unique.as_ref().map(|unique| &unique.key).filter(|key| taken(key)) {
        None => Ok(()),
        Some(key) => {
            let expected = "a key that does not begin with @, as those of owners do";
            Err(Invalid::new(field, expected, format!("{key:?}")))
        }
    }
}

/// The name of an owner.
pub(crate) fn owner(name: &str) -> Result<Arc<str>, Invalid> {
    let right = (1..=NAME_BYTES_MAX).contains(&name.len())
        && !name.chars().any(|c| c.is_control() || c == '/')
        && name.trim() == name;
    let expected =
        || format!("1 to {NAME_BYTES_MAX} bytes without control characters, slashes or blanks at the ends");
    if right { Ok(name.into()) } else { Err(Invalid::new("owner", expected(), format!("{name:?}"))) }
}

impl Engine {
    /// The same on behalf of a caller.
    #[must_use]
    pub fn on_behalf_of(&self, caller: Caller) -> Self {
        Self { caller, ..self.clone() }
    }

    /// On whose behalf it is used.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// One job, if there is one that the caller may know of.
    pub(crate) async fn look(&self, id: &JobId) -> StoreResult<Option<Job>> {
        Ok(self.store().get(id.clone()).await?.filter(|job| self.caller.sees(job)))
    }

    /// Makes jobs the caller's own, and refuses those that name what it must not know of.
    pub(crate) async fn admit(&self, jobs: &mut [Arc<JobSpec>]) -> StoreResult<()> {
        if self.caller.name.is_some() {
            for job in jobs.iter_mut() {
                self.caller.own(Arc::make_mut(job));
            }
        }
        for (index, job) in jobs.iter().enumerate() {
            check_key(&format!("jobs[{index}].unique.key"), job)?;
        }
        if !self.caller.is_bound {
            return Ok(());
        }
        let batch: HashSet<&JobId> = jobs.iter().map(|job| &job.id).collect();
        for (index, job) in jobs.iter().enumerate() {
            if self.is_foreign(&job.id).await? {
                // The queue is the caller's: the other one says nothing of itself.
                // Where, is not for the caller to know.
                return Err(StoreError::IdTaken { id: job.id.to_string(), queue: String::new() });
            }
            for (number, parent) in job.options.depends_on.iter().enumerate() {
                if !batch.contains(&parent.id) && self.is_foreign(&parent.id).await? {
                    return Err(Invalid::unknown_parent(index, number, &parent.id).into());
                }
            }
        }
        Ok(())
    }

    async fn is_foreign(&self, id: &JobId) -> StoreResult<bool> {
        Ok(self.store().get(id.clone()).await?.is_some_and(|job| !self.caller.sees(&job)))
    }
}
