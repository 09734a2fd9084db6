use longshore_clock::Timestamp;
use longshore_core::Invalid;
use serde::Serialize;
use std::time::Duration;

use super::{CronCalculator, DstWarning, limits, warnings};
use crate::{CronError, Frequency, HORIZON_DAYS, Occurrence, Zone};

const DAY: Duration = Duration::from_hours(24);

/// Whether an expression can be used, and what it would do. In JSON one flat object.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Validation {
    /// Whether it can be used.
    pub valid: bool,
    /// The expression as it was given, shortened to what may be read.
    pub cron_expression: String,
    /// What follows from that.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// What a validation found.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Verdict {
    /// The expression can be used.
    Valid {
        /// The next moments within nine years, at most five.
        preview_occurrences: Vec<Occurrence>,
        /// The first of them.
        next_occurrence: Option<Occurrence>,
        /// How often it is due.
        frequency: Frequency,
        /// The zone as its database writes it.
        timezone: String,
        /// What daylight saving does to it within a year.
        dst_warnings: Vec<DstWarning>,
    },
    /// It cannot.
    Invalid {
        /// What is wrong, in one sentence.
        error: String,
        /// The field in which it is wrong, from 0; absent if the zone is what is wrong.
        field: Option<usize>,
        /// Where in the text it is wrong, in characters from 0.
        position: Option<usize>,
        /// What to do.
        hint: String,
    },
}

/// The short form of a validation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShortValidation {
    /// Whether the expression can be used.
    pub valid: bool,
    /// The expression as it was given, shortened to what may be read.
    pub expression: String,
    /// What it means, in English.
    pub description: Option<String>,
    /// What is wrong.
    pub error: Option<String>,
    /// What to do.
    pub hint: Option<String>,
}

impl CronCalculator {
    /// Whether an expression can be used in a zone, and what it would do from `now` on.
    pub fn validate(&self, text: &str, timezone: &str, now: Timestamp) -> Validation {
        self.counters.calculated();
        let zone = match Zone::parse(timezone) {
            Ok(zone) => zone,
            Err(error) => return unknown_zone(text, &error),
        };
        let cron = match self.parse(text, true) {
            Ok((cron, _)) => cron,
            Err(error) => return broken(text, error),
        };
        let mut previews = Vec::new();
        if !cron.never_fires() {
            let walk = cron.after(&zone, now).until(now + DAY * HORIZON_DAYS);
            previews.extend(walk.take(limits::PREVIEWS_MAX));
        }
        let verdict = Verdict::Valid {
            next_occurrence: previews.first().copied(),
            preview_occurrences: previews,
            frequency: cron.frequency(),
            timezone: zone.name().to_owned(),
            dst_warnings: warnings::between(&cron, &zone, now, now + DAY * limits::WARNING_DAYS),
        };
        Validation { valid: true, cron_expression: text.to_owned(), verdict }
    }

    /// The same in short, without looking ahead.
    pub fn validate_short(&self, text: &str, timezone: &str) -> ShortValidation {
        self.counters.calculated();
        let expression = shown(text);
        let refused = |error: String, hint: String| ShortValidation {
            valid: false,
            expression: shown(text),
            description: None,
            error: Some(error),
            hint: Some(hint),
        };
        match (Zone::parse(timezone), self.parse(text, true)) {
            (Err(error), _) => refused(error.to_string(), ZONE_HINT.to_owned()),
            (_, Err(error)) => refused(error.problem(), error.hint),
            (Ok(zone), Ok((cron, _))) => ShortValidation {
                valid: true,
                expression,
                description: Some(cron.describe(&zone)),
                error: None,
                hint: None,
            },
        }
    }
}

const ZONE_HINT: &str = "name a zone as the IANA database does, such as Europe/Paris";

fn unknown_zone(text: &str, error: &Invalid) -> Validation {
    let (field, position) = (None, None);
    let verdict = Verdict::Invalid { error: error.to_string(), field, position, hint: ZONE_HINT.to_owned() };
    Validation { valid: false, cron_expression: shown(text), verdict }
}

fn broken(text: &str, error: CronError) -> Validation {
    let (field, position) = (Some(error.index), Some(error.position));
    let verdict = Verdict::Invalid { error: error.problem(), field, position, hint: error.hint };
    Validation { valid: false, cron_expression: shown(text), verdict }
}

fn shown(text: &str) -> String {
    text.chars().take(crate::scan::CHARS_MAX).collect()
}
