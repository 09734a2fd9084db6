//! The Gregorian calendar in days since 1970-01-01, as plain numbers.

pub(crate) const DAY_S: i64 = 86_400;
/// After so many years, and as many whole weeks, the calendar repeats itself.
pub(crate) const CYCLE_YEARS: i64 = 400;
pub(crate) const CYCLE_DAYS: i64 = 146_097;
/// From 0001-01-01 to 1970-01-01.
const EPOCH_DAYS: i64 = 719_162;
/// Days before each month of a common year, and the length of that year.
const BEFORE: [i64; 13] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365];

/// One month: where it lies and how its days fall on weekdays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Month {
    pub(crate) year: i64,
    /// 1 to 12.
    pub(crate) number: u8,
    /// Its first day, counted from the epoch.
    pub(crate) first_day: i64,
    pub(crate) length: u8,
    /// The weekday of the first, 0 is Sunday.
    pub(crate) first_weekday: u8,
}

impl Month {
    pub(crate) fn new(year: i64, month: u8) -> Self {
        let first_day = new_year(year) + before(year, month);
        let length = (before(year, month + 1) - before(year, month)) as u8;
        Self { year, number: month, first_day, length, first_weekday: weekday(first_day) }
    }

    /// The month in which a day lies.
    pub(crate) fn of(day: i64) -> Self {
        let mut year = ((day + EPOCH_DAYS) * CYCLE_YEARS).div_euclid(CYCLE_DAYS) + 1;
        // The mean year is at most a day or two off.
        while new_year(year) > day {
            year -= 1;
        }
        while new_year(year + 1) <= day {
            year += 1;
        }
        let day_of_year = day - new_year(year);
        let guess = (day_of_year / 32) as u8 + 1;
        let late = guess < 12 && before(year, guess + 1) <= day_of_year;
        Self::new(year, guess + u8::from(late))
    }

    pub(crate) fn next(self) -> Self {
        if self.number == 12 { Self::new(self.year + 1, 1) } else { Self::new(self.year, self.number + 1) }
    }

    pub(crate) fn last_day(self) -> i64 {
        self.first_day + i64::from(self.length) - 1
    }

    /// The weekday of a day of this month, 0 is Sunday.
    pub(crate) fn weekday(self, day: u8) -> u8 {
        (self.first_weekday + day - 1) % 7
    }
}

fn is_leap(year: i64) -> bool {
    year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0)
}

fn new_year(year: i64) -> i64 {
    let past = year - 1;
    past * 365 + past.div_euclid(4) - past.div_euclid(100) + past.div_euclid(400) - EPOCH_DAYS
}

fn before(year: i64, month: u8) -> i64 {
    BEFORE[usize::from(month - 1)] + i64::from(month > 2 && is_leap(year))
}

fn weekday(day: i64) -> u8 {
    // 1970 began on a Thursday.
    (day + 4).rem_euclid(7) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn every_month_of_two_cycles_agrees_with_another_calendar() {
        let mut month = Month::new(1600, 1);
        while month.year < 2400 {
            let other = date(month.year as i16, month.number as i8, 1);
            assert_eq!(i64::from(month.length), i64::from(other.days_in_month()), "{month:?}");
            assert_eq!(month.first_weekday as i8, other.weekday().to_sunday_zero_offset(), "{month:?}");
            let days = other.since(date(1970, 1, 1)).unwrap().get_days();
            assert_eq!(month.first_day, i64::from(days), "{month:?}");
            for day in [month.first_day, month.first_day + 14, month.last_day()] {
                assert_eq!(Month::of(day), month);
            }
            assert_eq!(month.next().first_day, month.last_day() + 1);
            month = month.next();
        }
        assert_eq!(Month::new(2000, 1).first_day - Month::new(1600, 1).first_day, CYCLE_DAYS);
    }
}
