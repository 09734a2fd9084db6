//! What a calculation answers.

use longshore_cron::{Calculation, CronCalculator, CronRequest, Status};
use serde_json::{Value, json};

use crate::at;

const NOW: &str = "2025-03-01T12:00:00Z";

fn request(text: &str, start: &str, end: &str) -> CronRequest {
    let (start_date, end_date) = (Some(start.to_owned()), Some(end.to_owned()));
    CronRequest { start_date, end_date, ..CronRequest::new(text) }
}

fn calculate(request: &CronRequest) -> Calculation {
    CronCalculator::new().calculate_next_occurrences(request, at(NOW))
}

fn moments(answer: &Calculation) -> Vec<String> {
    answer.occurrences.iter().map(|found| found.local().to_string()).collect()
}

#[test]
fn an_answer_has_every_key_that_is_promised() {
    let answer = serde_json::to_value(calculate(&CronRequest::new("0 */8 * * *"))).unwrap();
    let expected = json!({
        "status": "success",
        "occurrences": ["2025-03-01T16:00:00+00:00", "2025-03-02T00:00:00+00:00", "2025-03-02T08:00:00+00:00"],
        "count": 3,
        "cron_expression": "0 */8 * * *",
        "start_date": "2025-03-01T12:00:00+00:00",
        "end_date": "2025-03-02T12:00:00+00:00",
        "truncated": false,
        "next_after": null,
        "calculated_at": "2025-03-01T12:00:00.000Z",
        "timezone": "UTC",
        "dst_warnings": [],
        "never_fires": false,
        "cached": false,
        "error": null,
    });
    assert_eq!(answer, expected);
    let refused = serde_json::to_value(calculate(&CronRequest::new("nonsense"))).unwrap();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&refused), keys(&answer));
    assert_eq!((&refused["status"], &refused["count"]), (&json!("error"), &json!(0)));
    assert_eq!(refused["occurrences"], json!([]));
}

