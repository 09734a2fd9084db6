//! Daylight saving: the table of the specification, and zones with odd clocks.

use crate::due;

const EASTERN: &str = "US/Eastern";

/// 9 March 2025 in US/Eastern, from midnight to midnight.
fn spring(text: &str) -> Vec<String> {
    due(text, EASTERN, "2025-03-09T04:59:59Z", "2025-03-10T04:00:00Z")
}

/// 2 November 2025 in US/Eastern, from midnight to midnight.
fn autumn(text: &str) -> Vec<String> {
    due(text, EASTERN, "2025-11-02T03:59:59Z", "2025-11-03T05:00:00Z")
}

#[test]
fn a_fixed_time_in_the_gap_is_due_right_after_it() {
    assert_eq!(spring("30 2 * * *"), ["2025-03-09T03:00:00-04:00 gap"]);
    assert_eq!(spring("15,30,45 2 * * *"), ["2025-03-09T03:00:00-04:00 gap"]);
    assert_eq!(spring("59 59 2 * * *"), ["2025-03-09T03:00:00-04:00 gap"]);
    assert_eq!(spring("30 2,4 * * *"), ["2025-03-09T03:00:00-04:00 gap", "2025-03-09T04:30:00-04:00"]);
}

#[test]
fn what_is_due_right_after_the_gap_anyway_is_due_once() {
    assert_eq!(
        spring("0,30 1-3 * * *"),
        [
            "2025-03-09T01:00:00-05:00",
            "2025-03-09T01:30:00-05:00",
            "2025-03-09T03:00:00-04:00 gap",
            "2025-03-09T03:30:00-04:00",
        ]
    );
    assert_eq!(spring("0 3 * * *"), ["2025-03-09T03:00:00-04:00"]);
}

#[test]
fn an_interval_has_no_times_in_the_gap() {
    assert_eq!(spring("*/30 2 * * *"), [] as [&str; 0]);
    assert_eq!(spring("* 2 * * *"), [] as [&str; 0]);
    assert_eq!(spring("30 */2 * * *").len(), 11);
    assert_eq!(spring("0 * * * *").len(), 23);
}

#[test]
fn a_fixed_time_that_comes_twice_is_due_the_first_time() {
    assert_eq!(autumn("30 1 * * *"), ["2025-11-02T01:30:00-04:00 overlap"]);
    assert_eq!(autumn("0 1-2 * * *"), ["2025-11-02T01:00:00-04:00 overlap", "2025-11-02T02:00:00-05:00"]);
    // A list or a range is no interval, even if it names everything.
    assert_eq!(autumn("0-59 0-23 * * *").len(), 24 * 60);
    assert_eq!(autumn("* * * * *").len(), 25 * 60);
}

#[test]
fn an_interval_is_due_in_both_passes() {
    assert_eq!(
        autumn("0 * * * *")[..4],
        [
            "2025-11-02T00:00:00-04:00",
            "2025-11-02T01:00:00-04:00",
            "2025-11-02T01:00:00-05:00",
            "2025-11-02T02:00:00-05:00"
        ]
    );
    assert_eq!(autumn("*/30 * * * *").len(), 50);
    assert_eq!(
        autumn("*/30 1 * * *"),
        [
            "2025-11-02T01:00:00-04:00",
            "2025-11-02T01:30:00-04:00",
            "2025-11-02T01:00:00-05:00",
            "2025-11-02T01:30:00-05:00"
        ]
    );
}

#[test]
fn who_begins_in_the_second_pass_has_missed_the_first() {
    let found = due("30 1 * * *", EASTERN, "2025-11-02T06:00:00Z", "2025-11-04T05:00:00Z");
    assert_eq!(found, ["2025-11-03T01:30:00-05:00"]);
}

#[test]
fn a_gap_at_midnight_takes_a_daily_time_along() {
    let found = due("0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00:00Z", "2018-11-05T12:00:00Z");
    assert_eq!(found, ["2018-11-04T01:00:00-02:00 gap", "2018-11-05T00:00:00-02:00"]);
    let found = due("0 0 * * *", "Asia/Beirut", "2025-03-29T12:00:00Z", "2025-03-30T12:00:00Z");
    assert_eq!(found, ["2025-03-30T01:00:00+03:00 gap"]);
}

#[test]
fn a_gap_may_be_half_an_hour() {
    let found = due("15 2 * * *", "Australia/Lord_Howe", "2025-10-04T12:00:00Z", "2025-10-05T12:00:00Z");
    assert_eq!(found, ["2025-10-05T02:30:00+11:00 gap"]);
    let found = due("45 1 * * *", "Australia/Lord_Howe", "2025-04-05T12:00:00Z", "2025-04-06T12:00:00Z");
    assert_eq!(found, ["2025-04-06T01:45:00+11:00 overlap"]);
}

#[test]
fn a_day_that_never_was_is_caught_up_on_the_next() {
    let found = due("0 9 * * *", "Pacific/Apia", "2011-12-29T12:00:00Z", "2012-01-01T12:00:00Z");
    let expected = [
        "2011-12-29T09:00:00-10:00",
        "2011-12-31T00:00:00+14:00 gap",
        "2011-12-31T09:00:00+14:00",
        "2012-01-01T09:00:00+14:00",
    ];
    assert_eq!(found, expected);
    let found = due("0 * 30 12 *", "Pacific/Apia", "2011-12-29T00:00:00Z", "2012-01-01T12:00:00Z");
    assert_eq!(found, [] as [&str; 0]);
}

#[test]
fn a_day_that_came_twice_counts_once() {
    let found = due("0 9 * * *", "America/Juneau", "1867-10-17T12:00:00Z", "1867-10-20T12:00:00Z");
    // Sitka's neighbours had 18 October twice: by the calendar of the east, and by that of the west.
    assert_eq!(found, ["1867-10-18T08:59:41+15:02", "1867-10-19T08:59:41+15:02 overlap"]);
}

#[test]
fn a_change_of_the_standard_offset_is_like_any_other() {
    // Volgograd went from +04 to +03 at 2 in the morning, for good.
    let found = due("30 1 * * *", "Europe/Volgograd", "2020-12-26T12:00:00Z", "2020-12-28T12:00:00Z");
    assert_eq!(found, ["2020-12-27T01:30:00+04:00 overlap", "2020-12-28T01:30:00+03:00"]);
}

#[test]
fn offsets_with_seconds_keep_the_moment_exact() {
    // Paris ran 9 minutes and 21 seconds ahead of Greenwich; the offset is written to the minute.
    let found = due("0 12 * * *", "Europe/Paris", "1900-01-01T00:00:00Z", "1900-01-02T00:00:00Z");
    assert_eq!(found, ["1900-01-01T11:59:39+00:09"]);
}
