use std::sync::{Arc, LazyLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::limits::{ATTEMPTS_MAX, TAG_BYTES_MAX, TAGS_MAX};
use crate::{Backoff, DurationText, Invalid, check_duration};

/// How a job wants to be treated. Everything has a default; a record written by an older program reads as the default
/// for what it does not name, and what a newer one has added is passed over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    /// Tries in all, the first included.
    pub max_attempts: u32,
    /// The wait before each further try.
    pub backoff: Backoff,
    /// Longest one attempt may take; none is no limit.
    pub timeout: Option<DurationText>,
    /// Words to find the job by.
    pub tags: Vec<String>,
    /// How long the record stays after the end; none is what the queue says.
    pub retention: Option<DurationText>,
    /// How long the result stays after the end; none is as long as the record.
    pub result_retention: Option<DurationText>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_attempts: 4,
            backoff: Backoff::default(),
            timeout: Some(DurationText(Duration::from_secs(3_600))),
            tags: Vec::new(),
            retention: None,
            result_retention: None,
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
        if self.timeout.is_some_and(|timeout| timeout.0.is_zero()) {
            return Err(Invalid::new("timeout", "a duration above zero, or null for no limit", "0"));
        }
        let durations = [
            ("timeout", self.timeout),
            ("retention", self.retention),
            ("result_retention", self.result_retention),
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
        Ok(())
    }
}
