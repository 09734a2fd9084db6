use serde::{Deserialize, Serialize};

use crate::limits::UNIQUE_KEY_BYTES_MAX;
use crate::{DurationText, Invalid, check_duration};

/// A wish to be the only one: while a job of the same queue holds the key, a second insert gives that job instead.
///
/// | mode | made by | the key is held |
/// |---|---|---|
/// | simple | no `ttl` | until its job has ended or its record is gone |
/// | throttle | `ttl` | for the time to live, also after its job has ended; a removed record frees it |
/// | debounce | `replace` | as above; and while its job is scheduled, a new insert takes that job's place |
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unique {
    /// What must be unique in the queue.
    pub key: String,
    /// How long the key is held, from the insert on; none is until the job has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<DurationText>,
    /// A second insert makes the time to live begin anew.
    #[serde(default, skip_serializing_if = "is_false")]
    pub extend: bool,
    /// A second insert removes the job that holds the key and takes its place, while that one is scheduled.
    #[serde(default, skip_serializing_if = "is_false")]
    pub replace: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl Unique {
    /// Held until the job has ended.
    pub fn new(key: impl Into<String>) -> Self {
        Self { key: key.into(), ttl: None, extend: false, replace: false }
    }

    /// Checks the key and the time to live.
    pub fn check(&self) -> Result<(), Invalid> {
        // The key of an owned job is `@OWNER/KEY`; the limit is for what the owner asked for.
        let own = self.key.strip_prefix('@').and_then(|rest| rest.split_once('/'));
        let own = own.map_or(self.key.as_str(), |(_, key)| key);
        let right =
            (1..=UNIQUE_KEY_BYTES_MAX).contains(&own.len()) && !self.key.chars().any(char::is_control);
        if !right {
            let expected = format!("1 to {UNIQUE_KEY_BYTES_MAX} bytes without control characters");
            return Err(Invalid::new("unique.key", expected, format!("{:?}", self.key)));
        }
        match self.ttl {
            Some(ttl) if ttl.0.is_zero() => {
                Err(Invalid::new("unique.ttl", "a duration above zero, or none", "0"))
            }
            Some(ttl) => check_duration("unique.ttl", ttl.0),
            None if self.extend => {
                Err(Invalid::new("unique.extend", "a ttl that can begin anew", "no unique.ttl"))
            }
            None => Ok(()),
        }
    }
}
