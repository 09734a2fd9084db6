//! Walks over the produced files in batches, without following symlinks.

use std::fs::{self, ReadDir};
use std::path::PathBuf;
use std::sync::Arc;

use longshore_clock::Timestamp;

use super::{FOLDERS, Inner, id, read};

/// Parts of the path of a produced file: folder, year, month, day, job, name.
const PARTS: usize = 6;

/// One file on the way.
pub(super) struct Found {
    /// Where it is, relative to the root.
    pub(super) path: String,
    /// The job that its path names; none for a file in the wrong place.
    pub(super) job: Option<String>,
    /// Bytes.
    pub(super) size: u64,
    /// Last change.
    pub(super) modified: Timestamp,
}

/// How far the walk is: the folders that are open, each inside the one before.
pub(super) struct Walk {
    inner: Arc<Inner>,
    open: Vec<(PathBuf, ReadDir)>,
    tops: Vec<PathBuf>,
}

impl Walk {
    pub(super) fn new(inner: &Arc<Inner>) -> Self {
        let tops = FOLDERS.iter().map(|folder| inner.root.join(folder)).collect();
        Self { inner: inner.clone(), open: Vec::new(), tops }
    }

    /// The next files, at most `limit`; none at the end. Removes empty folders as it leaves them.
    pub(super) fn next(&mut self, limit: usize) -> Vec<Found> {
        let mut batch = Vec::new();
        while batch.len() < limit {
            let Some((folder, entries)) = self.open.last_mut() else {
                let Some(top) = self.tops.pop() else { break };
                if top.symlink_metadata().is_ok_and(|meta| meta.is_dir()) {
                    self.enter(top);
                }
                continue;
            };
            match entries.next() {
                Some(Ok(entry)) => {
                    let path = entry.path();
                    match entry.metadata() {
                        Ok(meta) if meta.is_dir() && self.open.len() < PARTS => self.enter(path),
                        Ok(meta) if meta.is_file() => batch.extend(self.found(&path, &meta)),
                        _ => {}
                    }
                }
                Some(Err(_)) => {}
                None => {
                    let left = std::mem::take(folder);
                    self.open.pop();
                    if !self.open.is_empty() {
                        // Fails unless it is empty, which is what is wanted.
                        let _ = fs::remove_dir(left);
                    }
                }
            }
        }
        batch
    }

    fn enter(&mut self, path: PathBuf) {
        if let Ok(entries) = fs::read_dir(&path) {
            self.open.push((path, entries));
        }
    }

    fn found(&self, path: &std::path::Path, meta: &fs::Metadata) -> Option<Found> {
        let path = read::relative(&self.inner.root, path)?;
        let parts: Vec<&str> = path.split('/').collect();
        let job = if parts.len() == PARTS { id::id_of(parts[PARTS - 2]) } else { None };
        Some(Found { job, size: meta.len(), modified: read::modified(meta), path })
    }
}
