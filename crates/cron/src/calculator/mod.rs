//! The bounded calculator: what faces ask, and what they answer.

mod cache;
mod calculation;
pub mod limits;
mod moments;
mod stats;
mod validation;
mod warnings;

use std::sync::Arc;

use longshore_clock::Timestamp;
use longshore_core::Invalid;

pub use calculation::{Calculation, CronRequest, Status};
pub use stats::CalculatorStats;
pub use validation::{ShortValidation, Validation, Verdict};
pub use warnings::DstWarning;

use crate::{Cron, CronError, Occurrence, Zone};
use cache::ParsedCache;
use moments::Range;
use stats::Counters;

/// Computes when expressions are due, within the bounds of [`limits`]. Shared by reference; keeps the expressions it
/// parsed lately and counts what it does.
#[derive(Debug)]
pub struct CronCalculator {
    parsed: ParsedCache,
    counters: Counters,
    steps_max: u64,
}

impl Default for CronCalculator {
    fn default() -> Self {
        Self::new()
    }
}

impl CronCalculator {
    /// A calculator with the usual bounds and nothing in its cache.
    pub fn new() -> Self {
        Self {
            parsed: ParsedCache::new(limits::CACHED_EXPRESSIONS_MAX),
            counters: Counters::default(),
            steps_max: limits::STEPS_MAX,
        }
    }

    /// The same calculator with another budget of steps.
    #[must_use]
    pub fn steps_max(mut self, steps: u64) -> Self {
        self.steps_max = steps;
        self
    }

    /// When an expression is due between two moments, both excluded. A refusal is an answer as well: `status` is
    /// `error`, and [`Calculation::code`] tells programs why (`invalid_cron`, `invalid_timezone`, `invalid_date`,
    /// `invalid_range`, `invalid_max_occurrences`, `budget_exceeded`).
    pub fn calculate_next_occurrences(&self, request: &CronRequest, now: Timestamp) -> Calculation {
        let answer = self.answer(request, now);
        answer.unwrap_or_else(|refusal| Calculation::refused(request, now, &refusal))
    }

    fn answer(&self, request: &CronRequest, now: Timestamp) -> Result<Calculation, Invalid> {
        self.counters.calculated();
        let zone = Zone::parse(&request.timezone)?;
        let range = Range::read(request, &zone, now)?;
        let max = limits::occurrences(request.max_occurrences)?;
        let (cron, cached) = self.parse(&request.cron_expression, request.use_cache)?;
        let never_fires = cron.never_fires();
        let found = if never_fires { Found::default() } else { self.walk(&cron, &zone, &range, max)? };
        let zoned = |at: Timestamp| zone.at(at).to_string();
        Ok(Calculation {
            status: Status::Success,
            count: found.occurrences.len(),
            next_after: found.truncated.then(|| found.occurrences.last().map(Occurrence::local)).flatten(),
            occurrences: found.occurrences,
            cron_expression: request.cron_expression.clone(),
            start_date: Some(zoned(range.start)),
            end_date: Some(zoned(range.end)),
            truncated: found.truncated,
            calculated_at: now,
            timezone: zone.name().to_owned(),
            dst_warnings: warnings::between(&cron, &zone, range.start, range.end),
            never_fires,
            cached,
            error: None,
            code: None,
        })
    }

    /// The parsed expression, and whether it was at hand.
    pub(crate) fn parse(&self, text: &str, use_cache: bool) -> Result<(Arc<Cron>, bool), CronError> {
        if !use_cache {
            return Ok((Arc::new(Cron::parse(text)?), false));
        }
        if let Some(cron) = self.parsed.get(text) {
            self.counters.looked_up(true);
            return Ok((cron, true));
        }
        self.counters.looked_up(false);
        let cron = Arc::new(Cron::parse(text)?);
        self.parsed.put(text, Arc::clone(&cron));
        Ok((cron, false))
    }

    fn walk(&self, cron: &Cron, zone: &Zone, range: &Range, max: usize) -> Result<Found, Invalid> {
        let mut walk = cron.after(zone, range.start).until(range.end);
        let mut found = Found::default();
        loop {
            let next = walk.next();
            let steps = walk.steps() + found.occurrences.len() as u64;
            if steps > self.steps_max {
                self.counters.walked(steps, range.minutes_until(next.map_or(range.end, |next| next.at)));
                let expected =
                    format!("a calculation of at most {} steps; ask for a shorter range", self.steps_max);
                return Err(Invalid::new("end_date", expected, "more").code("budget_exceeded"));
            }
            match next {
                Some(occurrence) if found.occurrences.len() < max => found.occurrences.push(occurrence),
                more => {
                    found.truncated = more.is_some();
                    self.counters.walked(steps, range.minutes_until(more.map_or(range.end, |more| more.at)));
                    return Ok(found);
                }
            }
        }
    }

    /// What was measured since the calculator was made.
    pub fn stats(&self) -> CalculatorStats {
        self.counters.read(self.parsed.len())
    }
}

#[derive(Default)]
struct Found {
    occurrences: Vec<Occurrence>,
    truncated: bool,
}
