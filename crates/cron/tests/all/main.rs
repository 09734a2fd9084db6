//! What expressions mean, where they are due, and what the calculator answers.

#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod broken;
mod calculator;
mod daylight;
mod grammar;
mod naive;
mod random;
mod rare;
mod reference;
mod validation;
mod words;

use longshore_clock::Timestamp;
use longshore_cron::{Adjusted, Cron, Zone};

fn cron(text: &str) -> Cron {
    Cron::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// What is due between two moments, written locally, with a mark where the clock had a hand in it.
fn due(text: &str, zone: &str, start: &str, end: &str) -> Vec<String> {
    let (cron, zone) = (cron(text), Zone::parse(zone).unwrap());
    let walk = cron.after(&zone, at(start)).until(at(end));
    let mark = |adjusted| match adjusted {
        None => "",
        Some(Adjusted::Gap) => " gap",
        Some(Adjusted::Overlap) => " overlap",
    };
    walk.map(|found| format!("{}{}", found.local(), mark(found.adjusted))).collect()
}
