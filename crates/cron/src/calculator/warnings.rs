use std::time::Duration;

use longshore_clock::Timestamp;
use serde::Serialize;

use crate::{Adjusted, Cron, Occurrence, Zone, ZonedTime};

/// A change of the clock that a fixed schedule runs into.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DstWarning {
    /// What the change does to the local time.
    #[serde(rename = "type")]
    pub kind: Adjusted,
    /// The first moment it concerns.
    pub occurrence: ZonedTime,
    /// What happens.
    pub message: String,
    /// What to do about it.
    pub recommendation: &'static str,
    /// `medium` where a time moves, `low` where it comes twice.
    pub severity: &'static str,
}

/// Where the clock changes in a range (both ends excluded) and the schedule feels it: at most one for each change.
pub(super) fn between(cron: &Cron, zone: &Zone, start: Timestamp, end: Timestamp) -> Vec<DstWarning> {
    if cron.is_interval() {
        return Vec::new();
    }
    let mut warnings = Vec::new();
    let mut stretch = zone.stretch_at(start.as_millis().div_euclid(1_000));
    let end_s = end.as_millis().div_euclid(1_000);
    while let Some(next) = zone.stretch_after(&stretch) {
        let change_s = stretch.end;
        let back_s = stretch.offset_s - next.offset_s;
        stretch = next;
        // A repeated time comes first before its change, which may lie behind the end of the range.
        if change_s - back_s.max(0) >= end_s {
            break;
        }
        let before = second(change_s - back_s.max(0) - 1).max(start);
        let until = second(if back_s > 0 { change_s } else { change_s + 1 }).min(end);
        let mut touched = cron.after(zone, before).until(until).filter(|found| found.adjusted.is_some());
        warnings.extend(touched.next().and_then(|found| warn(zone, found)));
    }
    warnings
}

fn second(second: i64) -> Timestamp {
    Timestamp::from_millis(second.saturating_mul(1_000))
}

fn warn(zone: &Zone, found: Occurrence) -> Option<DstWarning> {
    let kind = found.adjusted?;
    let occurrence = found.local();
    let (message, recommendation, severity) = match kind {
        Adjusted::Gap => {
            let before = zone.at(found.at - Duration::from_secs(1));
            let message = format!(
                "the clock of {zone} jumps here from {before} to {occurrence}; times between are skipped, and what was due then runs once, right after the gap"
            );
            (message, "choose a time of the day that is never skipped, or UTC", "medium")
        }
        Adjusted::Overlap => {
            let message = format!(
                "the clock of {zone} shows this time twice; the schedule runs only the first time, at {occurrence}"
            );
            (message, "nothing to do if once is right; otherwise repeat by the hour, or choose UTC", "low")
        }
    };
    Some(DstWarning { kind, occurrence, message, recommendation, severity })
}
