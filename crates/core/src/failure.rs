use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Invalid, Job, KindName, Reason, State};

/// Recognises failures that are alike: the same kind, reason and error, whatever numbers and ids stand in it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub u64);

/// Failed jobs that are alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureGroup {
    /// What recognises them; the filter word `fingerprint:` means them.
    pub fingerprint: Fingerprint,
    /// Their kind.
    pub kind: KindName,
    /// Why they failed.
    pub reason: Reason,
    /// Their error, with `#` for what differs.
    pub message: String,
    /// How many there are.
    pub jobs: u64,
}

impl FailureGroup {
    /// The group of one failure. Only an attempt has an error of its own; a job that expired or whose parent failed is
    /// like all others of its kind.
    pub fn of(kind: &KindName, reason: Reason, error: Option<&str>) -> Self {
        let own = !matches!(reason, Reason::Expired | Reason::ParentFailed);
        let message = error.filter(|_| own).map(plain).unwrap_or_default();
        let mut hash = Fnv::default();
        for part in [kind.as_str(), reason.as_str(), &message] {
            hash.write(part.as_bytes());
            hash.write(&[0]);
        }
        Self { fingerprint: Fingerprint(hash.0), kind: kind.clone(), reason, message, jobs: 1 }
    }

    /// The group of a job; none if it has not failed.
    pub fn of_job(job: &Job) -> Option<Self> {
        let reason = job.reason.filter(|_| job.state == State::Failed)?;
        Some(Self::of(&job.spec.kind, reason, job.errors.last().map(|error| &*error.message)))
    }
}

/// FNV-1a, because a fingerprint has to be the same in every version of every program.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

/// Characters of an error that count.
const COUNTED: usize = 500;

/// The text with `#` in the place of every word that has a digit in it: numbers, ids, addresses, times.
fn plain(text: &str) -> String {
    let (mut out, mut word) = (String::new(), String::new());
    let end = |out: &mut String, word: &mut String| {
        if word.chars().any(|c| c.is_ascii_digit()) {
            if !out.ends_with('#') {
                out.push('#');
            }
        } else {
            out.push_str(word);
        }
        word.clear();
    };
    for c in text.chars().take(COUNTED) {
        if c.is_alphanumeric() || matches!(c, '-' | '.' | ':' | '_') && !word.is_empty() {
            word.push(c);
        } else {
            end(&mut out, &mut word);
            out.push(c);
        }
    }
    end(&mut out, &mut word);
    out
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Fingerprint {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let number = (text.len() == 16).then(|| u64::from_str_radix(text, 16).ok()).flatten();
        let wrong =
            || Invalid::new("fingerprint", "the 16 hexadecimal digits of a fingerprint", format!("{text:?}"));
        number.map(Self).ok_or_else(wrong)
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(error: &str) -> Fingerprint {
        FailureGroup::of(&KindName::new("mail").unwrap(), Reason::Error, Some(error)).fingerprint
    }

    #[test]
    fn failures_are_alike_whatever_numbers_and_ids_stand_in_them() {
        let one =
            "connection to 10.0.0.7:5432 refused after 120ms (request 0193e1a2-7b3c-7def-8123-456789abcdef)";
        let other = "connection to 10.0.3.12:5432 refused after 9ms (request 7)";
        assert_eq!(print(one), print(other));
        assert_ne!(print(one), print("connection to 10.0.0.7:5432 reset after 120ms (request 7)"));
        assert_eq!(plain(other), "connection to # refused after # (request #)");
        let late =
            |error| FailureGroup::of(&KindName::new("mail").unwrap(), Reason::Expired, error).fingerprint;
        assert_eq!(late(None), late(Some("an attempt before")));
    }

    #[test]
    fn a_fingerprint_never_changes() {
        assert_eq!(print("the disk is full").to_string(), "1d8d3bdc52bab053");
        assert_eq!(print("x").to_string().parse(), Ok(print("x")));
    }
}
