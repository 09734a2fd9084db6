//! What may be written, and what it means.

use longshore_cron::{Cron, Zone, tz_version};
use proptest::prelude::*;

use crate::random::expressions;
use crate::{cron, due};

#[test]
fn two_ways_to_say_the_same_are_equal() {
    for (one, other) in [
        ("@yearly", "0 0 1 1 *"),
        ("@ANNUALLY", "0 0 1 JAN ?"),
        ("@monthly", "0 0 1 * *"),
        ("@weekly", "0 0 * * 7"),
        ("@daily", "@midnight"),
        (" @hourly ", "0 0 * * * *"),
        ("  0\t0  * * *  ", "0 0 * * *"),
        ("*/1 * * * *", "* * * * *"),
        ("5,* * * * *", "* * * * *"),
        ("0 0 * * SUN", "0 0 * * 0"),
        ("0 0 * * 5-7", "0 0 * * fri-SUN"),
        ("0 0 * * FRI-MON", "0 0 * * 5,6,0,1"),
        ("0 22-2 * * *", "0 22,23,0,1,2 * * *"),
        ("0 0 1 NOV-FEB *", "0 0 1 1,2,11,12 *"),
        ("0 0 28-3 * *", "0 0 1-3,28-31 * *"),
        ("5/15 * * * *", "5,20,35,50 * * * *"),
        ("0 22-2/2 * * *", "0 22,0,2 * * *"),
        ("0 0 * * 0-7", "0 0 * * *"),
        ("0 0 1-31 * MON", "0 0 * * *"),
        ("0 0 * * FRIL", "0 0 ? * 5l"),
        ("0 0 * * SUN#1", "0 0 * * 7#1"),
        ("0 0 * * 1-7/2", "0 0 * * MON,WED,FRI,SUN"),
        ("09 007 * * *", "9 7 * * *"),
        ("*/100 5 * * *", "*/60 5 * * *"),
    ] {
        assert_eq!(cron(one), cron(other), "{one} and {other}");
    }
}

#[test]
fn what_differs_at_daylight_saving_is_not_equal() {
    assert_ne!(cron("0-59 * 1 * *"), cron("0-58 * 1 * *"));
    assert_ne!(cron("0-59 3 * * *"), cron("* 3 * * *"));
    assert!(cron("* 3 * * *").is_interval() && cron("5 */2 * * *").is_interval());
    assert!(!cron("0-59 3 * * *").is_interval() && !cron("*/15,7 3 * * *").is_interval());
    assert!(!cron("* 30 2 * * *").is_interval(), "seconds do not make an interval");
}

#[test]
fn both_kinds_of_days_mean_either_unless_one_begins_with_a_star() {
    let days = |text: &str| {
        let found = due(text, "UTC", "2024-12-31T23:59:00Z", "2025-02-01T00:00:00Z");
        found.iter().map(|moment| moment[8..10].parse().unwrap()).collect::<Vec<u32>>()
    };
    assert_eq!(days("0 0 1,15 * MON"), [1, 6, 13, 15, 20, 27]);
    assert_eq!(days("0 0 */2 * MON"), [13, 27]);
    assert_eq!(days("0 0 2-31/2 * */3"), [4, 8, 12, 18, 22, 26]);
    assert_eq!(days("0 0 ? * MON"), [6, 13, 20, 27]);
    assert_eq!(days("0 0 LW * MON#2"), [13, 31]);
    assert_eq!(days("0 0 L-3,L * *"), [28, 31]);
    assert_eq!(days("0 0 4W,5W,18W * *"), [3, 6, 17]);
    assert_eq!(days("0 0 * * SATL,TUE#1"), [7, 25]);
}

#[test]
fn the_weekday_nearest_stays_in_its_month() {
    let due = |text, start, end| due(text, "UTC", start, end);
    // 1 March 2025 was a Saturday, 31 August a Sunday.
    assert_eq!(
        due("0 0 1W * *", "2025-02-28T00:00:00Z", "2025-03-31T00:00:00Z"),
        ["2025-03-03T00:00:00+00:00"]
    );
    assert_eq!(
        due("0 0 31W * *", "2025-08-02T00:00:00Z", "2025-10-01T00:00:00Z"),
        ["2025-08-29T00:00:00+00:00"]
    );
}

#[test]
fn the_normal_form_has_numbers_and_single_blanks() {
    for (text, normal) in [
        ("@weekly", "0 0 * * 0"),
        ("0  0 ? JAN-mar FRI-MON", "0 0 * 1-3 5-1"),
        ("0 5,3,5 * * 7", "0 3,5 * * 0"),
        ("0 */5 * * * *", "*/5 * * * *"),
        ("05 0 0 LW * fril,MON#2", "5 0 0 LW * 5L,1#2"),
        ("0 0 l-3w,15w * * ", "0 0 L-3W,15W * *"),
    ] {
        assert_eq!(cron(text).to_string(), normal, "{text}");
    }
}

#[test]
fn an_expression_is_a_text_in_json() {
    let weekly: Cron = serde_json::from_str("\"@weekly\"").unwrap();
    assert_eq!(serde_json::to_string(&weekly).unwrap(), "\"0 0 * * 0\"");
    let refused = serde_json::from_str::<Cron>("\"@reboot\"").unwrap_err();
    assert!(refused.to_string().contains("@daily"), "{refused}");
}

#[test]
fn zones_have_iana_names() {
    assert_eq!(Zone::parse("europe/paris").unwrap().name(), "Europe/Paris");
    assert_eq!(Zone::default().name(), "UTC");
    let paris: Zone = serde_json::from_str("\"europe/paris\"").unwrap();
    assert_eq!(serde_json::to_string(&paris).unwrap(), "\"Europe/Paris\"");
    for name in ["", "Mars/Olympus", "+02:00", "CET-1CEST", "Etc/Unknown", " UTC", "Europe/Paris\n", "../UTC"]
    {
        let refused = Zone::parse(name).unwrap_err();
        assert_eq!(refused.code, "invalid_timezone");
        assert!(refused.got.contains(&format!("{name:?}")), "{refused}");
    }
    assert!(tz_version().starts_with("20"), "{}", tz_version());
    assert!(Zone::names().count() > 400);
}

proptest! {
    #[test]
    fn what_is_written_means_the_same(expression in prop_oneof![expressions(false), expressions(true)]) {
        let text = expression.to_string();
        let parsed = cron(&text);
        let again = Cron::parse(parsed.as_str()).unwrap();
        prop_assert_eq!(&again, &parsed, "{}", text);
        prop_assert_eq!(again.as_str(), parsed.as_str());
        prop_assert!(parsed.as_str().len() <= text.len());
    }

    #[test]
    fn no_text_makes_it_panic(text in "[-*/,?#LWa-zA-Z0-9 @~(]{0,30}|\\PC{0,40}") {
        if let Err(error) = Cron::parse(&text) {
            prop_assert!(error.position <= text.chars().count());
            prop_assert!(!error.hint.is_empty() && !error.expected.is_empty() && !error.got.is_empty());
        }
    }
}
