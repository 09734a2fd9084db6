use std::fmt;

const MONTHS: &[&str] = &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: &[&str] = &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// One of the fields of an expression, in the order in which they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// 0 to 59; written only in expressions of six fields, and then first.
    Second,
    /// 0 to 59.
    Minute,
    /// 0 to 23.
    Hour,
    /// 1 to 31.
    DayOfMonth,
    /// 1 to 12, or JAN to DEC.
    Month,
    /// 0 to 6 from Sunday on, or SUN to SAT; 7 is Sunday as well.
    DayOfWeek,
    /// What some systems write seventh; always refused.
    Year,
    /// The text as a whole, where it has no fields (`@daily`).
    Expression,
}

impl Field {
    /// What may be written, in order.
    pub(crate) const WRITTEN: [Self; 7] =
        [Self::Second, Self::Minute, Self::Hour, Self::DayOfMonth, Self::Month, Self::DayOfWeek, Self::Year];

    /// The name that errors show, such as `day-of-month`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::DayOfMonth => "day-of-month",
            Self::Month => "month",
            Self::DayOfWeek => "day-of-week",
            Self::Year => "year",
            Self::Expression => "expression",
        }
    }

    /// The smallest and the largest value. Sunday counts as 0 here.
    pub(crate) const fn bounds(self) -> (u8, u8) {
        match self {
            Self::Hour => (0, 23),
            Self::DayOfMonth => (1, 31),
            Self::Month => (1, 12),
            Self::DayOfWeek => (0, 6),
            Self::Second | Self::Minute | Self::Year | Self::Expression => (0, 59),
        }
    }

    /// The value that a name of three letters stands for, in any case.
    pub(crate) fn named(self, text: &str) -> Option<u8> {
        let (names, first) = match self {
            Self::Month => (MONTHS, 1),
            Self::DayOfWeek => (WEEKDAYS, 0),
            _ => return None,
        };
        let index = names.iter().position(|name| name.eq_ignore_ascii_case(text))?;
        Some(index as u8 + first)
    }

    /// What one value looks like, for errors.
    pub(crate) const fn value_expected(self) -> &'static str {
        match self {
            Self::Second => "a second from 0 to 59",
            Self::Minute => "a minute from 0 to 59",
            Self::Hour => "an hour from 0 to 23",
            Self::DayOfMonth => "a day from 1 to 31",
            Self::Month => "a month from 1 to 12 or JAN to DEC",
            Self::DayOfWeek => "a weekday from 0 to 7 or SUN to SAT",
            Self::Year | Self::Expression => "a cron expression",
        }
    }

    /// What the field takes besides values, for hints.
    pub(crate) const fn hint(self) -> &'static str {
        match self {
            Self::Second | Self::Minute | Self::Hour => "write *, 5, 1-5, */5, 10-30/5 or a list of these",
            Self::DayOfMonth => "write *, 5, 1-5, */5, L (the last day), L-3, 15W, LW or a list of these",
            Self::Month => "write *, 5, 1-5, */5, JAN-MAR or a list of these; names have three letters",
            Self::DayOfWeek => {
                "write *, 5, MON-FRI, 5L (the last Friday), MON#2 (the second Monday) or a list of these; names have three letters"
            }
            Self::Year | Self::Expression => {
                "write minute, hour, day of month, month and day of week, such as 30 2 * * MON"
            }
        }
    }

    pub(crate) const fn is_day(self) -> bool {
        matches!(self, Self::DayOfMonth | Self::DayOfWeek)
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
