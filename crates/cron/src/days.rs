//! The days that an expression names, month by month.

use crate::calendar::Month;
use crate::field::Field;
use crate::item::Item;

const SATURDAY: u8 = 6;
const SUNDAY: u8 = 0;
/// Days a week apart.
const WEEKS: u32 = 1 | 1 << 7 | 1 << 14 | 1 << 21 | 1 << 28;

/// Months, days of the month and days of the week, and how the two kinds of days go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Days {
    /// Bits 1 to 12.
    pub(crate) months: u16,
    pub(crate) by_date: MonthDays,
    pub(crate) by_weekday: Weekdays,
    /// Whether one of the two suffices, because both are restricted.
    pub(crate) either: bool,
}

/// Days counted from the ends of the month. Bits are days, or days before the last one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct MonthDays {
    pub(crate) listed: u32,
    pub(crate) last: u32,
    pub(crate) nearest: u32,
    pub(crate) nearest_last: u32,
}

/// Days of the week; bit 0 is Sunday.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Weekdays {
    pub(crate) listed: u8,
    pub(crate) last: u8,
    /// The first to the fifth of the month.
    pub(crate) nth: [u8; 5],
}

impl Days {
    /// `either` is whether neither field begins with a star.
    pub(crate) fn new(months: u16, by_date: MonthDays, by_weekday: Weekdays, either: bool) -> Self {
        if either && (by_date.is_all() || by_weekday.is_all()) {
            // Every day is one of the two, however it is written.
            return Self { months, by_date: MonthDays::ALL, by_weekday: Weekdays::ALL, either: false };
        }
        Self { months, by_date, by_weekday, either }
    }

    /// The days of a month that match, as bits 1 to 31.
    pub(crate) fn of(&self, month: Month) -> u32 {
        if self.months >> month.number & 1 == 0 {
            return 0;
        }
        let (by_date, by_weekday) = (self.by_date.of(month), self.by_weekday.of(month));
        if self.either { by_date | by_weekday } else { by_date & by_weekday }
    }

    /// Whether no date of the whole calendar matches. A year is one of 14: common or leap, beginning on one of seven
    /// weekdays; each of them occurs, so looking at all months of these is exact.
    pub(crate) fn never(&self) -> bool {
        // 2000 to 2027 hold every kind.
        (2000..2028).all(|year| (1..=12).all(|month| self.of(Month::new(year, month)) == 0))
    }
}

impl MonthDays {
    pub(crate) const ALL: Self = Self { listed: u32::MAX - 1, last: 0, nearest: 0, nearest_last: 0 };

    pub(crate) fn new(items: &[Item]) -> Self {
        let mut days = Self::default();
        for item in items {
            match *item {
                Item::Last(before) => days.last |= 1 << before,
                Item::Nearest(day) => days.nearest |= 1 << day,
                Item::NearestLast(before) => days.nearest_last |= 1 << before,
                plain => days.listed |= plain.bits(Field::DayOfMonth) as u32,
            }
        }
        if days.is_all() { Self::ALL } else { days }
    }

    pub(crate) fn is_all(self) -> bool {
        self.listed == Self::ALL.listed
    }

    fn of(self, month: Month) -> u32 {
        let mut days = self.listed & all(month);
        for before in members(self.last) {
            if before < month.length {
                days |= 1 << (month.length - before);
            }
        }
        for day in members(self.nearest) {
            if day <= month.length {
                days |= 1 << nearest_weekday(month, day);
            }
        }
        for before in members(self.nearest_last) {
            if before < month.length {
                days |= 1 << nearest_weekday(month, month.length - before);
            }
        }
        days
    }
}

impl Weekdays {
    pub(crate) const ALL: Self = Self { listed: 0x7f, last: 0, nth: [0; 5] };

    pub(crate) fn new(items: &[Item]) -> Self {
        let mut days = Self::default();
        for item in items {
            match *item {
                Item::LastWeekday(day) => days.last |= 1 << day,
                Item::Nth(day, which) => days.nth[usize::from(which) - 1] |= 1 << day,
                plain => days.listed |= plain.bits(Field::DayOfWeek) as u8,
            }
        }
        if days.is_all() { Self::ALL } else { days }
    }

    pub(crate) fn is_all(self) -> bool {
        self.listed == Self::ALL.listed
    }

    fn of(self, month: Month) -> u32 {
        if self.is_all() {
            return all(month);
        }
        let first = |weekday: u8| 1 + (weekday + 7 - month.first_weekday) % 7;
        let mut days = members(self.listed.into()).fold(0, |days, weekday| days | WEEKS << first(weekday));
        for weekday in members(self.last.into()) {
            let first = first(weekday);
            days |= 1 << (first + (month.length - first) / 7 * 7);
        }
        for (weeks, set) in self.nth.iter().enumerate() {
            for weekday in members((*set).into()) {
                days |= 1u32.checked_shl(u32::from(first(weekday)) + 7 * weeks as u32).unwrap_or(0);
            }
        }
        days & all(month)
    }
}

/// The nearest day from Monday to Friday, without leaving the month.
fn nearest_weekday(month: Month, day: u8) -> u8 {
    match month.weekday(day) {
        SATURDAY if day == 1 => 3,
        SATURDAY => day - 1,
        SUNDAY if day == month.length => day - 2,
        SUNDAY => day + 1,
        _ => day,
    }
}

/// Every day of a month.
pub(crate) fn all(month: Month) -> u32 {
    ((1u64 << (month.length + 1)) - 2) as u32
}

/// The bits that are set, from the lowest on.
pub(crate) fn members(mut bits: u32) -> impl Iterator<Item = u8> {
    std::iter::from_fn(move || {
        let lowest = (bits != 0).then(|| bits.trailing_zeros() as u8)?;
        bits &= bits - 1;
        Some(lowest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn twenty_eight_years_hold_every_kind_of_year() {
        let kinds: BTreeSet<_> = (2000..2028)
            .map(|year| (Month::new(year, 1).first_weekday, Month::new(year, 2).length))
            .collect();
        assert_eq!(kinds.len(), 14);
    }
}
