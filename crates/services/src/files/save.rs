use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use longshore_clock::{Door, Timestamp};
use sha2::{Digest, Sha256};

use super::{FOLDERS, FileRecord, Files, FilesError, Inner, id};
use crate::folder::{is_plain_name, plain_path};

/// A sweep may remove an empty folder just before the file is put into it.
const TRIES: usize = 4;

impl Files {
    /// Keeps a file: `<folder>/YYYY/MM/DD/<job id>/<filename>`, the date of today in UTC.
    ///
    /// It is written under another name, flushed to the disk and then renamed, so it is there whole or not at all; a file of
    /// the same name is replaced. If the caller stops waiting or `wanted` says no meanwhile, nothing is replaced; what was
    /// put in place is removed again, unless somebody else has replaced it.
    pub async fn save(
        &self,
        folder: &str,
        job_id: &str,
        filename: &str,
        content_type: &str,
        bytes: Bytes,
        wanted: impl Fn() -> bool + Send + 'static,
    ) -> Result<FileRecord, FilesError> {
        let bad = || FilesError::BadPath(filename.to_owned());
        let job = id::segment(job_id).ok_or_else(|| FilesError::BadPath(job_id.to_owned()))?;
        if !FOLDERS.contains(&folder) || !is_plain_name(filename) {
            return Err(bad());
        }
        let directory = format!("{folder}/{}/{job}", date_folders(self.0.door.clock.now()));
        let (filename, content_type) = (filename.to_owned(), content_type.to_owned());
        let inner = self.0.clone();
        let (reply, answer) = tokio::sync::oneshot::channel();
        tokio::task::spawn_blocking(move || {
            let path = format!("{directory}/{filename}");
            let written = write(&inner, &directory, &filename, &bytes, &|| !reply.is_closed() && wanted());
            let written = written.and_then(|own| {
                if wanted() {
                    return Ok(own);
                }
                forget_own(&inner, &path, own);
                Err(FilesError::Unwanted)
            });
            let own = written.as_ref().ok().copied();
            let sha256 = hex(&Sha256::digest(&bytes));
            let record = FileRecord { path, filename, content_type, size: bytes.len() as u64, sha256 };
            if let (Err(Ok(record)), Some(own)) = (reply.send(written.map(|_| record)), own) {
                // Nobody knows of this file any more.
                forget_own(&inner, &record.path, own);
            }
        });
        answer.await.unwrap_or_else(|_| Err(FilesError::lost("saving a file")))
    }
}

/// Which file it is, whatever it is called: device and inode.
type Own = (u64, u64);

fn write(
    inner: &Arc<Inner>,
    directory: &str,
    filename: &str,
    bytes: &[u8],
    wanted: &dyn Fn() -> bool,
) -> Result<Own, FilesError> {
    let mut tried = 0;
    loop {
        tried += 1;
        match write_once(inner, directory, filename, bytes, wanted) {
            Err(FilesError::NotFound) if tried < TRIES => {}
            Err(FilesError::NotFound) => return Err(FilesError::lost("saving a file")),
            done => return done,
        }
    }
}

fn write_once(
    inner: &Arc<Inner>,
    directory: &str,
    filename: &str,
    bytes: &[u8],
    wanted: &dyn Fn() -> bool,
) -> Result<Own, FilesError> {
    let failed = |error: io::Error| FilesError::io("saving a file", &error);
    let folder = inner.root.join(directory);
    make_folders(&folder).map_err(failed)?;
    let Some(real) = plain_path(&inner.root, directory) else {
        // It went again, or something on the way is a symlink.
        return if folder.exists() {
            Err(FilesError::BadPath(directory.to_owned()))
        } else {
            Err(FilesError::NotFound)
        };
    };
    let part = real.join(format!(".part-{:016x}", inner.door.chance.bits()));
    let whole = real.join(filename);
    let put = || {
        let mut file = new_file(&part)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        let identity = own(&file.metadata()?);
        // An attempt whose job is somebody else's by now must not replace the other one's file.
        if !wanted() {
            return Ok(None);
        }
        std::fs::rename(&part, &whole)?;
        sync_folders(&real, &inner.root)?;
        Ok(Some(identity))
    };
    let put = put();
    if !matches!(put, Ok(Some(_))) {
        let _ = std::fs::remove_file(&part);
    }
    put.map_err(failed)?.ok_or(FilesError::Unwanted)
}

#[cfg(unix)]
fn own(file: &std::fs::Metadata) -> Own {
    use std::os::unix::fs::MetadataExt;
    (file.dev(), file.ino())
}

/// Removes a file, unless somebody else has replaced it meanwhile.
fn forget_own(inner: &Inner, path: &str, expected: Own) {
    if std::fs::symlink_metadata(inner.root.join(path)).is_ok_and(|file| own(&file) == expected) {
        forget(inner, path);
    }
}

/// Removes a file and the folders it leaves empty. Telling nobody is right: a sweep comes by later.
pub(super) fn forget(inner: &Inner, path: &str) {
    if std::fs::remove_file(inner.root.join(path)).is_ok() {
        tidy(inner, path);
    }
}

/// Removes the folders above `path` as far as they are empty, but none of the top folders.
pub(super) fn tidy(inner: &Inner, path: &str) {
    let mut above = Path::new(path).parent();
    while let Some(folder) = above.filter(|folder| folder.components().count() > 1) {
        if std::fs::remove_dir(inner.root.join(folder)).is_err() {
            return;
        }
        above = folder.parent();
    }
}

/// Flushes the names of a file and of the folders above it.
fn sync_folders(from: &Path, root: &Path) -> io::Result<()> {
    for folder in from.ancestors().take_while(|folder| folder.starts_with(root)) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// Makes a folder and those above it, for this user alone.
pub(super) fn make_folders(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn new_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Makes sure that files can be made and removed.
pub(super) fn probe(root: &Path, door: &Door) -> io::Result<()> {
    let path = root.join(format!(".probe-{:016x}", door.chance.bits()));
    new_file(&path)?;
    std::fs::remove_file(&path)
}

/// `2026/03/01`.
fn date_folders(now: Timestamp) -> String {
    now.to_string()[..10].replace('-', "/")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        text.push_str(&format!("{byte:02x}"));
        text
    })
}
