use serde::Serialize;

use crate::Cron;
use crate::calendar::{CYCLE_DAYS, CYCLE_YEARS, DAY_S, Month};
use crate::days::{all, members};

/// How often an expression is due, by the local clock and over the whole cycle of the calendar (400 years), so that
/// the answer is exact and does not depend on the present. Changes of the clock are not counted in.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Frequency {
    /// In words: `every 5 minutes`, `every day, irregular` and the like; `Unknown` if it is never due.
    pub description: String,
    /// Minutes between two moments in the mean, to two decimals; 0 if it is never due.
    pub avg_interval_minutes: f64,
    /// The shortest time between two moments, in minutes to two decimals.
    pub min_interval_minutes: f64,
    /// The longest time between two moments, in minutes to two decimals.
    pub max_interval_minutes: f64,
    /// Whether all intervals are the same.
    pub regular: bool,
}

impl Cron {
    /// How often it is due.
    pub fn frequency(&self) -> Frequency {
        let Some(days) = Gaps::of(self) else {
            return Frequency {
                description: "Unknown".to_owned(),
                avg_interval_minutes: 0.0,
                min_interval_minutes: 0.0,
                max_interval_minutes: 0.0,
                regular: false,
            };
        };
        let over_night = self.times.first() - self.times.last();
        let mut shortest_s = days.shortest * DAY_S + over_night;
        let mut longest_s = days.longest * DAY_S + over_night;
        if let Some((low, high)) = self.times.gaps() {
            shortest_s = shortest_s.min(low);
            longest_s = longest_s.max(high);
        }
        let mean_s = (CYCLE_DAYS * DAY_S) as f64 / (days.count * self.times.count()) as f64;
        let regular = shortest_s == longest_s;
        Frequency {
            description: describe(mean_s, regular),
            avg_interval_minutes: minutes(mean_s),
            min_interval_minutes: minutes(shortest_s as f64),
            max_interval_minutes: minutes(longest_s as f64),
            regular,
        }
    }
}

fn minutes(seconds: f64) -> f64 {
    (seconds / 60.0 * 100.0).round() / 100.0
}

fn describe(mean_s: f64, regular: bool) -> String {
    let every = |length_s: f64, unit: &str| match (mean_s / length_s) as i64 {
        1 => format!("every {unit}"),
        n => format!("every {n} {unit}s"),
    };
    let mut text = if mean_s < 60.0 {
        "every minute or more often".to_owned()
    } else if mean_s < 3_600.0 {
        every(60.0, "minute")
    } else if mean_s < 86_400.0 {
        every(3_600.0, "hour")
    } else {
        every(86_400.0, "day")
    };
    if !regular {
        text += ", irregular";
    }
    text
}

/// How many days of the cycle match, and how far apart they are.
struct Gaps {
    count: i64,
    shortest: i64,
    longest: i64,
}

impl Gaps {
    /// Nothing if no day matches.
    fn of(cron: &Cron) -> Option<Self> {
        let (mut first, mut last) = (None, 0);
        let mut gaps = Self { count: 0, shortest: i64::MAX, longest: 0 };
        let mut month = Month::new(2000, 1);
        while month.year < 2000 + CYCLE_YEARS {
            let matching = cron.days.of(month);
            let full = matching == all(month) && first.is_some();
            // The days of a full month have one distance but for its first, so two of them tell it all.
            let looked_at = if full { 0b110 } else { matching };
            for day in members(looked_at).map(|day| month.first_day + i64::from(day)) {
                match first {
                    None => first = Some(day),
                    Some(_) => gaps.add(day - last),
                }
                last = day;
            }
            if full {
                last = month.last_day() + 1;
            }
            gaps.count += i64::from(matching.count_ones());
            month = month.next();
        }
        // The cycle closes: behind its last day comes its first.
        gaps.add(first? + CYCLE_DAYS - last);
        Some(gaps)
    }

    fn add(&mut self, days: i64) {
        self.shortest = self.shortest.min(days);
        self.longest = self.longest.max(days);
    }
}
