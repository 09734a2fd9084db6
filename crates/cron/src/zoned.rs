use std::fmt;

use longshore_clock::Timestamp;
use serde::{Serialize, Serializer};

use crate::calendar::{DAY_S, Month};

/// A moment with the offset of a zone, written as RFC 3339: `2025-03-09T03:00:00-04:00`.
///
/// Offsets with seconds, which zones had long ago, are written to the minute; the moment stays exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZonedTime {
    /// The moment.
    pub at: Timestamp,
    pub(crate) offset_s: i32,
}

impl ZonedTime {
    /// Seconds east of UTC.
    pub fn offset_s(&self) -> i32 {
        self.offset_s
    }
}

impl fmt::Display for ZonedTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let offset_min = i64::from(self.offset_s) / 60;
        let local_ms = self.at.as_millis().saturating_add(offset_min * 60_000);
        let (second, millis) = (local_ms.div_euclid(1_000), local_ms.rem_euclid(1_000));
        let (day, time) = (second.div_euclid(DAY_S), second.rem_euclid(DAY_S));
        let month = Month::of(day);
        let date = day - month.first_day + 1;
        write!(f, "{:04}-{:02}-{date:02}", month.year, month.number)?;
        write!(f, "T{:02}:{:02}:{:02}", time / 3_600, time / 60 % 60, time % 60)?;
        if millis != 0 {
            write!(f, ".{millis:03}")?;
        }
        let sign = if offset_min < 0 { '-' } else { '+' };
        write!(f, "{sign}{:02}:{:02}", offset_min.abs() / 60, offset_min.abs() % 60)
    }
}

impl Serialize for ZonedTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
