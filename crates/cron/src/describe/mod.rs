//! Says in English what an expression means.
//!
//! Descriptions are made from the sets of values, not from how they were written, so two expressions that mean the
//! same read the same. What would take too many words is not described at all; nothing is rounded.

mod clock;
mod days;
mod shape;
mod words;

use crate::{Cron, Zone};

impl Cron {
    /// What the expression means, in English, with the zone: `at 09:00 on Monday through Friday (Europe/Paris)`.
    /// Never empty and never wrong: what takes too many words is `custom schedule: ` with the expression itself.
    pub fn describe(&self, zone: &Zone) -> String {
        let text = self.words().unwrap_or_else(|| format!("custom schedule: {self}"));
        format!("{text} ({zone})")
    }

    fn words(&self) -> Option<String> {
        let clock = clock::phrase(&self.times)?;
        let days = days::phrase(&self.days)?;
        let mut text = clock.text;
        if days.every_day && clock.names_times {
            text += " every day";
        }
        Some(text + &days.text)
    }
}
