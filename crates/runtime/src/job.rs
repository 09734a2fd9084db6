use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A type that is the args of a kind of job.
///
/// ```
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct SendEmail { to: String }
///
/// impl longshore_runtime::Job for SendEmail {
///     const KIND: &'static str = "email.send";
///     type Output = (); // what its handler returns
/// }
/// ```
pub trait Job: Serialize + DeserializeOwned + Send + 'static {
    /// What a completed job has as its result.
    type Output: DeserializeOwned + Send;
    /// The name that picks the handler.
    const KIND: &'static str;
    /// The queue these jobs go to unless the caller names another.
    const QUEUE: &'static str = "default";
}

/// Durations as one says them: `5.minutes()`, `1.hour()`.
pub trait IntoSeconds: Sized {
    /// That many times one second.
    fn seconds(self) -> Duration;
    /// That many times one minute.
    fn minutes(self) -> Duration;
    /// That many times one hour.
    fn hours(self) -> Duration;
    /// One second, for `1.second()`.
    fn second(self) -> Duration {
        self.seconds()
    }
    /// One minute, for `1.minute()`.
    fn minute(self) -> Duration {
        self.minutes()
    }
    /// One hour, for `1.hour()`.
    fn hour(self) -> Duration {
        self.hours()
    }
}

impl IntoSeconds for u32 {
    fn seconds(self) -> Duration {
        Duration::from_secs(self.into())
    }
    fn minutes(self) -> Duration {
        Duration::from_secs(u64::from(self) * 60)
    }
    fn hours(self) -> Duration {
        Duration::from_secs(u64::from(self) * 3_600)
    }
}
