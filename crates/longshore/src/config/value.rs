use std::fmt;
use std::time::Duration;

use longshore_core::format_duration;
use serde::{Serialize, Serializer};

use super::bytes;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The manual.
    Default,
    /// A file, and the line in it.
    File(String, usize),
    /// A variable of the environment.
    Variable(String),
    /// A flag of the command line.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(name, line) => write!(f, "{name}:{line}"),
            Self::Variable(name) => f.write_str(name),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// A value as it was written, before anybody knows what it should be.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Raw {
    /// A text, a number or a switch.
    Text(String),
    /// A list of these.
    List(Vec<String>),
    /// Something that no key takes.
    Other(&'static str),
}

impl Raw {
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Text(text) if text.is_empty() => "an empty text".to_owned(),
            Self::Text(text) => text.clone(),
            Self::List(list) => format!("[{}]", list.join(", ")),
            Self::Other(what) => format!("a {what}"),
        }
    }
}

/// A value that its key understands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// A text.
    Text(String),
    /// A text that is not shown.
    Secret(String),
    /// A time.
    Duration(Duration),
    /// A whole number.
    Count(u64),
    /// A part of a whole.
    Share(f64),
    /// A size.
    Bytes(u64),
    /// Names.
    Names(Vec<String>),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.pad(text),
            Self::Secret(text) => f.pad(if text.is_empty() { "" } else { "(not shown)" }),
            Self::Duration(duration) => f.pad(&format_duration(*duration)),
            Self::Count(count) => f.pad(&count.to_string()),
            Self::Share(share) => f.pad(&share.to_string()),
            Self::Bytes(size) => f.pad(&bytes::format(*size)),
            Self::Names(names) => f.pad(&format!("[{}]", names.join(", "))),
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Count(count) | Self::Bytes(count) => serializer.serialize_u64(*count),
            Self::Share(share) => serializer.serialize_f64(*share),
            Self::Names(names) => names.serialize(serializer),
            Self::Text(_) | Self::Secret(_) | Self::Duration(_) => serializer.collect_str(self),
        }
    }
}
