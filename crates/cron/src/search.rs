use longshore_clock::Timestamp;
use serde::{Serialize, Serializer};

use crate::calendar::{DAY_S, Month};
use crate::days::Days;
use crate::times::Times;
use crate::zone::{REACH_S, SECOND_MAX, SECOND_MIN, Stretch};
use crate::{Cron, Zone, ZonedTime};

/// How far ahead one search looks unless told otherwise: nine years of 366 days, enough for 29 February around 2100.
pub const HORIZON_DAYS: u32 = 9 * 366;

/// A moment at which an expression is due. Serialised as its local time, RFC 3339 with offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// The moment, a whole second.
    pub at: Timestamp,
    /// Whether daylight saving had a hand in it.
    pub adjusted: Option<Adjusted>,
    pub(crate) offset_s: i32,
}

/// What a change of the clock did to a fixed time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Adjusted {
    /// At least one matching local time was skipped; this is the first instant after the gap.
    Gap,
    /// The local time comes twice; this is the first time.
    Overlap,
}

impl Occurrence {
    /// The moment on the clock of the zone it was found in.
    pub fn local(&self) -> ZonedTime {
        ZonedTime { at: self.at, offset_s: self.offset_s }
    }
}

impl Serialize for Occurrence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.local().serialize(serializer)
    }
}

impl Cron {
    /// Walks the moments strictly after `after`. They strictly increase, and each needs at most one step per day of
    /// the horizon.
    pub fn after<'a>(&'a self, zone: &'a Zone, after: Timestamp) -> Occurrences<'a> {
        let base = after.as_millis().div_euclid(1_000).clamp(SECOND_MIN, SECOND_MAX);
        let stretch = zone.stretch_at(base + 1);
        Occurrences {
            pages: Pages::new(&self.times, &self.days),
            fixed: !self.is_interval(),
            mark: reached(zone, stretch, base + 1),
            ahead: None,
            from: base + 1,
            end: SECOND_MAX,
            horizon_s: i64::from(HORIZON_DAYS) * DAY_S,
            stretches: 0,
            base,
            stretch,
            zone,
        }
    }

    /// The first moment strictly after `after`, or nothing within [`HORIZON_DAYS`].
    pub fn next_after(&self, zone: &Zone, after: Timestamp) -> Option<Occurrence> {
        self.after(zone, after).next()
    }
}

/// The first local second that no instant before `stretch` has shown, as far as that matters at `second`.
fn reached(zone: &Zone, stretch: Stretch, second: i64) -> i64 {
    let mut mark = i64::MIN;
    let mut earliest = stretch.start;
    while earliest > SECOND_MIN && second - earliest <= REACH_S {
        let before = zone.stretch_at(earliest - 1);
        mark = mark.max(before.local_end());
        earliest = before.start;
    }
    mark
}

/// The moments at which an expression is due, from [`Cron::after`]. Ends when nothing comes within the horizon
/// counted from the last moment found, or before the end that was set.
#[derive(Debug)]
pub struct Occurrences<'a> {
    zone: &'a Zone,
    pages: Pages<'a>,
    fixed: bool,
    /// The stretch that is being searched, and the one behind it if it is known.
    stretch: Stretch,
    ahead: Option<Stretch>,
    /// The first local second that the clock had not shown before this stretch.
    mark: i64,
    /// The next instant to look at, and from where the horizon counts.
    from: i64,
    base: i64,
    end: i64,
    horizon_s: i64,
    stretches: u64,
}

impl Occurrences<'_> {
    /// Ends before `end`.
    #[must_use]
    pub fn until(mut self, end: Timestamp) -> Self {
        // A moment inside a second ends behind the whole second at its beginning.
        let end = end.as_millis();
        self.end = (end.div_euclid(1_000) + i64::from(end.rem_euclid(1_000) != 0)).min(SECOND_MAX);
        self
    }

    /// Looks so many days ahead of each moment, instead of [`HORIZON_DAYS`].
    #[must_use]
    pub fn horizon_days(mut self, days: u32) -> Self {
        self.horizon_s = i64::from(days) * DAY_S;
        self
    }

    /// The work done so far: months looked at, and changes of the clock passed.
    pub fn steps(&self) -> u64 {
        self.pages.turned + self.stretches
    }

    fn search(&mut self) -> Option<Occurrence> {
        let end = self.end.min(self.base.saturating_add(self.horizon_s));
        while self.from < end {
            let Stretch { start, end: stretch_end, offset_s } = self.stretch;
            let mut local = self.from + offset_s;
            if self.fixed {
                let skipped = self.from == start && self.mark < self.stretch.local_start();
                if skipped && self.pages.first(self.mark, self.stretch.local_start()).is_some() {
                    return Some(self.found(start, Some(Adjusted::Gap)));
                }
                local = local.max(self.mark);
            }
            let local_end = stretch_end.min(end) + offset_s;
            if let Some(local) = self.pages.first(local, local_end) {
                let adjusted = (self.fixed && self.comes_again(local)).then_some(Adjusted::Overlap);
                return Some(self.found(local - offset_s, adjusted));
            }
            self.enter_next()?;
        }
        None
    }

    fn found(&mut self, second: i64, adjusted: Option<Adjusted>) -> Occurrence {
        self.base = second;
        self.from = second + 1;
        let at = Timestamp::from_millis(second * 1_000);
        Occurrence { at, adjusted, offset_s: self.stretch.offset_s as i32 }
    }

    fn enter_next(&mut self) -> Option<()> {
        let next = self.following()?;
        self.mark = self.mark.max(self.stretch.local_end());
        self.from = next.start;
        self.stretch = next;
        self.ahead = None;
        Some(())
    }

    fn following(&mut self) -> Option<Stretch> {
        if self.ahead.is_none() {
            self.stretches += 1;
            self.ahead = self.zone.stretch_after(&self.stretch);
        }
        self.ahead
    }

    /// Whether a later instant shows this local second again.
    fn comes_again(&mut self, local: i64) -> bool {
        let limit = local - self.stretch.offset_s + REACH_S;
        if self.stretch.end > limit {
            return false;
        }
        let mut ahead = self.following();
        while let Some(stretch) = ahead.filter(|stretch| stretch.start <= limit) {
            if (stretch.local_start()..stretch.local_end()).contains(&local) {
                return true;
            }
            ahead = self.zone.stretch_after(&stretch);
        }
        false
    }
}

