//! The search against a walk over every single local minute (or second) around a range.

use std::collections::BTreeMap;

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};
use longshore_clock::Timestamp;
use longshore_cron::{Adjusted, Cron, Zone};
use proptest::prelude::*;

use crate::naive::Expression;
use crate::random::expressions;

/// No local time comes again later than this, in any zone there is.
const AROUND_S: i64 = 26 * 3_600;
const HOUR_S: i64 = 3_600;

fn instant(second: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(second).unwrap()
}

/// The offsets of a zone between two instants, found by asking every minute: where each begins, and its seconds.
fn offsets(zone: &TimeZone, from: i64, to: i64) -> Vec<(i64, i64)> {
    let ask = |second: i64| i64::from(zone.to_offset(instant(second)).seconds());
    let mut found = vec![(from, ask(from))];
    let mut minute = from;
    while minute < to {
        let known = found[found.len() - 1].1;
        if ask(minute + 60) != known {
            let start = (minute + 1..=minute + 60).find(|second| ask(*second) != known).unwrap();
            found.push((start, ask(start)));
            // A second change within the minute would be missed, and there is none.
            assert_eq!(ask(minute + 60), ask(start));
        }
        minute += 60;
    }
    found
}

fn civil(local: i64) -> DateTime {
    Offset::UTC.to_datetime(instant(local))
}

/// What is due between two instants, by the definition: an interval schedule at every instant whose local time
/// matches; a fixed one at the first coming of each matching local time, or where the clock jumps over it.
fn slow(expression: &Expression, zone: &TimeZone, start: i64, end: i64) -> Vec<(i64, Option<Adjusted>)> {
    let grain = if expression.second.is_some() { 1 } else { 60 };
    let (from, to) = (start - AROUND_S, end + AROUND_S);
    let offsets = offsets(zone, from, to);
    let ends = offsets.iter().skip(1).map(|(start, _)| *start).chain([to]);
    let stretches: Vec<_> =
        offsets.iter().zip(ends).map(|(&(start, offset), end)| (start, end, offset)).collect();
    // Each local time on the grain that is shown and matches, with the instants that show it.
    let mut shown: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    let on_grain = |local: i64| local + (-local).rem_euclid(grain);
    for &(start, end, offset) in &stretches {
        let mut local = on_grain(start + offset);
        while local < end + offset {
            if expression.has(civil(local)) {
                shown.entry(local).or_default().push(local - offset);
            }
            local += grain;
        }
    }
    let mut due: BTreeMap<i64, Option<Adjusted>> = BTreeMap::new();
    for instants in shown.values() {
        if expression.is_interval() {
            due.extend(instants.iter().map(|second| (*second, None)));
        } else {
            due.insert(instants[0], (instants.len() > 1).then_some(Adjusted::Overlap));
        }
    }
    if !expression.is_interval() {
        for pair in stretches.windows(2) {
            let (last, next) = (pair[0].1 + pair[0].2, pair[1].0 + pair[1].2);
            let mut local = on_grain(last);
            while local < next {
                if expression.has(civil(local)) && !shown.contains_key(&local) {
                    due.insert(pair[1].0, Some(Adjusted::Gap));
                }
                local += grain;
            }
        }
    }
    due.into_iter().filter(|(second, _)| (start + 1..end).contains(second)).collect()
}

fn fast(text: &str, zone: &str, start: i64, end: i64) -> Vec<(i64, Option<Adjusted>)> {
    let (cron, zone) = (Cron::parse(text).unwrap(), Zone::parse(zone).unwrap());
    let stamp = |second: i64| Timestamp::from_millis(second * 1_000);
    let walk = cron.after(&zone, stamp(start)).until(stamp(end));
    let found: Vec<_> = walk.collect();
    let mut before = stamp(start);
    for (index, occurrence) in found.iter().enumerate() {
        assert!(before < occurrence.at, "moments strictly increase");
        if index < 5 || index + 5 > found.len() {
            // Whoever goes on from any moment finds the same.
            assert_eq!(cron.next_after(&zone, before), Some(*occurrence));
        }
        before = occurrence.at;
    }
    found.iter().map(|found| (found.at.as_millis() / 1_000, found.adjusted)).collect()
}

