use longshore_core::StoreError;
use rusqlite::ErrorCode;

/// Sorts what SQLite says into what the reader can do about it.
pub(crate) fn sorted(error: &rusqlite::Error) -> StoreError {
    let text = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full(text),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => StoreError::ReadOnly(text),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Corrupt(text),
        _ => StoreError::Unavailable(text),
    }
}

/// What a step inside a transaction can run into.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The request was refused before it wrote anything; others in the same commit are not touched by it.
    Refused(StoreError),
    /// SQLite failed; the whole transaction is void.
    Sql(rusqlite::Error),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

impl From<longshore_core::Invalid> for Trouble {
    fn from(error: longshore_core::Invalid) -> Self {
        Self::Refused(error.into())
    }
}

impl Trouble {
    pub(crate) fn sorted(&self) -> StoreError {
        match self {
            Self::Refused(error) => error.clone(),
            Self::Sql(error) => sorted(error),
        }
    }
}

pub(crate) type Tried<T> = Result<T, Trouble>;
