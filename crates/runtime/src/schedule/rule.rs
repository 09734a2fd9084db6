use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use longshore_core::{DurationText, Invalid, Timestamp};
use longshore_cron::{Cron, Zone};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Schedule, Standing};

/// When a schedule is due.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Rule {
    /// Again and again after the same time, counted from nominal time to nominal time.
    Every {
        /// The time between two.
        every: DurationText,
        /// At once as well, and not only after the first interval.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        start_now: bool,
    },
    /// As a cron expression says.
    Cron {
        /// The expression.
        cron: Cron,
    },
}

impl Rule {
    /// Again and again after this time.
    pub fn every(interval: Duration) -> Self {
        Self::Every { every: DurationText(interval), start_now: false }
    }

    /// By a cron expression.
    pub fn cron(expression: &str) -> Result<Self, Invalid> {
        Ok(Self::Cron { cron: Cron::parse(expression).map_err(Invalid::from)? })
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every { every, .. } => {
                write!(f, "every {}", longshore_core::format_duration(every.0))
            }
            Self::Cron { cron } => write!(f, "{cron}"),
        }
    }
}

/// A part of the day, both ends included; it may go over midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRange {
    from_minute: u16,
    to_minute: u16,
}

impl TimeRange {
    fn holds(self, minute: u16) -> bool {
        if self.from_minute <= self.to_minute {
            (self.from_minute..=self.to_minute).contains(&minute)
        } else {
            minute >= self.from_minute || minute <= self.to_minute
        }
    }
}

fn clock_time(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let two = |part: &str| (part.len() == 2).then(|| part.parse::<u16>().ok()).flatten();
    let (hour, minute) = (two(hour)?, two(minute)?);
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

impl FromStr for TimeRange {
    type Err = Invalid;

    /// Reads `HH:MM-HH:MM`.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let ends = text.split_once('-').and_then(|(from, to)| Some((clock_time(from)?, clock_time(to)?)));
        let (from_minute, to_minute) = ends.ok_or_else(|| {
            Invalid::new("time_ranges", "two times of the day such as 09:00-17:30", format!("{text:?}"))
        })?;
        Ok(Self { from_minute, to_minute })
    }
}

impl Serialize for TimeRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        (text(self.from_minute), text(self.to_minute)).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for TimeRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let pair = <Vec<String>>::deserialize(deserializer)?;
        let [from, to] = <[String; 2]>::try_from(pair).map_err(|pair| {
            let expected = "expected a pair of times of the day such as [\"09:00\", \"17:30\"]";
            serde::de::Error::custom(format!("{expected}, got {} texts", pair.len()))
        })?;
        format!("{from}-{to}").parse().map_err(serde::de::Error::custom)
    }
}

/// Times of a cron rule outside all ranges that are passed over in search of one inside: more than a day of seconds.
const OUTSIDE_MAX: usize = 100_000;
/// The same for `every`, which is not looked at time by time.
const LEAPS_MAX: usize = 10_000;

impl Schedule {
    /// The first nominal time from now on; `every` counts from the anchor, which may lie in the past.
    pub(super) fn first(&self, anchor: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let begin = anchor.max(now);
        match &self.rule {
            Rule::Every { start_now: true, .. } if self.holds(begin) => Some(begin),
            Rule::Every { .. } => self.after(anchor, begin),
            // A cron time that is exactly the start counts.
            Rule::Cron { .. } => self.after(anchor, Timestamp::from_millis(begin.as_millis() - 1)),
        }
    }

    /// The first nominal time after a moment; `every` counts from the anchor.
    pub(super) fn after(&self, anchor: Timestamp, moment: Timestamp) -> Option<Timestamp> {
        match &self.rule {
            Rule::Every { every, .. } => {
                let step = (every.0.as_millis() as i64).max(1);
                let mut from = moment.as_millis();
                for _ in 0..LEAPS_MAX {
                    let steps = (from - anchor.as_millis()).div_euclid(step) + 1;
                    let time = Timestamp::from_millis(anchor.as_millis() + steps.max(1).saturating_mul(step));
                    if self.holds(time) {
                        return Some(time);
                    }
                    from = self.leap(time);
                }
                None
            }
            Rule::Cron { cron } => {
                let mut times = cron.after(&self.timezone, moment).take(OUTSIDE_MAX);
                times.find(|time| self.holds(time.at)).map(|time| time.at)
            }
        }
    }

    /// From where to look on after a time outside all ranges: right before the next minute, or a good while before the next
    /// range begins, because clocks may change on the way.
    fn leap(&self, time: Timestamp) -> i64 {
        const DAY: u16 = 1_440;
        const MARGIN: u16 = 180;
        let minute = minute_of_day(&self.timezone, time);
        let to_range = |range: &TimeRange| (range.from_minute + DAY - minute) % DAY;
        let minutes = self.time_ranges.iter().map(to_range).min().unwrap_or(0);
        let leap = i64::from(minutes.saturating_sub(MARGIN).max(1));
        (time.as_millis().div_euclid(60_000) + leap) * 60_000 - 1
    }

    /// Whether a time lies in one of the ranges.
    fn holds(&self, time: Timestamp) -> bool {
        if self.time_ranges.is_empty() {
            return true;
        }
        let minute = minute_of_day(&self.timezone, time);
        self.time_ranges.iter().any(|range| range.holds(minute))
    }
}

fn minute_of_day(zone: &Zone, time: Timestamp) -> u16 {
    // Its text is YYYY-MM-DDTHH:MM…
    let text = zone.at(time).to_string();
    text.get(11..16).and_then(clock_time).unwrap_or(0)
}

impl Standing {
    /// The nominal times that are due at a moment, the newest `most` of them, how many older ones there were, and the time
    /// that follows.
    pub(super) fn due(
        &self,
        schedule: &Schedule,
        now: Timestamp,
        most: usize,
    ) -> (Vec<Timestamp>, u64, Option<Timestamp>) {
        let (mut due, mut older) = (std::collections::VecDeque::new(), 0);
        let mut next = self.next_at;
        while let Some(time) =
            next.filter(|time| *time <= now && schedule.end_at.is_none_or(|end| *time <= end))
        {
            due.push_back(time);
            if due.len() > most {
                due.pop_front();
                older += 1;
            }
            next = schedule.after(self.anchor_at, time);
            if older as usize > OUTSIDE_MAX {
                // Long ago: what lies between is not counted one by one.
                next = schedule.after(self.anchor_at, now);
                break;
            }
        }
        (due.into(), older, next)
    }
}
