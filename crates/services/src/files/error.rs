use std::io;

/// Why the files did not do what they were asked. No message names a path of this machine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FilesError {
    /// The root cannot be used.
    #[error("the folder for produced files cannot be used: {0}. Choose a folder that this process may write")]
    Root(String),
    /// An address of a kind that this program has no driver for.
    #[error("{0}:// is not supported for produced files. Use the path of a folder, shared by all workers")]
    Unsupported(String),
    /// The path is not one of a produced file: wrong folder, wrong parts, or a symlink on the way.
    #[error("this is not the path of a produced file: {0:?}")]
    BadPath(String),
    /// There is no such file.
    #[error("the file does not exist")]
    NotFound,
    /// The range lies outside of the file.
    #[error("the range lies outside of the file, which has {size} bytes")]
    Range {
        /// Bytes of the file.
        size: u64,
    },
    /// Reading or writing failed; the same may succeed later.
    #[error("the storage of produced files failed while {doing}: {kind}")]
    Storage {
        /// What was being done.
        doing: &'static str,
        /// The kind of failure, in the words of the operating system.
        kind: String,
    },
    /// The caller has changed its mind, or lost its right to the file.
    #[error("the file is not wanted any more")]
    Unwanted,
    /// The files belong to the jobs of another store, so nothing is swept.
    #[error("the folder belongs to another store")]
    AnotherStore,
    /// The record of a job could not be read, so nothing was decided about its files.
    #[error("the job of a file could not be looked up: {0}")]
    Jobs(String),
}

impl FilesError {
    /// Whether the same request may succeed later without anybody changing it.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Storage { .. } | Self::Jobs(_))
    }

    pub(crate) fn io(doing: &'static str, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotFound,
            kind => Self::Storage { doing, kind: kind.to_string() },
        }
    }

    /// The messages of drivers name paths, so only their kind is passed on.
    pub(crate) fn object(doing: &'static str, error: &object_store::Error) -> Self {
        tracing::warn!(%error, "the storage of produced files failed while {doing}");
        match error {
            object_store::Error::NotFound { .. } => Self::NotFound,
            object_store::Error::PermissionDenied { .. } => {
                Self::Storage { doing, kind: "permission denied".to_owned() }
            }
            _ => Self::Storage { doing, kind: "the driver refused".to_owned() },
        }
    }

    /// A blocking step did not come back.
    pub(crate) fn lost(doing: &'static str) -> Self {
        Self::Storage { doing, kind: "the step was interrupted".to_owned() }
    }
}
