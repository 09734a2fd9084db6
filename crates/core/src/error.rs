use thiserror::Error;

/// An input that was refused before anything changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}{}expected {expected}, got {got}", field, if field.is_empty() { "" } else { ": " })]
pub struct Invalid {
    /// The field, as its writer spells it (`jobs[3].delay`).
    pub field: String,
    /// What would have been right.
    pub expected: String,
    /// What came, shortened.
    pub got: String,
    /// A stable word for programs (`invalid_name`, `too_many`, ...).
    pub code: &'static str,
}

impl Invalid {
    /// A refusal with the general code `invalid`.
    pub fn new(field: impl Into<String>, expected: impl Into<String>, got: impl std::fmt::Display) -> Self {
        Self {
            field: field.into(),
            expected: expected.into(),
            got: shorten(&got.to_string()),
            code: "invalid",
        }
    }

    /// The same refusal under a code of its own.
    #[must_use]
    pub fn code(mut self, code: &'static str) -> Self {
        self.code = code;
        self
    }

    /// The same refusal for whoever gave a single job, and numbered none.
    #[must_use]
    pub fn of_one_job(mut self) -> Self {
        if let Some(field) = self.field.strip_prefix("jobs[0].") {
            self.field = field.to_owned();
        }
        self
    }

    /// The same refusal, its field placed below `parent`.
    #[must_use]
    pub fn below(mut self, parent: &str) -> Self {
        self.field =
            if self.field.is_empty() { parent.to_owned() } else { format!("{parent}.{}", self.field) };
        self
    }
}

impl StoreError {
    /// See [`Invalid::of_one_job`].
    #[must_use]
    pub fn of_one_job(self) -> Self {
        if let Self::Invalid(error) = self { error.of_one_job().into() } else { self }
    }
}

fn shorten(text: &str) -> String {
    const SHOWN: usize = 80;
    if text.chars().count() <= SHOWN {
        return text.to_owned();
    }
    text.chars().take(SHOWN).chain("...".chars()).collect()
}

/// Why a store did not do what it was asked. Each kind tells its reader what to do next.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The request itself is wrong. Correct it; repeating it changes nothing.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// An id is in use where it must not be. Choose another id.
    #[error("the id {id} is taken{}{queue}", if queue.is_empty() { "" } else { " by a job in queue " })]
    IdTaken {
        /// The id in question.
        id: String,
        /// The queue of the job that holds it; empty if the caller may not know of that job.
        queue: String,
    },
    /// The store does not answer now. Wait and repeat; what was asked may or may not have happened.
    #[error("the store is not available: {0}. Repeat the request later")]
    Unavailable(String),
    /// There is no room left. Free some; reads, finishes and pruning may still work.
    #[error("the store is full: {0}. Free some space, then repeat the request")]
    Full(String),
    /// The store can be read but not written. Mend its permissions.
    #[error("the store is read-only: {0}. Make the file and its folder writable")]
    ReadOnly(String),
    /// The stored data is damaged. Stop, and restore a backup.
    #[error("the store is damaged: {0}. Stop every process that uses it and restore a backup")]
    Corrupt(String),
    /// What is there is no store of ours. Name another place.
    #[error("{0} belongs to another program. Choose another place for the store")]
    Foreign(String),
    /// A newer program wrote this store. Upgrade this one.
    #[error("the store has schema {found}, this program knows schemas up to {known}. Use a newer longshore")]
    Newer {
        /// Schema found in the store.
        found: u32,
        /// Newest schema this program knows.
        known: u32,
    },
    /// The store was closed in this process.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// Whether the same request may succeed later without anybody changing it.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Full(_))
    }
}

/// What a store answers.
pub type StoreResult<T> = Result<T, StoreError>;
