//! Reads the dates of a request.

use jiff::SignedDuration;
use jiff::civil::DateTime;
use longshore_clock::Timestamp;
use longshore_core::Invalid;

use super::{CronRequest, limits};
use crate::Zone;

/// The range of a calculation; both ends are excluded.
#[derive(Debug)]
pub(super) struct Range {
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
}

impl Range {
    pub(super) fn read(request: &CronRequest, zone: &Zone, now: Timestamp) -> Result<Self, Invalid> {
        let start = match &request.start_date {
            Some(text) => moment("start_date", text, zone)?,
            None => jiff::Timestamp::from_millisecond(now.as_millis()).map_err(|_| {
                Invalid::new("start_date", "a time before the year 10000", now.as_millis())
                    .code("invalid_date")
            })?,
        };
        let end = match &request.end_date {
            Some(text) => moment("end_date", text, zone)?,
            None => later(start, limits::RANGE_DAYS),
        };
        let (length, day) = (end.duration_since(start), SignedDuration::from_hours(24));
        let range = Self { start: floor(start), end: ceil(end) };
        let wrong = |expected: String| {
            let got = format!("{} to {}", zone.at(range.start), zone.at(range.end));
            Err(Invalid::new("end_date", expected, got).code("invalid_range"))
        };
        if length <= SignedDuration::ZERO {
            return wrong("an end after the start".to_owned());
        }
        if length > day * limits::RANGE_DAYS_MAX as i32 {
            return wrong(format!("an end at most {} days after the start", limits::RANGE_DAYS_MAX));
        }
        Ok(range)
    }

    /// How many minutes a search that goes minute by minute would have looked at to come so far.
    pub(super) fn minutes_until(&self, reached: Timestamp) -> u64 {
        reached.since(self.start).as_secs() / 60
    }
}

/// RFC 3339 with an offset, or a local time of the zone. Of a time that comes twice the first is taken; one that is
/// skipped is shifted forward by the length of the gap.
fn moment(field: &str, text: &str, zone: &Zone) -> Result<jiff::Timestamp, Invalid> {
    let wrong = || {
        let expected =
            "an RFC 3339 time such as 2026-03-01T12:00:00Z, or a local time such as 2026-03-01T12:00:00";
        Invalid::new(field, expected, format!("{text:?}")).code("invalid_date")
    };
    // Years have four digits here, and a zone is named in one place only.
    if !text.starts_with(|c: char| c.is_ascii_digit()) || text.contains('[') {
        return Err(wrong());
    }
    if let Ok(moment) = text.parse() {
        return Ok(moment);
    }
    if !is_local(text) {
        return Err(wrong());
    }
    let clock: DateTime = text.parse().map_err(|_| wrong())?;
    zone.inner().to_ambiguous_timestamp(clock).compatible().map_err(|_| wrong())
}

/// Whether there is no offset behind the date and the time.
fn is_local(text: &str) -> bool {
    let behind_date = text.get(10..).unwrap_or_default();
    behind_date.chars().enumerate().all(|(index, c)| {
        c.is_ascii_digit() || c == ':' || c == '.' || index == 0 && matches!(c, 'T' | 't' | ' ')
    })
}

fn later(start: jiff::Timestamp, days: i64) -> jiff::Timestamp {
    start.saturating_add(SignedDuration::from_hours(24 * days)).unwrap_or(jiff::Timestamp::MAX)
}

fn floor(moment: jiff::Timestamp) -> Timestamp {
    Timestamp::from_millis(moment.as_nanosecond().div_euclid(1_000_000) as i64)
}

/// An end inside a millisecond still lies behind its beginning.
fn ceil(moment: jiff::Timestamp) -> Timestamp {
    Timestamp::from_millis((moment.as_nanosecond() + 999_999).div_euclid(1_000_000) as i64)
}
