//! What a schedule that is due makes. No store, no clock.

use std::time::Duration;

use longshore_core::Timestamp;

use super::{Misfire, Overlap, ScheduleRecord};

/// A time that is later than this was missed; what is less late is only late.
pub(super) const MISSED_AFTER: Duration = Duration::from_secs(10);
/// Times that are made up for at once.
const CATCH_UP_MAX: usize = 100;

/// Where the job stands that the schedule made before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    /// There is none, or it has ended.
    Ended,
    /// It waits for the one before it, or has not started.
    Waits,
    /// It has not ended.
    Lives,
}

/// One job to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Make {
    /// For this time.
    pub(super) nominal_at: Timestamp,
    /// After the job before has ended.
    pub(super) waits: bool,
}

/// What is made now, and how the schedule stands then.
pub(super) fn plan(record: &mut ScheduleRecord, before: Before, now: Timestamp) -> Vec<Make> {
    let schedule = record.schedule.clone();
    let (due, older, next) = record.standing.due(&schedule, now, CATCH_UP_MAX);
    let standing = &mut record.standing;
    standing.next_at = next;
    let (missed, on_time): (Vec<Timestamp>, Vec<Timestamp>) =
        due.into_iter().partition(|time| now.since(*time) > MISSED_AFTER);
    let made_up = match schedule.misfire {
        Misfire::Skip => &[][..],
        // What is due now makes up for what was missed.
        Misfire::Once if !on_time.is_empty() => &[][..],
        Misfire::Once => &missed[missed.len().saturating_sub(1)..],
        Misfire::All => &missed[..],
    };
    standing.missed += older + (missed.len() - made_up.len()) as u64;
    let mut before = before;
    let mut makes = Vec::new();
    for nominal_at in made_up.iter().chain(&on_time).copied() {
        if schedule.max_fires.is_some_and(|most| standing.fires >= most) {
            break;
        }
        let waits = match (schedule.overlap, before) {
            (Overlap::Parallel, _) | (_, Before::Ended) => false,
            (Overlap::Queue, Before::Lives) => true,
            (Overlap::Queue, Before::Waits) | (Overlap::Skip, _) => {
                standing.skipped += 1;
                continue;
            }
        };
        before = if waits { Before::Waits } else { Before::Lives };
        standing.fires += 1;
        standing.last_nominal_at = Some(nominal_at);
        standing.last_fired_at = Some(now);
        makes.push(Make { nominal_at, waits });
    }
    record.close();
    makes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{Rule, Schedule};
    use longshore_core::{DurationText, KindName, ScheduleName};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_772_366_400_000 + seconds * 1_000)
    }

    fn record(change: impl FnOnce(&mut Schedule)) -> ScheduleRecord {
        let rule = Rule::Every { every: DurationText(Duration::from_secs(60)), start_now: false };
        let (name, kind) = (ScheduleName::new("s").unwrap(), KindName::new("k").unwrap());
        let mut schedule = Schedule::new(name, rule, kind);
        change(&mut schedule);
        ScheduleRecord::put(schedule, None, at(0))
    }

    fn made(record: &mut ScheduleRecord, before: Before, now: i64) -> Vec<i64> {
        let makes = plan(record, before, at(now));
        makes.iter().map(|make| make.nominal_at.since(at(0)).as_secs() as i64).collect()
    }

    #[test]
    fn every_counts_from_nominal_time_to_nominal_time() {
        let mut record = record(|_| {});
        assert_eq!(made(&mut record, Before::Ended, 59), [0_i64; 0]);
        assert_eq!(made(&mut record, Before::Ended, 61), [60]);
        assert_eq!(made(&mut record, Before::Ended, 123), [120]);
        assert_eq!(record.standing.next_at, Some(at(180)));
    }

    #[test]
    fn missed_times_are_made_up_for_as_the_policy_says() {
        for (misfire, expected, missed) in [
            (Misfire::Once, vec![540], 8),
            (Misfire::Skip, vec![], 9),
            (Misfire::All, (1..10).map(|n| n * 60).collect(), 0),
        ] {
            let mut record = record(|schedule| {
                schedule.misfire = misfire;
                schedule.overlap = Overlap::Parallel;
            });
            assert_eq!(made(&mut record, Before::Ended, 570), expected, "{misfire:?}");
            assert_eq!(record.standing.missed, missed);
            assert_eq!(record.standing.next_at, Some(at(600)));
        }
    }

    #[test]
    fn all_means_the_newest_hundred() {
        let mut record = record(|schedule| {
            schedule.misfire = Misfire::All;
            schedule.overlap = Overlap::Parallel;
        });
        let made = made(&mut record, Before::Ended, 60 * 300 + 30);
        assert_eq!((made.len(), made[0], record.standing.missed), (100, 60 * 201, 200));
    }

    #[test]
    fn a_job_that_has_not_ended_is_skipped_waited_for_or_ignored() {
        let make = |overlap, before| {
            let mut record = record(|schedule| schedule.overlap = overlap);
            let makes = plan(&mut record, before, at(60));
            (makes.first().map(|make| make.waits), record.standing.skipped)
        };
        assert_eq!(make(Overlap::Skip, Before::Lives), (None, 1));
        assert_eq!(make(Overlap::Queue, Before::Lives), (Some(true), 0));
        assert_eq!(make(Overlap::Queue, Before::Waits), (None, 1));
        assert_eq!(make(Overlap::Parallel, Before::Lives), (Some(false), 0));
    }

    #[test]
    fn a_window_and_a_number_end_it() {
        let mut record = record(|schedule| schedule.end_at = Some(at(130)));
        assert_eq!(made(&mut record, Before::Ended, 60), [60]);
        assert_eq!(made(&mut record, Before::Ended, 120), [120]);
        assert_eq!(record.standing.next_at, None);
        let mut record = self::record(|schedule| schedule.max_fires = Some(1));
        assert_eq!(made(&mut record, Before::Ended, 60), [60]);
        assert_eq!(record.standing.next_at, None);
    }

    #[test]
    fn time_ranges_pass_over_what_lies_outside() {
        let range = |text: &str| text.parse().unwrap();
        // The start is noon in UTC.
        let mut record =
            record(|schedule| schedule.time_ranges = vec![range("22:00-06:00"), range("12:05-12:06")]);
        assert_eq!(record.standing.next_at, Some(at(300)));
        assert_eq!(made(&mut record, Before::Ended, 300), [300]);
        assert_eq!(made(&mut record, Before::Ended, 360), [360]);
        assert_eq!(record.standing.next_at, Some(at(36_000)));
        for bad in ["9:00-10:00", "24:00-01:00", "10:00", "10:60-11:00"] {
            assert!(bad.parse::<crate::schedule::TimeRange>().is_err(), "{bad}");
        }
    }
}
