//! Days and months in words.

use super::shape::{Shape, parts};
use super::words::{and, counted, join, month, noun, ordinal, weekday};
use crate::days::{Days, MonthDays, Weekdays, members};

pub(super) struct Phrase {
    /// Begins with a blank, or is empty.
    pub(super) text: String,
    /// Whether neither kind of day is restricted.
    pub(super) every_day: bool,
}

/// Nothing if it would take too many words.
pub(super) fn phrase(days: &Days) -> Option<Phrase> {
    let months = months(days.months);
    let of_month =
        months.as_ref().map_or_else(|| " of the month".to_owned(), |months| format!(" of {months}"));
    let in_months = months.as_ref().map_or_else(String::new, |months| format!(" in {months}"));
    let only_in = months.as_ref().map_or_else(String::new, |months| format!(", only in {months}"));
    let (dates, weekdays) = (days.by_date, days.by_weekday);
    let text = match (dates.is_all(), weekdays.is_all()) {
        (true, true) => in_months,
        (false, true) => format!(" on {}{of_month}", and(&by_date(dates)?)),
        (true, false) => {
            let (plain, placed) = (plain(weekdays, "and"), placed(weekdays));
            let mut parts: Vec<_> = plain.map(|plain| format!("on {plain}{in_months}")).into_iter().collect();
            if !placed.is_empty() {
                parts.push(format!("on {}{of_month}", and(&placed)));
            }
            format!(" {}", and(&parts))
        }
        (false, false) => {
            let by_date = and(&by_date(dates)?);
            // Dates and weekdays that go together do so one by one: a day is never Monday and Friday.
            let last = if days.either { "and" } else { "or" };
            let mut which: Vec<_> = plain(weekdays, last).into_iter().collect();
            which.extend(placed(weekdays).into_iter().map(|day| day + " of the month"));
            let which = join(&which, last);
            if days.either {
                format!(" on {by_date} of the month and also on {which}{only_in}")
            } else {
                format!(" on {by_date} of the month, but only if that is {which}{only_in}")
            }
        }
    };
    Some(Phrase { text, every_day: dates.is_all() && weekdays.is_all() })
}

/// `January`, `March through May`, `November through February`; nothing if all are meant.
fn months(bits: u16) -> Option<String> {
    let name = |value| month(value).to_owned();
    (bits != 0b1_1111_1111_1110).then(|| named(u32::from(bits), 1, 12, name, "and"))
}

/// `Monday through Friday`, `Saturday and Sunday`; `last` stands before the last of a list.
fn plain(days: Weekdays, last: &str) -> Option<String> {
    // Monday first: Sunday counts as 7 here.
    let bits = u32::from(days.listed & 0x7e) | u32::from(days.listed & 1) << 7;
    (bits != 0).then(|| named(bits, 1, 7, |day| weekday(day).to_owned(), last))
}

/// `the second Monday`, `the last Friday`.
fn placed(days: Weekdays) -> Vec<String> {
    let mut placed = Vec::new();
    for (index, set) in days.nth.iter().enumerate() {
        placed.extend(
            members((*set).into()).map(|day| format!("the {} {}", ordinal(index), weekday(day.into()))),
        );
    }
    placed.extend(members(days.last.into()).map(|day| format!("the last {}", weekday(day.into()))));
    placed
}

/// A stretch of at least three that may go round the end, or a list.
fn named(bits: u32, low: u32, high: u32, word: impl Fn(u32) -> String, last: &str) -> String {
    let has = |value: u32| bits >> value & 1 == 1;
    let all: Vec<u32> = (low..=high).filter(|value| has(*value)).collect();
    let before = |value: u32| if value == low { high } else { value - 1 };
    let mut begins = all.iter().filter(|value| !has(before(**value)));
    if let (Some(&from), None, 3..) = (begins.next(), begins.next(), all.len()) {
        let to = low + (from - low + all.len() as u32 - 1) % (high - low + 1);
        return format!("{} through {}", word(from), word(to));
    }
    join(&all.into_iter().map(word).collect::<Vec<_>>(), last)
}

/// `day 1`, `days 1 and 15`, `the last day`, `the weekday nearest day 15`.
fn by_date(days: MonthDays) -> Option<Vec<String>> {
    let mut told = Vec::new();
    if days.listed != 0 {
        told.push(match Shape::of(days.listed.into(), 1, 31)? {
            Shape::Every => return None,
            Shape::Step(step) => format!("every {} day from day 1 through {}", counted(step), 32 - step),
            Shape::Progress { from, to, step } => {
                format!("every {} day from day {from} through {to}", counted(step))
            }
            Shape::Runs(runs) => {
                let one = days.listed.is_power_of_two();
                noun("day", &parts(&runs, |n| n.to_string()), one)
            }
        });
    }
    told.extend(members(days.last).map(last_day));
    told.extend(members(days.nearest).map(|day| format!("the weekday nearest day {day}")));
    told.extend(members(days.nearest_last).map(|before| match before {
        0 => "the last weekday".to_owned(),
        before => format!("the weekday nearest {}", last_day(before)),
    }));
    Some(told)
}

fn last_day(before: u8) -> String {
    match before {
        0 => "the last day".to_owned(),
        1 => "the day before the last day".to_owned(),
        before => format!("the {} day before the last day", counted(before.into())),
    }
}
