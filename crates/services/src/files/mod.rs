//! Where produced files live: a folder, written so that a file is there whole and for good, or not at all.

mod error;
mod id;
mod name;
mod read;
mod save;
mod sweep;
mod walk;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use longshore_clock::Door;
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use serde::{Deserialize, Serialize};

pub use error::FilesError;
pub(crate) use id::segment;
pub use name::safe_name;
pub use read::{FileMeta, FileStream};
pub use sweep::{Swept, sweep_every};

/// The folder of produced PDFs.
pub const GENERATED_PDFS: &str = "generated_pdfs";
/// The folder of produced HTML documents.
pub const GENERATED_HTML: &str = "generated_html";
/// Every folder that may hold produced files.
const FOLDERS: [&str; 2] = [GENERATED_PDFS, GENERATED_HTML];

/// Keeps produced files. Cheap to clone.
///
/// Paths are relative to its root, with `/` between the parts:
/// `generated_pdfs/2026/03/01/<job id>/<file name>`. Directories have mode 0700, files 0600.
#[derive(Clone, Debug)]
pub struct Files(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    objects: Arc<dyn ObjectStore>,
    root: PathBuf,
    door: Door,
}

/// A file that was kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// Where it is, relative to the root.
    pub path: String,
    /// Its own name.
    pub filename: String,
    /// Its media type, such as `application/pdf`.
    pub content_type: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
}

impl Files {
    /// Opens the root, makes it (mode 0700) if it is missing, and makes sure that it can be written.
    ///
    /// `root` is the path of a folder or a `file://` URL. With workers on several machines it is a folder that they share.
    pub fn open(root: &str, door: Door) -> Result<Self, FilesError> {
        let folder = match root.split_once("://") {
            None => root,
            Some(("file", path)) => path,
            Some((scheme, _)) => return Err(FilesError::Unsupported(scheme.to_owned())),
        };
        if folder.is_empty() {
            return Err(FilesError::Root("it has no path".to_owned()));
        }
        let refused = |error: std::io::Error| FilesError::Root(error.kind().to_string());
        save::make_folders(Path::new(folder)).map_err(refused)?;
        let root = Path::new(folder).canonicalize().map_err(refused)?;
        save::probe(&root, &door).map_err(refused)?;
        let objects = LocalFileSystem::new_with_prefix(&root)
            .map_err(|_| FilesError::Root("not a folder".to_owned()))?;
        Ok(Self(Arc::new(Inner { objects: Arc::new(objects), root, door })))
    }
}
