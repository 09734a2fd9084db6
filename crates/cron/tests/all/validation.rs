//! What a validation answers.

use longshore_cron::CronCalculator;
use serde_json::{Value, json};

use crate::at;

fn validate(text: &str, zone: &str, now: &str) -> Value {
    serde_json::to_value(CronCalculator::new().validate(text, zone, at(now))).unwrap()
}

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

#[test]
fn what_is_valid_is_shown_at_work() {
    let answer = validate("30 2 * * *", "us/eastern", "2025-03-07T12:00:00Z");
    let expected = [
        "cron_expression",
        "dst_warnings",
        "frequency",
        "next_occurrence",
        "preview_occurrences",
        "timezone",
        "valid",
    ];
    assert_eq!(keys(&answer), expected);
    assert_eq!(answer["valid"], true);
    assert_eq!(answer["timezone"], "US/Eastern");
    assert_eq!(answer["next_occurrence"], "2025-03-08T02:30:00-05:00");
    assert_eq!(answer["preview_occurrences"].as_array().unwrap().len(), 5);
    assert_eq!(answer["preview_occurrences"][1], "2025-03-09T03:00:00-04:00");
    let frequency = json!({"description": "every day", "avg_interval_minutes": 1440.0, "min_interval_minutes": 1440.0,
        "max_interval_minutes": 1440.0, "regular": true});
    assert_eq!(answer["frequency"], frequency);
    let warnings = answer["dst_warnings"].as_array().unwrap();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert_eq!(keys(&warnings[0]), ["message", "occurrence", "recommendation", "severity", "type"]);
    assert_eq!(
        (&warnings[0]["type"], &warnings[0]["occurrence"]),
        (&json!("gap"), &json!("2025-03-09T03:00:00-04:00"))
    );
}

#[test]
fn leap_days_are_looked_for_nine_years_ahead() {
    let answer = validate("0 0 29 2 *", "UTC", "2096-02-29T00:00:00Z");
    assert_eq!(answer["preview_occurrences"], json!(["2104-02-29T00:00:00+00:00"]));
    let answer = validate("0 0 30 2 *", "UTC", "2025-01-01T00:00:00Z");
    assert_eq!((&answer["valid"], &answer["next_occurrence"]), (&json!(true), &Value::Null));
    assert_eq!(answer["frequency"]["description"], "Unknown");
}

#[test]
fn what_is_invalid_says_where_and_what_to_do() {
    let answer = validate("0 25 * * *", "UTC", "2025-01-01T00:00:00Z");
    assert_eq!(keys(&answer), ["cron_expression", "error", "field", "hint", "position", "valid"]);
    assert_eq!(
        (&answer["valid"], &answer["field"], &answer["position"]),
        (&json!(false), &json!(1), &json!(2))
    );
    assert!(answer["error"].as_str().unwrap().contains("an hour from 0 to 23"));
    let answer = validate("* * * * *", "Mars/Olympus", "2025-01-01T00:00:00Z");
    assert_eq!((&answer["valid"], &answer["field"]), (&json!(false), &Value::Null));
    assert!(answer["error"].as_str().unwrap().contains("Mars/Olympus"));
}

#[test]
fn the_short_form_has_five_keys() {
    let short = |text, zone| serde_json::to_value(CronCalculator::new().validate_short(text, zone)).unwrap();
    let answer = short("*/5 3 * * *", "UTC");
    let words = "every 5 minutes from 03:00 through 03:55 every day (UTC)";
    let expected = json!({"valid": true, "expression": "*/5 3 * * *", "description": words, "error": null, "hint": null});
    assert_eq!(answer, expected);
    for answer in [short("@reboot", "UTC"), short("@daily", "Nowhere")] {
        assert_eq!(keys(&answer), ["description", "error", "expression", "hint", "valid"]);
        assert_eq!((&answer["valid"], &answer["description"]), (&json!(false), &Value::Null));
        assert!(answer["error"].is_string() && answer["hint"].is_string());
    }
}
