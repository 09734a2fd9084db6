use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Invalid, Timestamp};

/// The fence: names one claim of one job. Opaque; a store makes it and recognises it, nobody else reads it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LeaseToken(u128);

impl LeaseToken {
    /// For stores: a place that the store finds again, and a nonce that no other claim of that place has.
    pub const fn new(place: u64, nonce: u64) -> Self {
        Self((place as u128) << 64 | nonce as u128)
    }

    /// The place the store put in.
    pub const fn place(self) -> u64 {
        (self.0 >> 64) as u64
    }

    /// The nonce the store put in.
    pub const fn nonce(self) -> u64 {
        self.0 as u64
    }
}

impl fmt::Display for LeaseToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for LeaseToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for LeaseToken {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let wrong =
            || Invalid::new("token", "the 32 hexadecimal digits of a lease token", format!("{text:?}"));
        if text.len() != 32 {
            return Err(wrong());
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_| wrong())
    }
}

impl Serialize for LeaseToken {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LeaseToken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A worker's time-limited right to one attempt at one job.
///
/// Not cloneable, and ending the attempt consumes it, so code that compiles cannot end one attempt twice. Across
/// processes the token does the same.
#[derive(Debug, PartialEq, Eq)]
pub struct Lease {
    /// The fence.
    pub token: LeaseToken,
    /// When the right ends unless it is renewed.
    pub until: Timestamp,
}
