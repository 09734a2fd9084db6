use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Invalid;
use crate::limits::{CUSTOM_ID_BYTES_MAX, NAME_BYTES_MAX};

fn check_name(field: &str, text: &str) -> Result<(), Invalid> {
    let right = (1..=NAME_BYTES_MAX).contains(&text.len())
        && !text.chars().any(char::is_control)
        && text.trim() == text
        && !is_dots(text);
    if right {
        return Ok(());
    }
    let expected = format!(
        "1 to {NAME_BYTES_MAX} bytes without control characters or blanks at the ends, and not '.' or '..'"
    );
    Err(Invalid::new(field, expected, format!("{text:?}")).code("invalid_name"))
}

/// What every client that reads URLs takes for a place in a path.
fn is_dots(text: &str) -> bool {
    text == "." || text == ".."
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $field:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Parses a name: 1 to 128 bytes, no control characters, no blank at the ends, not `.` or `..`.
            pub fn new(text: impl AsRef<str>) -> Result<Self, Invalid> {
                check_name($field, text.as_ref())?;
                Ok(Self(text.as_ref().into()))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl FromStr for $name {
            type Err = Invalid;
            fn from_str(text: &str) -> Result<Self, Invalid> {
                Self::new(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
            }
        }
    };
}

name!(
    /// The name of a queue: a named line of ready jobs.
    QueueName, "queue"
);
name!(
    /// The name that picks the handler of a job, such as `pdf.render`.
    KindName, "kind"
);
name!(
    /// The name under which one worker is registered, unique among live workers.
    WorkerId, "worker"
);

name!(
    /// The name of a schedule, unique in the store.
    ScheduleName, "schedule"
);

impl Default for QueueName {
    fn default() -> Self {
        Self("default".into())
    }
}

/// The id of a job, unique in the store: a UUID that the engine made, or a text that the caller chose.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(Repr);

// A UUID stays 16 bytes on the hot path; its text form exists only where somebody reads it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Repr {
    Uuid(u128),
    Text(Arc<str>),
}

impl JobId {
    /// An id made by the engine.
    pub const fn from_u128(uuid: u128) -> Self {
        Self(Repr::Uuid(uuid))
    }

    /// Parses an id. A UUID in its canonical form is recognised; anything else must keep the rules for ids that
    /// callers choose: 1 to 200 bytes, not digits only, no `:`, no control characters, no blank at the ends, not `.` or `..`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if let Some(uuid) = parse_uuid(text) {
            return Ok(Self(Repr::Uuid(uuid)));
        }
        let right = (1..=CUSTOM_ID_BYTES_MAX).contains(&text.len())
            && !text.bytes().all(|byte| byte.is_ascii_digit())
            && !is_dots(text)
            && !text.chars().any(|c| c == ':' || c.is_control())
            && text.trim() == text;
        if right {
            return Ok(Self(Repr::Text(text.into())));
        }
        let expected = format!(
            "a UUID, or 1 to {CUSTOM_ID_BYTES_MAX} bytes that are not only digits, without ':', control characters or blanks at the ends, and not '.' or '..'"
        );
        Err(Invalid::new("id", expected, format!("{text:?}")).code("invalid_id"))
    }

    /// The UUID, if the engine made this id or the caller chose one in canonical form.
    pub fn as_uuid(&self) -> Option<u128> {
        match &self.0 {
            Repr::Uuid(uuid) => Some(*uuid),
            Repr::Text(_) => None,
        }
    }

    /// The text, if the caller chose one that is not a UUID.
    pub fn as_text(&self) -> Option<&str> {
        match &self.0 {
            Repr::Uuid(_) => None,
            Repr::Text(text) => Some(text),
        }
    }
}

const HYPHENS: [usize; 4] = [8, 13, 18, 23];

