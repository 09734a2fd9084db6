//! Expressions as data, with a meaning that is read off their definition.

use std::fmt;

use jiff::civil::{Date, DateTime};

const MONTHS: [&str; 12] =
    ["jan", "Feb", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "dec"];
const WEEKDAYS: [&str; 7] = ["SUN", "Mon", "TUE", "WED", "THU", "fri", "SAT"];

#[derive(Clone, Debug)]
pub(crate) enum Item {
    Star,
    StarStep(u32),
    One(u32),
    From(u32, u32),
    Range(u32, u32),
    RangeStep(u32, u32, u32),
    Last(u32),
    Nearest(u32),
    NearestLast(u32),
    LastWeekday(u32),
    Nth(u32, u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Sixty,
    Hour,
    Date,
    Month,
    Weekday,
}

impl Kind {
    pub(crate) fn bounds(self) -> (u32, u32) {
        match self {
            Self::Sixty => (0, 59),
            Self::Hour => (0, 23),
            Self::Date => (1, 31),
            Self::Month => (1, 12),
            Self::Weekday => (0, 6),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Field(pub(crate) Kind, pub(crate) Vec<Item>);

impl Field {
    fn is_star(&self) -> bool {
        matches!(self.1[0], Item::StarStep(_)) || self.is_plain_star()
    }

    /// One item that says everything makes the field say nothing else.
    fn is_plain_star(&self) -> bool {
        self.1.iter().any(|item| matches!(item, Item::Star | Item::StarStep(1)))
    }

    fn is_interval(&self) -> bool {
        self.is_plain_star() || matches!(self.1.as_slice(), [Item::StarStep(_)])
    }

    fn has(&self, value: u32) -> bool {
        self.1.iter().any(|item| self.item_has(item, value))
    }

    fn item_has(&self, item: &Item, value: u32) -> bool {
        let (low, high) = self.0.bounds();
        match *item {
            Item::Star => true,
            Item::StarStep(step) => (value - low).is_multiple_of(step),
            Item::One(one) => one == value,
            Item::From(from, step) => value >= from && (value - from).is_multiple_of(step),
            Item::Range(from, to) => walk(from, to, low, high).contains(&value),
            Item::RangeStep(from, to, step) => {
                walk(from, to, low, high).iter().step_by(step as usize).any(|seen| *seen == value)
            }
            _ => false,
        }
    }

    /// Whether a date matches, for the two fields of days.
    fn has_date(&self, date: Date) -> bool {
        let (day, length) = (date.day() as u32, date.days_in_month() as u32);
        let weekday = date.weekday().to_sunday_zero_offset() as u32;
        self.1.iter().any(|item| match *item {
            Item::Last(before) => day + before == length,
            Item::Nearest(wanted) => nearest(date, wanted) == Some(day),
            Item::NearestLast(before) => length > before && nearest(date, length - before) == Some(day),
            Item::LastWeekday(wanted) => weekday == wanted && day + 7 > length,
            Item::Nth(wanted, which) => weekday == wanted && (day - 1) / 7 + 1 == which,
            _ if self.0 == Kind::Date => self.item_has(item, day),
            _ => self.item_has(item, weekday),
        })
    }
}

/// From one value on until the other, going round.
fn walk(from: u32, to: u32, low: u32, high: u32) -> Vec<u32> {
    let mut seen = vec![from];
    while seen[seen.len() - 1] != to {
        let last = seen[seen.len() - 1];
        seen.push(if last == high { low } else { last + 1 });
    }
    seen
}

/// Of the days from Monday to Friday in this month, the one with the smallest distance.
fn nearest(date: Date, wanted: u32) -> Option<u32> {
    let length = date.days_in_month() as u32;
    let first = date.first_of_month().weekday().to_sunday_zero_offset() as u32;
    let working = (1..=length).filter(|day| (1..=5).contains(&((first + day - 1) % 7)));
    (wanted <= length).then(|| working.min_by_key(|day| day.abs_diff(wanted)))?
}

#[derive(Clone, Debug)]
pub(crate) struct Expression {
    pub(crate) second: Option<Field>,
    pub(crate) minute: Field,
    pub(crate) hour: Field,
    pub(crate) date: Field,
    pub(crate) month: Field,
    pub(crate) weekday: Field,
}

impl Expression {
    pub(crate) fn is_interval(&self) -> bool {
        self.minute.is_interval() || self.hour.is_interval()
    }

    pub(crate) fn has(&self, local: DateTime) -> bool {
        let second = match &self.second {
            Some(field) => field.has(local.second() as u32),
            None => local.second() == 0,
        };
        second
            && self.minute.has(local.minute() as u32)
            && self.hour.has(local.hour() as u32)
            && self.has_date(local.date())
    }

    pub(crate) fn has_date(&self, date: Date) -> bool {
        let (by_date, by_weekday) = (self.date.has_date(date), self.weekday.has_date(date));
        let both = self.date.is_star() || self.weekday.is_star();
        let day = if both { by_date && by_weekday } else { by_date || by_weekday };
        day && self.month.has(date.month() as u32)
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |value: u32| match self.0 {
            // Names and numbers, odd spellings of zero and seven: all of them are written somewhere.
            Kind::Month if value.is_multiple_of(2) => MONTHS[value as usize - 1].to_owned(),
            Kind::Weekday if value % 2 == 1 => WEEKDAYS[value as usize].to_owned(),
            Kind::Weekday if value == 0 && self.1.len() == 2 => "7".to_owned(),
            Kind::Sixty if value == 7 => "07".to_owned(),
            _ => value.to_string(),
        };
        for (index, item) in self.1.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            match *item {
                Item::Star if matches!(self.0, Kind::Date | Kind::Weekday) => f.write_str("?"),
                Item::Star => f.write_str("*"),
                Item::StarStep(step) => write!(f, "*/{step}"),
                Item::One(value) => f.write_str(&name(value)),
                Item::From(from, step) => write!(f, "{}/{step}", name(from)),
                // From 0 to 7 would be the whole week.
                Item::Range(0, 0) if self.0 == Kind::Weekday => f.write_str("7-SUN"),
                Item::Range(from, to) => write!(f, "{}-{}", name(from), name(to)),
                Item::RangeStep(from, to, step) => write!(f, "{}-{}/{step}", name(from), to),
                Item::Last(0) => f.write_str("L"),
                Item::Last(before) => write!(f, "L-{before}"),
                Item::Nearest(day) => write!(f, "{day}W"),
                Item::NearestLast(0) => f.write_str("LW"),
                Item::NearestLast(before) => write!(f, "l-{before}w"),
                Item::LastWeekday(day) => write!(f, "{}L", name(day)),
                Item::Nth(day, which) => write!(f, "{}#{which}", name(day)),
            }?;
        }
        Ok(())
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(second) = &self.second {
            write!(f, "{second} ")?;
        }
        write!(f, "{} {} {} {} {}", self.minute, self.hour, self.date, self.month, self.weekday)
    }
}
