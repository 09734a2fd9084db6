//! What is due seldom, or never.

use longshore_clock::Timestamp;
use longshore_cron::{HORIZON_DAYS, Zone};

use crate::{at, cron};

#[test]
fn never_is_decided_exactly() {
    for (text, never) in [
        ("0 0 30 2 *", true),
        ("0 0 31 4,6,9,11 *", true),
        ("0 0 31 2,4,6,9,11 *", true),
        ("0 0 30-31 2 *", true),
        ("0 0 30W 2 *", true),
        ("0 0 L-29 2 *", true),
        ("0 0 L-30 4 *", true),
        ("0 0 31 2 ?", true),
        ("0 0 */30 2 2#1", false),  // the first of February on a Tuesday
        ("0 0 */29 2 MON#2", true), // the 1st and the 30th are no second Monday
        ("0 0 L-28 2 *", false),    // the first, in leap years
        ("0 0 29W 2 *", false),
        ("0 0 29 2 *", false),
        ("0 0 31 4 MON", false), // every Monday in April
        ("0 0 29 2 MON#5", false),
        ("0 0 */28 2 MON#5", false), // 29 February on a Monday
        ("0 0 */28 2 */7", false),
        ("0 0 31 */2 *", false),
        ("* * * * *", false),
    ] {
        assert_eq!(cron(text).never_fires(), never, "{text}");
        if never {
            assert_eq!(cron(text).next_after(&Zone::utc(), at("2025-01-01T00:00:00Z")), None, "{text}");
        }
    }
}

#[test]
fn leap_days_are_found_across_1900_and_2100() {
    let leap = cron("0 0 29 2 *");
    for (from, next) in [
        ("2096-03-01T00:00:00Z", "2104-02-29T00:00:00+00:00"),
        ("1896-02-29T00:00:00Z", "1904-02-29T00:00:00+00:00"),
        ("1996-02-29T00:00:00Z", "2000-02-29T00:00:00+00:00"),
        ("2024-02-28T23:59:59Z", "2024-02-29T00:00:00+00:00"),
    ] {
        assert_eq!(leap.next_after(&Zone::utc(), at(from)).unwrap().local().to_string(), next);
    }
}

#[test]
fn nothing_in_the_horizon_is_nothing() {
    // A leap day on a Sunday: 2032, then 2060.
    let rare = cron("0 0 */28 2 */7");
    let utc = Zone::utc();
    let sundays = cron("0 0 29 2 */7");
    assert_eq!(sundays.next_after(&utc, at("2032-03-01T00:00:00Z")), None);
    let later = sundays.after(&utc, at("2032-03-01T00:00:00Z")).horizon_days(40 * 366).next().unwrap();
    assert_eq!(later.local().to_string(), "2060-02-29T00:00:00+00:00");
    assert!(rare.next_after(&utc, at("2032-03-01T00:00:00Z")).is_some());
}

#[test]
fn a_search_takes_fewer_steps_than_the_horizon_has_days() {
    for text in ["0 0 30 2 *", "0 0 29 2 */7", "0 0 29 2 *", "* * * * * *", "0 0 L-30 * *"] {
        let (cron, zone) = (cron(text), Zone::parse("Africa/Casablanca").unwrap());
        let mut walk = cron.after(&zone, at("2032-03-01T00:00:00Z"));
        let _ = walk.next();
        assert!(walk.steps() <= u64::from(HORIZON_DAYS), "{text}: {}", walk.steps());
        assert!(walk.steps() < 200, "{text}: {}", walk.steps());
    }
}

#[test]
fn the_ends_of_time_are_quiet() {
    let minute = cron("* * * * *");
    let zone = Zone::parse("Asia/Kolkata").unwrap();
    assert_eq!(minute.next_after(&zone, Timestamp::MAX), None);
    assert!(minute.next_after(&zone, Timestamp::from_millis(i64::MIN)).is_some());
    assert_eq!(minute.after(&zone, Timestamp::ZERO).until(Timestamp::from_millis(i64::MIN)).next(), None);
    assert_eq!(minute.after(&zone, Timestamp::ZERO).horizon_days(0).next(), None);
}

#[test]
fn both_ends_are_excluded_to_the_millisecond() {
    let (minute, utc) = (cron("* * * * *"), Zone::utc());
    let next = |after: &str| minute.next_after(&utc, at(after)).unwrap().local().to_string();
    assert_eq!(next("2025-01-01T00:00:00Z"), "2025-01-01T00:01:00+00:00");
    assert_eq!(next("2024-12-31T23:59:59.999Z"), "2025-01-01T00:00:00+00:00");
    assert_eq!(next("1960-01-01T00:00:00.001Z"), "1960-01-01T00:01:00+00:00");
    let until = |end: &str| minute.after(&utc, at("2025-01-01T00:00:00Z")).until(at(end)).count();
    assert_eq!(until("2025-01-01T00:01:00Z"), 0);
    assert_eq!(until("2025-01-01T00:01:00.001Z"), 1);
}