impl Iterator for Occurrences<'_> {
    type Item = Occurrence;

    fn next(&mut self) -> Option<Occurrence> {
        self.search()
    }
}

/// The calendar of an expression, opened at one month.
#[derive(Debug)]
struct Pages<'a> {
    times: &'a Times,
    days: &'a Days,
    month: Month,
    /// The matching days of that month.
    matching: u32,
    turned: u64,
}

impl<'a> Pages<'a> {
    fn new(times: &'a Times, days: &'a Days) -> Self {
        let month = Month::of(0);
        Self { times, days, month, matching: days.of(month), turned: 0 }
    }

    fn open(&mut self, month: Month) {
        self.month = month;
        self.matching = self.days.of(month);
        self.turned += 1;
    }

    /// The first matching local second from `from` on and before `end`.
    fn first(&mut self, from: i64, end: i64) -> Option<i64> {
        if from >= end {
            return None;
        }
        let (day, second) = (from.div_euclid(DAY_S), from.rem_euclid(DAY_S));
        if day < self.month.first_day || day > self.month.last_day() {
            self.open(Month::of(day));
        }
        let date = day - self.month.first_day + 1;
        let today = self.matching >> date & 1 == 1;
        let found = match self.times.at_or_after(second).filter(|_| today) {
            Some(second) => day * DAY_S + second,
            None => self.day_from(date + 1, end)? * DAY_S + self.times.first(),
        };
        (found < end).then_some(found)
    }

    /// The first matching day from a date of the open month on.
    fn day_from(&mut self, date: i64, end: i64) -> Option<i64> {
        let mut rest = u32::MAX.checked_shl(date as u32).unwrap_or(0) & self.matching;
        while rest == 0 {
            let next = self.month.next();
            if next.first_day * DAY_S >= end {
                return None;
            }
            self.open(next);
            rest = self.matching;
        }
        Some(self.month.first_day + i64::from(rest.trailing_zeros()) - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The clock goes back from 2:00 to 1:00, and half an hour later ahead from 1:30 to 2:30.
    const BACK_AND_AHEAD: &str = "AAA0BBB1,M3.2.0/2,M3.2.0/1:30";
    /// The clock goes ahead from 2:00 to 3:00 on Sunday, and on Monday back from 3:00 to 2:00.
    const ONE_DAY: &str = "AAA0BBB-1,M3.2.0/2,M3.2.1/3";

    fn due(text: &str, rule: &str, start: &str) -> Vec<(String, Option<Adjusted>)> {
        let (cron, zone) = (Cron::parse(text).unwrap(), Zone::invented(rule));
        let walk = cron.after(&zone, start.parse().unwrap()).until("2025-03-10T12:00:00Z".parse().unwrap());
        walk.map(|found| (found.local().to_string()[8..16].to_owned(), found.adjusted)).collect()
    }

    #[test]
    fn a_gap_right_behind_an_overlap_skips_only_what_was_never_shown() {
        let (midnight, at_the_gap) = ("2025-03-09T00:00:00Z", "2025-03-09T02:29:59Z");
        let due = |text, start| due(text, BACK_AND_AHEAD, start);
        assert_eq!(due("45 1 9 * *", midnight), [("09T01:45".to_owned(), None)]);
        assert_eq!(due("45 1 9 * *", at_the_gap), []);
        assert_eq!(due("15 1 9 * *", midnight), [("09T01:15".to_owned(), Some(Adjusted::Overlap))]);
        for start in [midnight, at_the_gap] {
            assert_eq!(due("15 2 9 * *", start), [("09T02:30".to_owned(), Some(Adjusted::Gap))]);
        }
    }

    #[test]
    fn two_changes_on_two_days_are_told_apart() {
        let moved = ("09T03:00".to_owned(), Some(Adjusted::Gap));
        let first = ("10T02:30".to_owned(), Some(Adjusted::Overlap));
        assert_eq!(due("30 2 * * *", ONE_DAY, "2025-03-09T00:00:00Z"), [moved, first]);
        assert_eq!(due("30 2 * * *", ONE_DAY, "2025-03-10T02:10:00Z"), []);
    }
}
