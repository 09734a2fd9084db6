use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::limiter::{Permit, Rule};
use crate::{StoreResult, Timestamp};

/// A named document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doc {
    /// Its name.
    pub key: String,
    /// What it holds.
    pub value: Bytes,
    /// Rises with every write of this key, also over its removal.
    pub version: u64,
    /// When it goes by itself.
    pub expires_at: Option<Timestamp>,
}

/// What must be true of a document for a write to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Nothing.
    Anything,
    /// It does not exist, or has expired.
    Absent,
    /// It has this version.
    Version(u64),
}

/// What became of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Put {
    /// It happened; this is the version now.
    Written(u64),
    /// It did not, because the expectation failed; this is what stands there.
    Conflict(Option<Doc>),
}

/// One entry of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// Its place: rises within a log, never reused.
    pub position: u64,
    /// What it holds.
    pub value: Bytes,
}

/// The small things that services keep beside jobs: documents, logs and limiters.
///
/// Each method is one atomic step. An expired document is as good as absent, whether or not it was removed yet.
#[async_trait]
pub trait Records: Send + Sync {
    /// One document, if it exists and has not expired.
    async fn doc_get(&self, key: &str, now: Timestamp) -> StoreResult<Option<Doc>>;

    /// Writes a document if `expect` holds. `ttl` counts from `now`; none means that it stays.
    async fn doc_put(
        &self,
        key: &str,
        value: Bytes,
        expect: Expect,
        ttl: Option<Duration>,
        now: Timestamp,
    ) -> StoreResult<Put>;

    /// Removes a document if `expect` holds; tells whether it was there and went.
    async fn doc_delete(&self, key: &str, expect: Expect, now: Timestamp) -> StoreResult<bool>;

    /// The documents whose keys begin with `prefix` and sort after `after`, in order of their keys, at most `limit`.
    async fn doc_list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
        now: Timestamp,
    ) -> StoreResult<Vec<Doc>>;

    /// Appends entries to a log in their order and keeps its newest `keep`; returns the position of the last one (or
    /// the end of the log, if there were none; the log is trimmed all the same). Tells subscribers of [`crate::Wake::Log`] in every process.
    async fn log_append(&self, log: &str, entries: Vec<Bytes>, keep: usize) -> StoreResult<u64>;

    /// The entries after `after`, oldest first, at most `limit`. A reader that was away too long misses what was not
    /// kept, and can tell by the gap in the positions.
    async fn log_read(&self, log: &str, after: u64, limit: usize) -> StoreResult<Vec<LogEntry>>;

    /// The position of the newest entry of a log, 0 if it never had any.
    async fn log_end(&self, log: &str) -> StoreResult<u64>;

    /// Asks a limiter for `cost` permits and counts them if they are given. All processes share the count.
    async fn limit(&self, key: &str, rule: Rule, cost: u32, now: Timestamp) -> StoreResult<Permit>;
}
