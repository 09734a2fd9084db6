//! Times and durations for people.

use std::time::Duration;

use longshore_core::{Timestamp, format_duration};

/// `3s`, `2m`, `1h30m`: not more exact than one wants to read.
pub(crate) fn rough(duration: Duration) -> String {
    let seconds = match duration.as_secs() {
        0..120 => duration.as_secs(),
        seconds @ 120..7_200 => seconds / 60 * 60,
        seconds => seconds / 3_600 * 3_600,
    };
    if seconds == 0 { "0s".to_owned() } else { format_duration(Duration::from_secs(seconds)) }
}

/// `3s ago`.
pub(crate) fn ago(then: Timestamp, now: Timestamp) -> String {
    format!("{} ago", rough(now.since(then)))
}

/// Milliseconds with as many digits as say something.
pub(crate) fn millis(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1_000.0;
    if ms < 1.0 {
        return "<1 ms".to_owned();
    }
    if ms < 10.0 { format!("{ms:.1} ms") } else { format!("{ms:.0} ms") }
}

/// A time that may not have come.
pub(crate) fn or_dash(time: Option<Timestamp>) -> String {
    time.map_or_else(|| "-".to_owned(), |time| time.to_string())
}
