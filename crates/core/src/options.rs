use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::limits::{
    ATTEMPTS_MAX, LIMIT_KEY_BYTES_MAX, NAME_BYTES_MAX, PARENTS_MAX, TAG_BYTES_MAX, TAGS_MAX,
};
use crate::{
    Backoff, DurationText, Invalid, JobId, Parent, ParentPolicy, Priority, ScheduleName, Timestamp, Unique,
    check_duration, is_traceparent,
};

/// How a job wants to be treated. Everything has a default; a record written by an older program reads as the default
/// for what it does not name, and what a newer one has added is passed over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    /// Tries in all, the first included.
    #[serde(skip_serializing_if = "is_usual_attempts")]
    pub max_attempts: u32,
    /// The wait before each further try.
    #[serde(skip_serializing_if = "is_default")]
    pub backoff: Backoff,
    /// Longest one attempt may take; none is no limit.
    #[serde(skip_serializing_if = "is_usual_timeout")]
    pub timeout: Option<DurationText>,
    /// Words to find the job by.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// How long the record stays after the end; none is what the queue says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention: Option<DurationText>,
    /// How long the result stays after the end; none is as long as the record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result_retention: Option<DurationText>,
    /// How long the job may wait in all, from its insert on and over all its attempts; then it fails as expired instead
    /// of starting once more. None is for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<DurationText>,
    /// Be the only one with this key in the queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unique: Option<Unique>,
    /// What it counts as under limits with a key, instead of what stands in its args.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_key: Option<String>,
    /// Jobs of the same store that it waits for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<Parent>,
    /// What happens when one of them does not complete.
    #[serde(skip_serializing_if = "is_default")]
    pub on_parent_failure: ParentPolicy,
    /// The schedule that made the job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<ScheduleName>,
    /// The time for which the schedule made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nominal_at: Option<Timestamp>,
    /// The `traceparent` (W3C Trace Context) of whoever enqueued it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<Arc<str>>,
}

/// Tries in all, unless a job says otherwise.
const USUAL_ATTEMPTS: u32 = 4;
/// Longest attempt, unless a job says otherwise.
const USUAL_TIMEOUT: DurationText = DurationText(Duration::from_secs(3_600));

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
fn is_usual_attempts(attempts: &u32) -> bool {
    *attempts == USUAL_ATTEMPTS
}

#[expect(clippy::ref_option, reason = "the form that serde asks for")]
fn is_usual_timeout(timeout: &Option<DurationText>) -> bool {
    *timeout == Some(USUAL_TIMEOUT)
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_attempts: USUAL_ATTEMPTS,
            backoff: Backoff::default(),
            timeout: Some(USUAL_TIMEOUT),
            tags: Vec::new(),
            retention: None,
            result_retention: None,
            ttl: None,
            unique: None,
            limit_key: None,
            depends_on: Vec::new(),
            on_parent_failure: ParentPolicy::default(),
            schedule: None,
            nominal_at: None,
            traceparent: None,
        }
    }
}

/// What jobs are asked for that say nothing else, in one queue.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JobDefaults {
    /// Their priority.
    pub priority: Option<Priority>,
    /// Their tries in all.
    pub max_attempts: Option<u32>,
    /// The longest time of one try.
    pub timeout: Option<DurationText>,
    /// How long they may wait in all.
    pub ttl: Option<DurationText>,
}

impl JobDefaults {
    /// The usual options with these in their place.
    pub fn options(&self) -> Options {
        let usual = Options::default();
        Options {
            max_attempts: self.max_attempts.unwrap_or(usual.max_attempts),
            timeout: self.timeout.or(usual.timeout),
            ttl: self.ttl,
            ..usual
        }
    }
}

impl Options {
    /// The defaults, shared, so that the usual job carries no copy of them.
    pub fn shared_default() -> Arc<Self> {
        static DEFAULT: LazyLock<Arc<Options>> = LazyLock::new(Arc::default);
        DEFAULT.clone()
    }

    /// Whether these are the defaults.
    pub fn is_default(&self) -> bool {
        *self == *Self::shared_default()
    }

    /// All attempts of a job that may be tried again so often.
    pub fn attempts_with(retries: u32) -> Result<u32, Invalid> {
        let wrong =
            || Invalid::new("max_retries", format!("a whole number from 0 to {}", ATTEMPTS_MAX - 1), retries);
        if retries < ATTEMPTS_MAX { Ok(retries + 1) } else { Err(wrong()) }
    }

