use std::error::Error;
use std::fmt::Write;
use std::time::Duration;

use longshore_core::{JobError, Json};
use serde::Serialize;

/// What a handler can return instead of a value, to decide the fate of its job.
///
/// Any error turns into a retry by the policy of the job, so `?` does the usual thing.
#[derive(Debug)]
pub enum Outcome {
    /// Failed; try again, after this time or by the job's backoff.
    Retry {
        /// The wait; none is what the backoff says.
        after: Option<Duration>,
        /// What went wrong.
        error: JobError,
    },
    /// Not yet; call again after this time. The attempt does not count.
    Snooze {
        /// The wait.
        after: Duration,
    },
    /// Failed for good.
    Fail {
        /// What went wrong.
        error: JobError,
    },
    /// The job is not wanted any more.
    Cancel,
}

impl Outcome {
    /// Failed; try again after `wait` instead of what the backoff says.
    pub fn retry_after(wait: Duration, why: impl AsRef<str>) -> Self {
        Self::Retry { after: Some(wait), error: JobError::new(why.as_ref()) }
    }

    /// Not yet; call again after `wait`, without counting the attempt.
    pub const fn snooze(wait: Duration) -> Self {
        Self::Snooze { after: wait }
    }

    /// Failed for good, whatever attempts are left.
    pub fn fail(why: impl AsRef<str>) -> Self {
        Self::Fail { error: JobError::new(why.as_ref()) }
    }

    /// The job is not wanted any more.
    pub const fn cancel() -> Self {
        Self::Cancel
    }
}

impl<E: Error> From<E> for Outcome {
    fn from(error: E) -> Self {
        let message = error.to_string();
        let mut trace = String::new();
        let mut cause = error.source();
        while let Some(inner) = cause {
            let _ = writeln!(trace, "caused by: {inner}");
            cause = inner.source();
        }
        let error = JobError::new(&message);
        Self::Retry { after: None, error: if trace.is_empty() { error } else { error.trace(&trace) } }
    }
}

/// What a handler may return: a `Result` of a value and anything that becomes an [`Outcome`].
pub trait IntoResult {
    /// The value as JSON (none for `()`), or the fate of the job.
    fn into_result(self) -> Result<Option<Json>, Outcome>;
}

impl<T: Serialize, E: Into<Outcome>> IntoResult for Result<T, E> {
    fn into_result(self) -> Result<Option<Json>, Outcome> {
        let value = self.map_err(Into::into)?;
        let json = Json::from_value(&value)
            .map_err(|error| Outcome::fail(format!("the result cannot be written as JSON: {error}")))?;
        // `()` and `None` are null: nothing worth a stored result.
        Ok((!json.is_null()).then_some(json))
    }
}
