use longshore_clock::Timestamp;
use longshore_core::Invalid;
use serde::{Deserialize, Serialize};

use super::DstWarning;
use crate::{Occurrence, ZonedTime};

/// What the calculator is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CronRequest {
    /// The expression, as [`Cron::parse`](crate::Cron::parse) reads it.
    pub cron_expression: String,
    /// Where to begin, excluded: RFC 3339, or a local time of the zone without an offset. The present if absent.
    pub start_date: Option<String>,
    /// Where to end, excluded; one day behind the start if absent, never more than 365.
    pub end_date: Option<String>,
    /// At most so many moments; 1000 if absent, and never more.
    pub max_occurrences: Option<u32>,
    /// Whether an expression that was parsed lately may be taken from the cache.
    pub use_cache: bool,
    /// An IANA zone.
    pub timezone: String,
}

impl CronRequest {
    /// Asks for the next day in UTC.
    pub fn new(cron_expression: impl Into<String>) -> Self {
        Self { cron_expression: cron_expression.into(), ..Self::default() }
    }
}

impl Default for CronRequest {
    fn default() -> Self {
        Self {
            cron_expression: String::new(),
            start_date: None,
            end_date: None,
            max_occurrences: None,
            use_cache: true,
            timezone: "UTC".to_owned(),
        }
    }
}

/// Whether a calculation was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It was.
    Success,
    /// It was refused; `error` says why.
    Error,
}

/// What the calculator answers. Its keys in JSON are its fields, and all of them are always there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Calculation {
    /// Whether there is a result.
    pub status: Status,
    /// The moments, strictly increasing; in JSON as RFC 3339 with the offset of the zone.
    pub occurrences: Vec<Occurrence>,
    /// How many there are.
    pub count: usize,
    /// The expression as it was given.
    pub cron_expression: String,
    /// The beginning of the range in the zone; after an error as it was given.
    pub start_date: Option<String>,
    /// The end of the range in the zone; after an error as it was given.
    pub end_date: Option<String>,
    /// Whether at least one more moment lies in the range.
    pub truncated: bool,
    /// If so, the last moment shown: the `start_date` with which to go on.
    pub next_after: Option<ZonedTime>,
    /// The present that was used.
    pub calculated_at: Timestamp,
    /// The zone as its database writes it; after an error as it was given.
    pub timezone: String,
    /// Where daylight saving moves or repeats a fixed time in the range, at most one for each change of the clock.
    pub dst_warnings: Vec<DstWarning>,
    /// Whether no date of the calendar matches.
    pub never_fires: bool,
    /// Whether the parsed expression came from the cache. The moments are always computed.
    pub cached: bool,
    /// Why there is no result.
    pub error: Option<String>,
    /// The same as a stable word for programs; not part of the JSON.
    #[serde(skip)]
    pub code: Option<&'static str>,
}

impl Calculation {
    pub(crate) fn refused(request: &CronRequest, now: Timestamp, refusal: &Invalid) -> Self {
        let named = refusal.code == "budget_exceeded";
        Self {
            status: Status::Error,
            occurrences: Vec::new(),
            count: 0,
            cron_expression: request.cron_expression.chars().take(crate::scan::CHARS_MAX).collect(),
            start_date: request.start_date.clone(),
            end_date: request.end_date.clone(),
            truncated: false,
            next_after: None,
            calculated_at: now,
            timezone: request.timezone.clone(),
            dst_warnings: Vec::new(),
            never_fires: false,
            cached: false,
            error: Some(if named { format!("budget_exceeded: {refusal}") } else { refusal.to_string() }),
            code: Some(refusal.code),
        }
    }
}