fn parse_uuid(text: &str) -> Option<u128> {
    let bytes = text.as_bytes();
    if bytes.len() != 36 {
        return None;
    }
    let mut uuid: u128 = 0;
    for (index, byte) in bytes.iter().enumerate() {
        if HYPHENS.contains(&index) {
            if *byte != b'-' {
                return None;
            }
            continue;
        }
        // Upper case stays a text, because an id must come back as it was given.
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        uuid = uuid << 4 | u128::from(digit);
    }
    Some(uuid)
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Text(text) => f.write_str(text),
            Repr::Uuid(uuid) => {
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                let mut out = [b'-'; 36];
                let mut nibble = 32;
                for (index, place) in out.iter_mut().enumerate() {
                    if !HYPHENS.contains(&index) {
                        nibble -= 1;
                        *place = DIGITS[(uuid >> (nibble * 4) & 0xf) as usize];
                    }
                }
                f.write_str(std::str::from_utf8(&out).map_err(|_| fmt::Error)?)
            }
        }
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for JobId {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::parse(text)
    }
}

impl Serialize for JobId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for JobId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// Which ready job of a queue runs first: the lowest number. Finite; 5 by default.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Priority(f64);

impl Priority {
    /// Takes any finite number.
    pub fn new(value: f64) -> Result<Self, Invalid> {
        if value.is_finite() {
            // One zero, so that equal priorities are equal bit by bit.
            return Ok(Self(if value == 0.0 { 0.0 } else { value }));
        }
        Err(Invalid::new("priority", "a finite number, lower runs first", value).code("invalid_priority"))
    }

    /// The number.
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl Default for Priority {
    fn default() -> Self {
        Self(5.0)
    }
}

impl Eq for Priority {}

impl Ord for Priority {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Priority {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Serialize for Priority {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Whole numbers read better without a fraction.
        if self.0.fract() == 0.0 && self.0.abs() < 1e15 {
            serializer.serialize_i64(self.0 as i64)
        } else {
            serializer.serialize_f64(self.0)
        }
    }
}

impl FromStr for Priority {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let number = named_priority(text).or_else(|| text.parse().ok());
        number.and_then(|value| Self::new(value).ok()).ok_or_else(|| {
            let expected = "a finite number, lower runs first, or one of high, normal, low";
            Invalid::new("priority", expected, format!("{text:?}")).code("invalid_priority")
        })
    }
}

/// Names for the priorities that people say most.
const NAMED_PRIORITIES: [(&str, f64); 3] = [("high", 1.0), ("normal", 5.0), ("low", 9.0)];

fn named_priority(name: &str) -> Option<f64> {
    NAMED_PRIORITIES.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

impl<'de> Deserialize<'de> for Priority {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Priority;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a finite number, lower runs first, or one of high, normal, low")
            }
            fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Priority, E> {
                Priority::new(value).map_err(|_| E::invalid_value(serde::de::Unexpected::Float(value), &self))
            }
            fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Priority, E> {
                self.visit_f64(value as f64)
            }
            fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Priority, E> {
                self.visit_f64(value as f64)
            }
            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Priority, E> {
                named_priority(name)
                    .map(Priority)
                    .ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(name), &self))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_back_as_they_were_given() {
        for text in [
            "0193e1a2-7b3c-7def-8123-456789abcdef",
            "0193E1A2-7B3C-7DEF-8123-456789ABCDEF",
            "order-17",
            "ids",
        ] {
            assert_eq!(JobId::parse(text).unwrap().to_string(), text);
        }
        let made = JobId::from_u128(0x0193_e1a2_7b3c_7def_8123_4567_89ab_cdef);
        assert_eq!(JobId::parse(&made.to_string()), Ok(made));
    }

    #[test]
    fn bad_ids_and_names_are_refused_with_what_was_expected() {
        for text in ["", "17", "a:b", "a\nb", " a", &"x".repeat(201)] {
            assert_eq!(JobId::parse(text).unwrap_err().code, "invalid_id", "{text:?}");
        }
        for text in ["", " mail", "mail\0", &"x".repeat(129)] {
            assert_eq!(QueueName::new(text).unwrap_err().code, "invalid_name", "{text:?}");
        }
        assert!(QueueName::new("mail:eu").is_ok());
    }

    #[test]
    fn priorities_are_finite_and_ordered() {
        assert!(Priority::new(f64::NAN).is_err() && Priority::new(f64::INFINITY).is_err());
        assert!(Priority::new(-1.5).unwrap() < Priority::default());
        assert_eq!(serde_json::from_str::<Priority>("\"high\"").unwrap(), Priority::new(1.0).unwrap());
        assert!(serde_json::from_str::<Priority>("\"urgent\"").is_err());
        assert_eq!(Priority::new(-0.0).unwrap(), Priority::new(0.0).unwrap());
    }
}
