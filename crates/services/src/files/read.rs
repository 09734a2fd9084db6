use std::fs::Metadata;
use std::ops::Range;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use longshore_clock::Timestamp;
use object_store::{GetOptions, GetResultPayload};

use super::{FOLDERS, Files, FilesError, Inner, save};
use crate::folder::is_plain_name;

/// What is known of a file before its bytes come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileMeta {
    /// Bytes of the whole file.
    pub size: u64,
    /// The bytes that the stream gives.
    pub range: Range<u64>,
    /// When it was written.
    pub modified: Timestamp,
}

/// The bytes of a file in pieces of a few KiB, read as they are asked for.
pub type FileStream = BoxStream<'static, Result<Bytes, FilesError>>;

impl Files {
    /// Opens a file, or a range of its bytes. A range that ends behind the end is cut; an empty one, or one that begins there,
    /// is [`FilesError::Range`].
    ///
    /// Memory stays constant, and an open file stays readable to its end even if it is deleted meanwhile.
    pub async fn read(
        &self,
        path: &str,
        range: Option<Range<u64>>,
    ) -> Result<(FileMeta, FileStream), FilesError> {
        const DOING: &str = "reading a file";
        let seen = self.look(path).await?;
        let size = seen.meta.len();
        let range = range.map_or(0..size, |range| range.start..range.end.min(size));
        if range.is_empty() && size > 0 {
            return Err(FilesError::Range { size });
        }
        let location =
            object_store::path::Path::parse(path).map_err(|_| FilesError::BadPath(path.to_owned()))?;
        let whole = range == (0..size);
        let options = GetOptions { range: (!whole).then(|| range.clone().into()), ..GetOptions::default() };
        let found = self.0.objects.get_opts(&location, options).await;
        let found = found.map_err(|error| FilesError::object(DOING, &error))?;
        if let GetResultPayload::File(file, _) = &found.payload {
            // What was opened must be what was looked at, and not something put in its place in between.
            let opened = file.metadata().map_err(|error| FilesError::io(DOING, &error))?;
            if !is_same(&opened, &seen.meta) {
                return Err(FilesError::Storage {
                    doing: DOING,
                    kind: "the file was replaced meanwhile".to_owned(),
                });
            }
        }
        let modified = Timestamp::from_millis(found.meta.last_modified.timestamp_millis());
        let bytes = found.into_stream().map(|piece| piece.map_err(|error| FilesError::object(DOING, &error)));
        Ok((FileMeta { size, range, modified }, bytes.boxed()))
    }

    /// Deletes a file and the folders it leaves empty. False if there was none.
    pub async fn delete(&self, path: &str) -> Result<bool, FilesError> {
        const DOING: &str = "deleting a file";
        let seen = match self.look(path).await {
            Err(FilesError::NotFound) => return Ok(false),
            seen => seen?,
        };
        let (inner, path) = (self.0.clone(), path.to_owned());
        let deleted = tokio::task::spawn_blocking(move || match std::fs::remove_file(&seen.path) {
            Ok(()) => {
                save::tidy(&inner, &path);
                Ok(true)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(FilesError::io(DOING, &error)),
        });
        deleted.await.unwrap_or_else(|_| Err(FilesError::lost(DOING)))
    }

    /// Checks a path from outside, and that a plain file is really there.
    async fn look(&self, path: &str) -> Result<Seen, FilesError> {
        let bad = || FilesError::BadPath(path.chars().take(200).collect());
        let mut parts = path.split('/');
        let right = parts.next().is_some_and(|top| FOLDERS.contains(&top)) && parts.clone().count() == 5;
        if !right || !parts.all(is_plain_name) {
            return Err(bad());
        }
        let (inner, path) = (self.0.clone(), path.to_owned());
        let seen = tokio::task::spawn_blocking(move || look_now(&inner, &path)).await;
        seen.map_err(|_| FilesError::lost("looking at a file"))?
    }
}

struct Seen {
    path: PathBuf,
    meta: Metadata,
}

fn look_now(inner: &Inner, path: &str) -> Result<Seen, FilesError> {
    let failed = |error: std::io::Error| FilesError::io("looking at a file", &error);
    let wanted = inner.root.join(path);
    let meta = wanted.symlink_metadata().map_err(failed)?;
    let real = wanted.canonicalize().map_err(failed)?;
    if real != wanted || !meta.is_file() {
        return Err(FilesError::BadPath(path.to_owned()));
    }
    Ok(Seen { path: real, meta })
}

#[cfg(unix)]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    one.len() == other.len()
}

/// Last change of a file by its metadata.
pub(super) fn modified(meta: &Metadata) -> Timestamp {
    let since = meta.modified().ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    Timestamp::from_millis(since.map_or(0, |since| since.as_millis() as i64))
}

/// A path relative to the root, with `/` between the parts; nothing if a part is not text.
pub(super) fn relative(root: &Path, path: &Path) -> Option<String> {
    let parts = path.strip_prefix(root).ok()?.iter().map(|part| part.to_str());
    Some(parts.collect::<Option<Vec<_>>>()?.join("/"))
}
