use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A moment, in whole milliseconds since 1970-01-01T00:00:00Z.
///
/// Written and read as RFC 3339 in UTC (`2026-03-01T12:00:00.250Z`). Arithmetic saturates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The first moment there is.
    pub const ZERO: Self = Self(0);
    /// Later than any time a user can name.
    pub const MAX: Self = Self(i64::MAX);
    /// The last moment that RFC 3339 can write, the end of the year 9999.
    const LAST_WRITABLE: i64 = 253_402_300_799_999;

    /// From milliseconds since the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Seconds since the epoch, with the milliseconds as a fraction.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// The time from `earlier` to `self`, or zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0).max(0) as u64)
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl Add<Duration> for Timestamp {
    type Output = Self;
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;
    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis(duration)))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = jiff::Timestamp::from_millisecond(self.0.clamp(0, Self::LAST_WRITABLE))
            .map_err(|_| fmt::Error)?;
        write!(f, "{shown:.3}")
    }
}

/// A text that is not an RFC 3339 time with an offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimestampError(String);

impl fmt::Display for TimestampError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected an RFC 3339 time such as 2026-03-01T12:00:00Z, got {:?}", self.0)
    }
}

impl std::error::Error for TimestampError {}

/// Whether a time that could be read has the form of RFC 3339, and not another one of ISO 8601.
fn is_rfc_3339(text: &str) -> bool {
    let fits = |text: &str, form: &str| {
        text.len() == form.len()
            && text.bytes().zip(form.bytes()).all(|(byte, form)| match form {
                b'0' => byte.is_ascii_digit(),
                b'T' => matches!(byte, b'T' | b't' | b' '),
                other => byte == other,
            })
    };
    let Some((time, rest)) = text.split_at_checked(19) else { return false };
    let offset = rest.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let fraction = &rest[..rest.len() - offset.len()];
    let hours = offset.get(1..3).and_then(|hours| hours.parse::<u8>().ok());
    let is_offset = matches!(offset, "Z" | "z")
        || (fits(offset, "+00:00") || fits(offset, "-00:00")) && hours.is_some_and(|hours| hours < 24);
    let is_fraction = fraction.is_empty()
        || fraction.starts_with('.') && fraction.rfind('.') == Some(0) && fraction.len() > 1;
    fits(time, "0000-00-00T00:00:00") && is_fraction && is_offset
}

impl FromStr for Timestamp {
    type Err = TimestampError;
    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let wrong = || TimestampError(text.chars().take(64).collect());
        let parsed: jiff::Timestamp = text.parse().map_err(|_| wrong())?;
        if !is_rfc_3339(text) {
            return Err(wrong());
        }
        Ok(Self(parsed.as_millisecond()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let moment = Timestamp::from_millis(1_772_366_400_250);
        assert_eq!(moment.to_string(), "2026-03-01T12:00:00.250Z");
        assert_eq!(moment.to_string().parse(), Ok(moment));
        assert_eq!("2026-03-01T13:00:00.25+01:00".parse(), Ok(moment));
    }

    #[test]
    fn refuses_a_time_without_an_offset() {
        for other in
            ["2030-01-01T00:00:00+25:00", "20300101T000000Z", "2030-01-01T00:00Z", "2030-01-01T00:00:00.Z"]
        {
            assert!(other.parse::<Timestamp>().is_err(), "{other}");
        }
        let refused = "2026-03-01T12:00:00".parse::<Timestamp>().unwrap_err();
        assert!(refused.to_string().contains("got \"2026-03-01T12:00:00\""));
    }

    #[test]
    fn saturates_instead_of_wrapping() {
        assert_eq!(Timestamp::MAX + Duration::MAX, Timestamp::MAX);
        assert_eq!(Timestamp::ZERO.since(Timestamp::MAX), Duration::ZERO);
    }
}
