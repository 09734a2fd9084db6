use std::sync::Arc;
use std::time::Duration;

use longshore_core::Invalid;

/// Why a cache did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// What was passed is not possible. Nothing was changed.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The shared store could not be reached, so that entries may be left that were to go. Lookups and new values spare
    /// their callers this error.
    #[error("the cache could not be reached, so nothing is known to be removed: {0}")]
    Unreachable(String),
}

/// Why there is no value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError<E> {
    /// What was passed is not possible, or the value that was loaded.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// Loading failed, here or for the caller who was first; all who waited get the same error.
    #[error(transparent)]
    Load(Arc<E>),
    /// For so long others have loaded it one after another, and none has ended.
    #[error("waited {} for others who load the same value, and none has it yet", longshore_core::format_duration(*.0))]
    Waited(Duration),
}

impl<E> Clone for LoadError<E> {
    fn clone(&self) -> Self {
        match self {
            Self::Invalid(invalid) => Self::Invalid(invalid.clone()),
            Self::Load(error) => Self::Load(error.clone()),
            Self::Waited(time) => Self::Waited(*time),
        }
    }
}
