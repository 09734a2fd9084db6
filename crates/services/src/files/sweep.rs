use std::collections::HashMap;
use std::time::Duration;

use longshore_clock::Timestamp;
use longshore_core::{Job, JobId, State};
use longshore_runtime::{Control, ControlError, Stop};
use serde::{Deserialize, Serialize};

use super::walk::{Found, Walk};
use super::{Files, FilesError, Inner, save};

/// Files looked at in one step.
const BATCH: usize = 500;
/// How old a file must be before the lack of a job that wants it counts: a job may be about to end.
const GRACE: Duration = Duration::from_secs(3_600);

/// What a sweep removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swept {
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Those of the files that belonged to no job, or to no result of their job.
    pub orphans: u64,
}

/// What is to become of a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Keep,
    Expired,
    Orphan,
}

impl Files {
    /// Removes the files that nobody can ask for any more: their result has expired, their job failed or was cancelled an
    /// hour ago, or no job knows them and they are an hour old. Then the folders that are left empty.
    ///
    /// The root belongs to the store whose jobs were swept for first; for those of another store, to which all of them would
    /// look like nobody's, this is refused.
    /// Works in steps of 500 files, and may be repeated or broken off at any time.
    pub async fn sweep(&self, control: &Control) -> Result<Swept, FilesError> {
        let store = control.store_id().await.map_err(|error| FilesError::Jobs(error.to_string()))?;
        let inner = self.0.clone();
        blocking(move || belongs_to(&inner, &store)).await??;
        let mut swept = Swept::default();
        let mut walk = Walk::new(&self.0);
        loop {
            let (walked, batch) = blocking(move || {
                let batch = walk.next(BATCH);
                (walk, batch)
            })
            .await?;
            if batch.is_empty() {
                return Ok(swept);
            }
            walk = walked;
            let doomed = self.judge(batch, control).await?;
            let inner = self.0.clone();
            let removed = blocking(move || {
                let mut removed = Swept::default();
                for (found, fate) in doomed {
                    if std::fs::remove_file(inner.root.join(&found.path)).is_ok() {
                        removed.files += 1;
                        removed.bytes += found.size;
                        removed.orphans += u64::from(fate == Fate::Orphan);
                        save::tidy(&inner, &found.path);
                    }
                }
                removed
            })
            .await?;
            swept.files += removed.files;
            swept.bytes += removed.bytes;
            swept.orphans += removed.orphans;
        }
    }

    async fn judge(&self, batch: Vec<Found>, control: &Control) -> Result<Vec<(Found, Fate)>, FilesError> {
        let now = self.0.door.clock.now();
        let mut jobs: HashMap<String, Option<Job>> = HashMap::new();
        let mut doomed = Vec::new();
        for found in batch {
            let job = match &found.job {
                None => &None,
                Some(id) => {
                    if !jobs.contains_key(id) {
                        jobs.insert(id.clone(), look_up(control, id).await?);
                    }
                    &jobs[id]
                }
            };
            let fate = fate(&found, job.as_ref(), now);
            if fate != Fate::Keep {
                doomed.push((found, fate));
            }
        }
        Ok(doomed)
    }
}

/// Says whose files these are, in a file of its own.
const MARK: &str = ".longshore-store";

/// Checks that the root belongs to this store; marks one that nobody has marked.
fn belongs_to(inner: &Inner, store: &str) -> Result<(), FilesError> {
    let mark = inner.root.join(MARK);
    let failed = |error: std::io::Error| FilesError::io("marking the folder", &error);
    match std::fs::read_to_string(&mark) {
        Ok(marked) if marked.trim() == store => Ok(()),
        Ok(_) => Err(FilesError::AnotherStore),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            std::fs::write(&mark, format!("{store}\n")).map_err(failed)
        }
        Err(error) => Err(failed(error)),
    }
}

async fn look_up(control: &Control, id: &str) -> Result<Option<Job>, FilesError> {
    let Ok(id) = JobId::parse(id) else { return Ok(None) };
    match control.job(&id).await {
        Ok(job) => Ok(Some(job)),
        Err(ControlError::Unknown(_)) => Ok(None),
        Err(error) => Err(FilesError::Jobs(error.to_string())),
    }
}

fn fate(found: &Found, job: Option<&Job>, now: Timestamp) -> Fate {
    let is_old = now.since(found.modified) >= GRACE;
    let orphan = if is_old { Fate::Orphan } else { Fate::Keep };
    let Some(job) = job else { return orphan };
    match job.state {
        State::Completed if job.result.is_none() && job.result_expired_at.is_some() => Fate::Expired,
        // An attempt whose end did not count may have left a file beside the one that does.
        State::Completed if job.result.as_ref().is_some_and(|result| !names(result, &found.path)) => orphan,
        State::Failed | State::Cancelled if is_old => Fate::Expired,
        _ => Fate::Keep,
    }
}

/// Whether a result speaks of this file. A result that speaks of none at all is not ours to judge.
fn names(result: &longshore_core::Json, path: &str) -> bool {
    #[derive(Deserialize)]
    struct Named {
        path: String,
    }
    result.to::<Named>().map_or(true, |named| named.path == path)
}

async fn blocking<T: Send + 'static>(step: impl FnOnce() -> T + Send + 'static) -> Result<T, FilesError> {
    tokio::task::spawn_blocking(step).await.map_err(|_| FilesError::lost("sweeping"))
}

/// Sweeps now and after each `every` (10 minutes is usual), until `stop` drains. A sweep that fails is tried again the next time.
pub async fn sweep_every(files: Files, control: Control, every: Duration, stop: Stop) {
    let clock = files.0.door.clock.clone();
    let sweeps = async {
        loop {
            match files.sweep(&control).await {
                Ok(swept) if swept.files > 0 => {
                    tracing::info!(
                        files = swept.files,
                        bytes = swept.bytes,
                        orphans = swept.orphans,
                        "swept produced files"
                    );
                }
                Ok(_) => {}
                Err(FilesError::AnotherStore) => {
                    tracing::warn!(
                        "produced files are not swept: their folder belongs to another store; give this one a folder of its own (files)"
                    );
                }
                Err(error) => {
                    tracing::warn!(%error, "the sweep of produced files failed; it is tried again later");
                }
            }
            clock.sleep(every).await;
        }
    };
    tokio::select! {
        () = stop.draining() => {}
        () = sweeps => {}
    }
}
