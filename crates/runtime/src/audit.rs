//! What operators did: who, what, to what, and what became of it. The newest entries, in the store.

use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use longshore_core::{Invalid, Job, QueueInfo, QueueName, StoreError, StoreResult, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::client::Receipt;
use crate::control::{Batch, Control, ControlError};
use crate::engine::Engine;
use crate::identity::ApiKey;
use crate::schedule::{ScheduleError, ScheduleRecord};

/// Entries that are kept.
pub const AUDIT_KEPT: usize = 10_000;
/// Entries in one answer.
pub const AUDIT_PAGE_MAX: usize = 500;
const LOG: &str = "audit";

/// Which way somebody came in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A program that uses the library.
    #[default]
    Library,
    /// The command line.
    Cli,
    /// HTTP.
    Api,
}

/// Something that was done, or was not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// What: `queue.pause`, `job.cancel` and so on.
    pub action: String,
    /// Which way they came in.
    pub source: Source,
    /// Who, if identity is on.
    pub actor: Option<Arc<str>>,
    /// The job, queue, schedule, kind or key.
    pub target: String,
    /// `ok`; `refused`, if it was not allowed or made no sense; or `failed`, if the store did not do it.
    pub outcome: String,
    /// What else there is to know; the error of what failed.
    pub details: Value,
}

/// Which entries somebody wants to see. All that is named has to hold.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// This action; a final `*` stands for any ending.
    pub action: Option<String>,
    /// `ok`, `refused` or `failed`.
    pub outcome: Option<String>,
    /// About this queue.
    pub queue: Option<QueueName>,
    /// With this text in actor, target or details.
    pub text: Option<String>,
}

impl AuditFilter {
    fn matches(&self, entry: &AuditEntry) -> bool {
        let is_action = |wanted: &String| match wanted.strip_suffix('*') {
            Some(beginning) => entry.action.starts_with(beginning),
            None => entry.action == *wanted,
        };
        let is_about = |queue: &QueueName| {
            let own = entry.action.starts_with("queue.") || entry.action.starts_with("dlq.");
            (own && entry.target == queue.as_str()) || entry.details["queue"] == queue.as_str()
        };
        let contains = |text: &String| {
            entry.target.contains(text)
                || entry.actor.as_ref().is_some_and(|actor| actor.contains(text.as_str()))
                || entry.details.to_string().contains(text)
        };
        self.action.as_ref().is_none_or(is_action)
            && self.outcome.as_ref().is_none_or(|outcome| entry.outcome == *outcome)
            && self.queue.as_ref().is_none_or(is_about)
            && self.text.as_ref().is_none_or(contains)
    }
}

/// What can come of an operation.
pub(crate) trait Refusal: Display {
    /// Whether it was refused, and did not fail.
    fn is_refusal(&self) -> bool;
}

impl Refusal for StoreError {
    fn is_refusal(&self) -> bool {
        matches!(self, Self::Invalid(_) | Self::IdTaken { .. })
    }
}

impl Refusal for ControlError {
    fn is_refusal(&self) -> bool {
        if let Self::Store(error) = self { error.is_refusal() } else { true }
    }
}

impl Refusal for ScheduleError {
    fn is_refusal(&self) -> bool {
        if let Self::Store(error) = self { error.is_refusal() } else { true }
    }
}

/// What an operation that was carried out gives.
pub(crate) trait Done {
    /// Whether it found nothing that it could be done to.
    fn is_nothing(&self) -> bool {
        false
    }
}

impl Done for () {}
impl Done for Job {}
impl Done for QueueInfo {}
impl Done for Receipt {}
impl Done for ScheduleRecord {}
impl Done for (ApiKey, String) {}

impl Done for Batch {
    fn is_nothing(&self) -> bool {
        self.changed == 0 && !self.refused.is_empty()
    }
}

impl Done for bool {
    fn is_nothing(&self) -> bool {
        !self
    }
}

impl<T> Done for Option<T> {
    fn is_nothing(&self) -> bool {
        self.is_none()
    }
}

impl Engine {
    /// Does something and enters it, with what `tell` knows of it.
    pub(crate) async fn audited<T: Done, E: Refusal>(
        &self,
        action: &str,
        target: impl Display,
        operation: impl Future<Output = Result<T, E>>,
        tell: impl FnOnce(&T) -> Value,
    ) -> Result<T, E> {
        let done = operation.await;
        let details = match &done {
            Ok(value) => tell(value),
            Err(error) => json!({ "error": error.to_string() }),
        };
        let entry = AuditEntry {
            at: self.now(),
            action: action.to_owned(),
            source: self.caller().source(),
            actor: self.caller().name().cloned(),
            target: target.to_string(),
            outcome: match &done {
                Ok(value) if value.is_nothing() => "refused",
                Ok(_) => "ok",
                Err(error) if error.is_refusal() => "refused",
                Err(_) => "failed",
            }
            .to_owned(),
            details,
        };
        let value = Bytes::from(serde_json::to_vec(&entry).unwrap_or_default());
        if let Err(error) = self.store().log_append(LOG, vec![value], AUDIT_KEPT).await {
            tracing::warn!(%error, action, target = entry.target, "what an operator did was not entered");
        }
        done
    }
}

impl Control {
    /// The newest entries that match, the newest first, at most `limit` (1 to [`AUDIT_PAGE_MAX`]).
    pub async fn audit(&self, filter: &AuditFilter, limit: usize) -> StoreResult<Vec<AuditEntry>> {
        if !(1..=AUDIT_PAGE_MAX).contains(&limit) {
            let expected = format!("a whole number from 1 to {AUDIT_PAGE_MAX}");
            return Err(Invalid::new("limit", expected, limit).into());
        }
        let (store, mut found) = (self.engine().store(), Vec::new());
        let mut end = store.log_end(LOG).await?;
        while end > 0 && found.len() < limit {
            let start = end.saturating_sub(AUDIT_PAGE_MAX as u64);
            let page = store.log_read(LOG, start, (end - start) as usize).await?;
            if page.is_empty() {
                break;
            }
            let read = page.iter().rev().filter_map(|entry| serde_json::from_slice(&entry.value).ok());
            found.extend(read.filter(|entry| filter.matches(entry)));
            end = start;
        }
        found.truncate(limit);
        Ok(found)
    }
}
