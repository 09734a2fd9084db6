use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::life::Move;
use crate::{Invalid, JobId, JobSpec, State};

/// A job that another one waits for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Parent {
    /// Its id.
    pub id: JobId,
    /// Under which name the child finds its result; the id if none.
    pub name: Option<String>,
}

impl Parent {
    /// A parent without a name.
    pub fn new(id: JobId) -> Self {
        Self { id, name: None }
    }

    /// Under what the child finds its result.
    pub fn label(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.id.to_string())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum ParentForm {
    Id(JobId),
    Named { id: JobId, name: String },
}

impl Serialize for Parent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.name {
            None => ParentForm::Id(self.id.clone()),
            Some(name) => ParentForm::Named { id: self.id.clone(), name: name.clone() },
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Parent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match ParentForm::deserialize(deserializer)? {
            ParentForm::Id(id) => Self { id, name: None },
            ParentForm::Named { id, name } => Self { id, name: Some(name) },
        })
    }
}

/// What becomes of a job when a parent of it does not complete.
///
/// | policy | a parent failed | a parent was cancelled or removed |
/// |---|---|---|
/// | `wait` | it stays blocked until a retry of the parent completes | it is cancelled |
/// | `fail` | it fails | it fails |
/// | `cancel` | it is cancelled | it is cancelled |
/// | `run` | it runs without that parent's result | it runs without that parent's result |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ParentPolicy {
    /// Stay blocked and visible.
    #[default]
    Wait,
    /// Fail as well.
    Fail,
    /// Be cancelled.
    Cancel,
    /// Run all the same.
    Run,
}

/// How a job ended that others wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParentEnd {
    /// In this state.
    Ended(State),
    /// An operator removed its record.
    Removed,
}

/// What the end of a parent means for one child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consequence {
    /// It need not wait for this parent any more.
    Met,
    /// It goes on waiting.
    Waits,
    /// It ends by this move.
    Ends(Move),
}

impl ParentPolicy {
    /// The table above.
    pub fn consequence(self, end: ParentEnd) -> Consequence {
        match (self, end) {
            (_, ParentEnd::Ended(State::Completed)) | (Self::Run, _) => Consequence::Met,
            (Self::Wait, ParentEnd::Ended(State::Failed)) => Consequence::Waits,
            (Self::Fail, _) => Consequence::Ends(Move::FailWithParent),
            (Self::Wait | Self::Cancel, _) => Consequence::Ends(Move::CancelWithParent),
        }
    }
}

impl Invalid {
    /// The refusal of a parent that is neither in the batch nor in the store.
    pub fn unknown_parent(job: usize, parent: usize, id: &JobId) -> Self {
        let field = format!("jobs[{job}].depends_on[{parent}]");
        Self::new(field, "the id of a job in the same batch or in the store", id).code("unknown_parent")
    }
}

/// Refuses a batch in which two jobs of a flow want the same unique key: one of them would stand for both, and could
/// come to wait for itself.
fn check_keys(jobs: &[Arc<JobSpec>]) -> Result<(), Invalid> {
    let mut keys = HashMap::new();
    for (place, spec) in jobs.iter().enumerate() {
        let Some(unique) = &spec.options.unique else { continue };
        if let Some(other) = keys.insert((&spec.queue, &unique.key), &spec.id)
            && *other != spec.id
        {
            let field = format!("jobs[{place}].unique.key");
            return Err(Invalid::new(field, "a key that no other job of the flow has", &unique.key));
        }
    }
    Ok(())
}

/// Refuses a batch in which jobs wait for each other in a circle, or for themselves.
pub(crate) fn check_circles(jobs: &[Arc<JobSpec>]) -> Result<(), Invalid> {
    if jobs.iter().all(|spec| spec.options.depends_on.is_empty()) {
        return Ok(());
    }
    check_keys(jobs)?;
    let mut places: HashMap<&JobId, usize> = HashMap::with_capacity(jobs.len());
    for (place, spec) in jobs.iter().enumerate() {
        places.entry(&spec.id).or_insert(place);
    }
    let mut waits_for: Vec<usize> = vec![0; jobs.len()];
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); jobs.len()];
    for (place, spec) in jobs.iter().enumerate() {
        for parent in spec.options.depends_on.iter().filter_map(|parent| places.get(&parent.id)) {
            children[*parent].push(place);
            waits_for[place] += 1;
        }
    }
    let mut free: Vec<usize> = (0..jobs.len()).filter(|place| waits_for[*place] == 0).collect();
    while let Some(place) = free.pop() {
        for child in std::mem::take(&mut children[place]) {
            waits_for[child] -= 1;
            if waits_for[child] == 0 {
                free.push(child);
            }
        }
    }
    match waits_for.iter().position(|left| *left > 0) {
        None => Ok(()),
        Some(place) => {
            let field = format!("jobs[{place}].depends_on");
            let expected = "parents that do not wait for this job";
            Err(Invalid::new(field, expected, &jobs[place].id).code("flow_cycle"))
        }
    }
}