fn compare(expression: &Expression, zone: &str, start: i64, length: i64) {
    let text = expression.to_string();
    let tz = TimeZoneDatabase::bundled().get(zone).unwrap();
    let slow = slow(expression, &tz, start, start + length);
    let fast = fast(&text, zone, start, start + length);
    let same = fast.iter().zip(&slow).take_while(|(fast, slow)| fast == slow).count();
    let place = format!("{text:?} in {zone} for {length} s from {}", instant(start));
    assert_eq!(fast.get(same), slow.get(same), "moment {same} of {place}");
}

/// A zone, and an instant near one of its changes or anywhere from 1850 to 2150.
fn places() -> impl Strategy<Value = (String, i64)> {
    let names: Vec<_> = Zone::names().collect();
    let (first, last) = (-3_786_825_600_i64, 5_680_281_600_i64);
    let pick = (any::<proptest::sample::Selector>(), any::<proptest::sample::Index>(), any::<bool>());
    (pick, first..last, -40..4 * HOUR_S / 60).prop_map(move |((name, change, near), anywhere, minutes)| {
        let name = name.select(names.iter());
        let zone = TimeZoneDatabase::bundled().get(name).unwrap();
        let changes: Vec<_> = zone
            .following(instant(first))
            .map(|change| change.timestamp().as_second())
            .take_while(|at| *at < last)
            .collect();
        let start = if near && !changes.is_empty() {
            changes[change.index(changes.len())] - minutes * 60
        } else {
            anywhere
        };
        (name.clone(), start)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn minutes_agree_with_a_walk_over_all_of_them(
        expression in expressions(false), (zone, start) in places(), hours in 1..80i64,
    ) {
        compare(&expression, &zone, start, hours * HOUR_S);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 30, ..ProptestConfig::default() })]

    #[test]
    fn seconds_agree_with_a_walk_over_all_of_them(
        expression in expressions(true), (zone, start) in places(), length in 1..6 * HOUR_S,
    ) {
        compare(&expression, &zone, start, length);
    }

    #[test]
    fn a_year_of_days_agrees_with_the_calendar(expression in expressions(false), year in 1600..2400i16) {
        let cron = Cron::parse(&expression.to_string()).unwrap();
        let new_year = |year| jiff::civil::date(year, 1, 1);
        let start = new_year(year).to_zoned(TimeZone::UTC).unwrap().timestamp().as_second();
        let mut expected = Vec::new();
        let mut date = new_year(year);
        while date.year() == year {
            if expression.has_date(date) {
                expected.push(date.to_string());
            }
            date = date.tomorrow().unwrap();
        }
        let utc = Zone::utc();
        let mut found = Vec::new();
        let end = Timestamp::from_millis((start + 86_400 * i64::from(new_year(year).days_in_year())) * 1_000);
        let mut from = Timestamp::from_millis((start - 1) * 1_000);
        while let Some(next) = cron.after(&utc, from).until(end).next() {
            found.push(next.local().to_string()[..10].to_owned());
            // On to the last second of that day.
            let second = next.at.as_millis() / 1_000;
            from = Timestamp::from_millis((second + 86_399 - second.rem_euclid(86_400)) * 1_000);
        }
        prop_assert_eq!(found, expected, "{}", expression);
    }
}

/// Every zone there is, around its last change and around one long ago.
#[test]
fn every_zone_agrees_at_its_changes() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for (index, name) in Zone::names().enumerate() {
        let zone = TimeZoneDatabase::bundled().get(&name).unwrap();
        let mut before = zone.preceding(instant(1_800_000_000)).map(|change| change.timestamp().as_second());
        let changes = [before.next(), before.nth(index % 40)];
        for change in changes.into_iter().flatten() {
            let expression = expressions(false).new_tree(&mut runner).unwrap().current();
            compare(&expression, &name, change - 3 * HOUR_S, 7 * HOUR_S);
        }
    }
}