#[test]
fn a_request_is_read_from_json_with_its_defaults() {
    let read: CronRequest = serde_json::from_str(r#"{"cron_expression": "@daily"}"#).unwrap();
    assert_eq!(read, CronRequest::new("@daily"));
    assert!(read.use_cache && read.timezone == "UTC");
    assert!(serde_json::from_str::<CronRequest>(r#"{"cron": "@daily"}"#).is_err());
}

#[test]
fn dates_without_an_offset_are_local() {
    for (start, zone, shown) in [
        ("2025-06-01T12:00:00", "Europe/Paris", "2025-06-01T12:00:00+02:00"),
        ("2025-06-01 12:00", "Europe/Paris", "2025-06-01T12:00:00+02:00"),
        ("2025-06-01", "Europe/Paris", "2025-06-01T00:00:00+02:00"),
        ("2025-06-01T12:00:00Z", "Europe/Paris", "2025-06-01T14:00:00+02:00"),
        ("2025-06-01T12:00:00.25-05:00", "UTC", "2025-06-01T17:00:00.250+00:00"),
        // Comes twice: the first time. Is skipped: an hour later.
        ("2025-11-02T01:30:00", "US/Eastern", "2025-11-02T01:30:00-04:00"),
        ("2025-03-09T02:30:00", "US/Eastern", "2025-03-09T03:30:00-04:00"),
    ] {
        let asked = CronRequest {
            start_date: Some(start.to_owned()),
            timezone: zone.to_owned(),
            ..CronRequest::new("* * * * *")
        };
        assert_eq!(calculate(&asked).start_date.as_deref(), Some(shown), "{start}");
    }
    let eastern = CronRequest { timezone: "US/Eastern".to_owned(), ..CronRequest::new("@hourly") };
    assert_eq!(calculate(&eastern).start_date.as_deref(), Some("2025-03-01T07:00:00-05:00"));
}

#[test]
fn refusals_have_codes() {
    let (day, next) = ("2025-01-01T00:00:00Z", "2025-01-02T00:00:00Z");
    let zone = CronRequest { timezone: "Mars/Olympus".to_owned(), ..request("* * * * *", day, next) };
    let none = CronRequest { max_occurrences: Some(0), ..request("* * * * *", day, next) };
    for (asked, code, word) in [
        (request("0 25 * * *", day, next), "invalid_cron", "field 1, position 2"),
        (zone, "invalid_timezone", "Mars/Olympus"),
        (none, "invalid_max_occurrences", "1 to 1000"),
        (request("* * * * *", day, day), "invalid_range", "after the start"),
        (request("* * * * *", next, day), "invalid_range", "after the start"),
        (request("* * * * *", "yesterday", day), "invalid_date", "yesterday"),
        (request("* * * * *", day, "2025-02-30"), "invalid_date", "2025-02-30"),
        (request("* * * * *", day, "2025-01-02T00:00+99:00"), "invalid_date", "+99:00"),
        (request("* * * * *", day, "2025-01-02T00:00:00Z[UTC]"), "invalid_date", "[UTC]"),
        (request("* * * * *", day, "2025-01-02T00:00:00 Europe/Paris"), "invalid_date", "Europe"),
        (request("* * * * *", day, "+012025-01-02T00:00:00Z"), "invalid_date", "+012025"),
    ] {
        let answer = calculate(&asked);
        assert_eq!((answer.status, answer.code), (Status::Error, Some(code)), "{answer:?}");
        assert!(answer.error.as_ref().unwrap().contains(word), "{answer:?}");
        assert!(answer.occurrences.is_empty() && answer.count == 0);
    }
}

#[test]
fn a_range_has_at_most_365_days_to_the_instant() {
    let start = "2025-01-01T00:00:00Z";
    let length = |end: &str| calculate(&request("0 0 1 1 *", start, end)).code;
    assert_eq!(length("2026-01-01T00:00:00Z"), None);
    assert_eq!(length("2026-01-01T00:00:00.000000001Z"), Some("invalid_range"));
    assert_eq!(length("2025-01-01T00:00:00.000000001Z"), None);
    // Both ends inside one millisecond of the clock are still told apart.
    let asked = request("0 0 1 1 *", "2025-01-01T00:00:00.0000005Z", "2026-01-01T00:00:00.0000005Z");
    let answer = calculate(&asked);
    assert_eq!((answer.code, moments(&answer)), (None, vec!["2026-01-01T00:00:00+00:00".to_owned()]));
}

#[test]
fn truncated_means_that_there_is_more() {
    let mut asked = request("* * * * *", "2025-01-01T00:00:00Z", "2025-01-01T00:04:00Z");
    asked.max_occurrences = Some(3);
    let answer = calculate(&asked);
    assert_eq!((answer.count, answer.truncated, answer.next_after), (3, false, None));
    asked.max_occurrences = Some(2);
    let answer = calculate(&asked);
    assert_eq!((answer.count, answer.truncated), (2, true));
    asked.start_date = answer.next_after.map(|cursor| cursor.to_string());
    assert_eq!(moments(&calculate(&asked)), ["2025-01-01T00:03:00+00:00"]);
    asked.end_date = Some("2025-12-01T00:00:00Z".to_owned());
    asked.max_occurrences = Some(5_000);
    assert_eq!(calculate(&asked).count, 1_000);
}

#[test]
fn a_cursor_leads_through_a_range_without_loss() {
    let whole = CronRequest {
        timezone: "US/Eastern".to_owned(),
        ..request("0-59/20 * * * *", "2025-10-30", "2025-11-05")
    };
    let mut page = CronRequest { max_occurrences: Some(7), ..whole.clone() };
    let mut seen = Vec::new();
    loop {
        let answer = calculate(&page);
        seen.extend(moments(&answer));
        match answer.next_after {
            Some(cursor) => page.start_date = Some(cursor.to_string()),
            None => break,
        }
    }
    assert_eq!(seen, moments(&calculate(&whole)));
}

#[test]
fn what_never_fires_is_a_success_with_nothing() {
    let answer = calculate(&CronRequest::new("0 0 30 2 *"));
    assert_eq!((answer.status, answer.count, answer.never_fires), (Status::Success, 0, true));
}

#[test]
fn a_budget_that_is_used_up_is_an_error() {
    let small = CronCalculator::new().steps_max(100);
    let answer = small.calculate_next_occurrences(&CronRequest::new("* * * * *"), at(NOW));
    assert_eq!((answer.status, answer.code), (Status::Error, Some("budget_exceeded")));
    assert!(answer.error.unwrap().starts_with("budget_exceeded"));
}

#[test]
fn daylight_saving_is_told_only_to_fixed_schedules_that_feel_it() {
    let warnings = |text: &str, start: &str, end: &str| {
        let asked = CronRequest { timezone: "US/Eastern".to_owned(), ..request(text, start, end) };
        let answer = calculate(&asked);
        let told =
            answer.dst_warnings.iter().map(|warning| format!("{:?} {}", warning.kind, warning.occurrence));
        told.collect::<Vec<_>>()
    };
    let (start, end) = ("2025-01-01", "2026-01-01");
    assert_eq!(warnings("30 2 * * *", start, end), ["Gap 2025-03-09T03:00:00-04:00"]);
    assert_eq!(warnings("30 1 * * *", start, end), ["Overlap 2025-11-02T01:30:00-04:00"]);
    assert_eq!(warnings("0-59 1,2 * * *", start, end).len(), 2);
    for silent in ["*/30 * * * *", "*/30 2 * * *", "0 9 * * *", "30 2 * * MON"] {
        assert_eq!(warnings(silent, start, end), [] as [&str; 0], "{silent}");
    }
    // Ends are excluded here as well.
    assert_eq!(warnings("30 2 * * *", "2025-03-09T03:00:00-04:00", "2025-04-01"), [] as [&str; 0]);
    assert_eq!(warnings("30 2 * * *", "2025-03-01", "2025-03-09T03:00:00-04:00"), [] as [&str; 0]);
    assert_eq!(warnings("30 1 * * *", "2025-11-01", "2025-11-02T01:31:00-04:00").len(), 1);
    assert_eq!(warnings("30 1 * * *", "2025-11-01", "2025-11-02T01:30:00-04:00"), [] as [&str; 0]);
}

#[test]
fn the_cache_is_bounded_and_counted() {
    let calculator = CronCalculator::new();
    let ask = |text: &str, use_cache| {
        let asked = CronRequest { use_cache, ..CronRequest::new(text) };
        calculator.calculate_next_occurrences(&asked, at(NOW)).cached
    };
    assert_eq!([ask("@daily", true), ask("@daily", true), ask("@daily", false)], [false, true, false]);
    for n in 0..1_100 {
        ask(&format!("{} {} * * *", n % 60, n / 60), true);
    }
    assert!(!ask("broken", true));
    let stats = calculator.stats();
    assert_eq!((stats.calculations, stats.cache_hits, stats.cache_misses), (1_104, 1, 1_102));
    assert_eq!(stats.cached_expressions, 1_024);
    assert!(stats.iterations > 0 && stats.iterations_saved > 1_000 * 1_000);
}

#[test]
fn many_threads_share_one_calculator() {
    let calculator = CronCalculator::new();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let calculator = &calculator;
            scope.spawn(move || {
                for n in 0..200 {
                    let asked = CronRequest::new(format!("{} {thread} * * *", n % 60));
                    assert_eq!(calculator.calculate_next_occurrences(&asked, at(NOW)).count, 1);
                }
            });
        }
    });
    assert_eq!(calculator.stats().calculations, 800);
}