    /// Checks every limit on options.
    pub fn check(&self) -> Result<(), Invalid> {
        if !(1..=ATTEMPTS_MAX).contains(&self.max_attempts) {
            return Err(Invalid::new(
                "max_attempts",
                format!("a whole number from 1 to {ATTEMPTS_MAX}"),
                self.max_attempts,
            ));
        }
        self.backoff.check()?;
        if let Some(text) = self.traceparent.as_deref().filter(|text| !is_traceparent(text)) {
            let expected = "version 00 of the header traceparent (W3C Trace Context)";
            return Err(Invalid::new("traceparent", expected, format!("{text:?}")));
        }
        if self.ttl.is_some_and(|ttl| ttl.0.is_zero()) {
            return Err(Invalid::new("ttl", "a duration above zero, or null for ever", "0"));
        }
        if self.timeout.is_some_and(|timeout| timeout.0.is_zero()) {
            return Err(Invalid::new("timeout", "a duration above zero, or null for no limit", "0"));
        }
        let durations = [
            ("timeout", self.timeout),
            ("retention", self.retention),
            ("result_retention", self.result_retention),
            ("ttl", self.ttl),
        ];
        for (field, duration) in durations {
            duration.map_or(Ok(()), |duration| check_duration(field, duration.0))?;
        }
        if self.tags.len() > TAGS_MAX {
            return Err(
                Invalid::new("tags", format!("at most {TAGS_MAX} tags"), self.tags.len()).code("too_many")
            );
        }
        for tag in &self.tags {
            if tag.is_empty()
                || tag.len() > TAG_BYTES_MAX
                || tag.chars().any(|c| c.is_control() || c.is_whitespace())
            {
                let expected = format!("1 to {TAG_BYTES_MAX} bytes without blanks or control characters");
                return Err(Invalid::new("tags", expected, format!("{tag:?}")));
            }
        }
        if let Some(key) = &self.limit_key
            && (!(1..=LIMIT_KEY_BYTES_MAX).contains(&key.len()) || key.chars().any(char::is_control))
        {
            let expected = format!("1 to {LIMIT_KEY_BYTES_MAX} bytes without control characters");
            return Err(Invalid::new("limit_key", expected, format!("{key:?}")).code("invalid_limit_key"));
        }
        self.unique.as_ref().map_or(Ok(()), Unique::check)?;
        self.check_parents()
    }

    /// The same where parents are known under other ids, because another job of their batch, or the holder of their unique
    /// key, stands in their place: the id that was asked for stays as the name of the result. None if nothing changes.
    pub fn with_parents_renamed(&self, renamed: &HashMap<JobId, JobId>) -> Option<Self> {
        let is_renamed = |parent: &Parent| renamed.contains_key(&parent.id);
        self.depends_on.iter().any(is_renamed).then(|| {
            let rename = |parent: &Parent| match renamed.get(&parent.id) {
                None => parent.clone(),
                Some(id) => Parent {
                    id: id.clone(),
                    name: Some(parent.name.clone().unwrap_or_else(|| parent.id.to_string())),
                },
            };
            Self { depends_on: self.depends_on.iter().map(rename).collect(), ..self.clone() }
        })
    }

    fn check_parents(&self) -> Result<(), Invalid> {
        if self.depends_on.len() > PARENTS_MAX {
            let expected = format!("at most {PARENTS_MAX} parents");
            return Err(Invalid::new("depends_on", expected, self.depends_on.len()).code("too_many"));
        }
        let (mut ids, mut labels) = (HashSet::new(), HashSet::new());
        for (index, parent) in self.depends_on.iter().enumerate() {
            if let Some(name) = &parent.name
                && (name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control))
            {
                let expected = format!("1 to {NAME_BYTES_MAX} bytes without control characters");
                return Err(Invalid::new(format!("depends_on[{index}].name"), expected, format!("{name:?}")));
            }
            if !ids.insert(&parent.id) || !labels.insert(parent.label()) {
                let field = format!("depends_on[{index}]");
                return Err(Invalid::new(field, "each parent and each name once", parent.label()));
            }
        }
        Ok(())
    }
}
