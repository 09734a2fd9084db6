use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Invalid;
use crate::limits::DURATION_MAX;

const UNITS: [(&str, f64); 6] =
    [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3_600.0), ("d", 86_400.0), ("w", 604_800.0)];

/// Reads a duration: a number with a unit (`300ms`, `1.5s`, `5m`, `2h`, `1d`, `1w`), several of them (`1h30m`), or a
/// bare number of seconds. Never negative, at most ten years.
pub fn parse_duration(text: &str) -> Result<Duration, Invalid> {
    let wrong = || {
        Invalid::new(
            "",
            "a duration such as \"300ms\", \"5m\" or a number of seconds, not negative",
            format!("{text:?}"),
        )
        .code("invalid_duration")
    };
    let trimmed = text.trim();
    if let Ok(seconds) = trimmed.parse::<f64>() {
        return from_seconds(seconds, text);
    }
    let mut rest = trimmed;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let factor = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?.1;
        seconds += number.parse::<f64>().map_err(|_| wrong())? * factor;
        rest = tail.trim_start();
    }
    if trimmed.is_empty() { Err(wrong()) } else { from_seconds(seconds, text) }
}

/// `got` is how it was written.
fn from_seconds(seconds: f64, got: impl fmt::Debug) -> Result<Duration, Invalid> {
    let most = DURATION_MAX.as_secs_f64();
    if (0.0..=most).contains(&seconds) {
        return Ok(Duration::from_millis((seconds * 1000.0).round() as u64));
    }
    let expected = format!("a duration from 0 to {}", format_duration(DURATION_MAX));
    Err(Invalid::new("", expected, format!("{got:?}")).code("invalid_duration"))
}

/// Writes a duration the way [`parse_duration`] reads it: `300ms`, `1.5s`, `5m`, `1h30m`.
pub fn format_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    if millis < 1_000 {
        return format!("{millis}ms");
    }
    if !millis.is_multiple_of(1_000) {
        return format!("{}s", millis as f64 / 1000.0);
    }
    let mut seconds = millis / 1_000;
    let mut text = String::new();
    for (unit, length) in [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)] {
        if seconds >= length {
            text += &format!("{}{unit}", seconds / length);
            seconds %= length;
        }
    }
    text
}

/// Refuses a duration that is longer than any may be.
pub fn check_duration(field: &str, duration: Duration) -> Result<(), Invalid> {
    if duration <= DURATION_MAX {
        return Ok(());
    }
    let expected = format!("at most {}", format_duration(DURATION_MAX));
    Err(Invalid::new(field, expected, format_duration(duration)).code("invalid_duration"))
}

/// A duration in JSON: read from a number of seconds or a text such as `"5m"`, written as a number of seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DurationText(pub Duration);

impl Serialize for DurationText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let millis = self.0.as_millis() as u64;
        if millis.is_multiple_of(1_000) {
            serializer.serialize_u64(millis / 1_000)
        } else {
            serializer.serialize_f64(millis as f64 / 1000.0)
        }
    }
}

impl<'de> Deserialize<'de> for DurationText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = DurationText;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of seconds or a text such as \"300ms\" or \"5m\", not negative")
            }
            fn visit_f64<E: serde::de::Error>(self, seconds: f64) -> Result<DurationText, E> {
                from_seconds(seconds, seconds).map(DurationText).map_err(E::custom)
            }
            fn visit_u64<E: serde::de::Error>(self, seconds: u64) -> Result<DurationText, E> {
                from_seconds(seconds as f64, seconds).map(DurationText).map_err(E::custom)
            }
            fn visit_i64<E: serde::de::Error>(self, seconds: i64) -> Result<DurationText, E> {
                from_seconds(seconds as f64, seconds).map(DurationText).map_err(E::custom)
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<DurationText, E> {
                parse_duration(text).map(DurationText).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_and_without_units() {
        for (text, millis) in
            [("300ms", 300), ("1.5s", 1_500), ("5m", 300_000), ("1h30m", 5_400_000), ("2", 2_000), ("0", 0)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "-1", "5 parsecs", "m", "1e400", "NaN", "11y", "9999999999"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
        for text in ["11y", "5 parsecs"] {
            assert!(parse_duration(text).unwrap_err().to_string().contains("such as"), "{text}");
        }
        for text in ["-1", "1e400", "9999999999", "4000d"] {
            assert!(parse_duration(text).unwrap_err().to_string().contains("from 0 to 3660d"), "{text}");
        }
    }

    #[test]
    fn what_is_written_can_be_read() {
        for millis in [0, 7, 999, 1_000, 1_500, 90_000, 5_400_000, 86_400_000] {
            let duration = Duration::from_millis(millis);
            assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }
    }
}
