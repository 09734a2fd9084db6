//! Descriptions and frequencies.

use std::collections::HashMap;

use longshore_cron::{Cron, Zone};
use proptest::prelude::*;

use crate::cron;
use crate::random::expressions;

#[test]
fn descriptions_are_true_and_english() {
    for (text, words) in TABLE {
        assert_eq!(cron(text).describe(&Zone::utc()), format!("{words} (UTC)"), "{text}");
    }
    let paris = Zone::parse("Europe/Paris").unwrap();
    assert_eq!(cron("@daily").describe(&paris), "at 00:00 every day (Europe/Paris)");
}

const TABLE: &[(&str, &str)] = &[
    ("* * * * *", "every minute"),
    ("*/5 * * * *", "every 5 minutes"),
    ("* * * 1 *", "every minute in January"),
    ("*/5 3 * * *", "every 5 minutes from 03:00 through 03:55 every day"),
    ("0 * * * *", "every hour"),
    ("30 * * * *", "at minute 30 of every hour"),
    ("0 9 * * *", "at 09:00 every day"),
    ("0 9 * * MON-FRI", "at 09:00 on Monday through Friday"),
    ("30 9,17 * * *", "at 09:30 and 17:30 every day"),
    ("0,30 9,17 * * 1,3,5", "at 09:00, 09:30, 17:00 and 17:30 on Monday, Wednesday and Friday"),
    ("*/30 9-17 * * MON-FRI", "every 30 minutes from 09:00 through 17:30 on Monday through Friday"),
    ("0 9-17 * * *", "every hour from 09:00 through 17:00 every day"),
    ("0 */2 * * *", "every 2 hours"),
    ("15 */2 * * *", "every 2 hours from 00:15"),
    ("0 9-17/2 * * *", "every 2 hours from 09:00 through 17:00 every day"),
    ("0 22-2 * * MON", "every hour from 00:00 through 02:00, at 22:00 and at 23:00 on Monday"),
    ("*/7 * * * *", "every 7th minute from 0 through 56 of every hour"),
    ("5,10,20 * * * *", "at minutes 5, 10 and 20 of every hour"),
    ("10-40/5 3,4,5,9 * * *", "every 5th minute from 10 through 40 of hours 03 through 05 and 09 every day"),
    ("0 0 1 1 *", "at 00:00 on day 1 of January"),
    ("0 0 1,15 * *", "at 00:00 on days 1 and 15 of the month"),
    ("0 0 L * *", "at 00:00 on the last day of the month"),
    ("0 0 L-3 * *", "at 00:00 on the 3rd day before the last day of the month"),
    ("0 0 15W * *", "at 00:00 on the weekday nearest day 15 of the month"),
    ("0 0 LW * *", "at 00:00 on the last weekday of the month"),
    ("0 0 * * FRIL", "at 00:00 on the last Friday of the month"),
    ("0 0 * * MON#2", "at 00:00 on the second Monday of the month"),
    ("0 0 1 * MON", "at 00:00 on day 1 of the month and also on Monday"),
    (
        "0 0 */2 * MON",
        "at 00:00 on every 2nd day from day 1 through 31 of the month, but only if that is Monday",
    ),
    ("0 0 */2 * *", "at 00:00 on every 2nd day from day 1 through 31 of the month"),
    ("0 0 1 6-8 MON", "at 00:00 on day 1 of the month and also on Monday, only in June through August"),
    ("0 0 * 11-2 SAT,SUN", "at 00:00 on Saturday and Sunday in November through February"),
    (
        "0 0 1,2,3,10-20 */2 *",
        "at 00:00 on days 1 through 3 and 10 through 20 of January, March, May, July, September and November",
    ),
    ("* * * * * *", "every second"),
    ("*/10 * * * * *", "every 10 seconds"),
    ("30 * * * * *", "at second 30 of every minute"),
    ("30 */5 * * * *", "at second 30 of every 5th minute from 0 through 55 of every hour"),
    ("*/10 * 3 * * *", "every 10 seconds from 03:00:00 through 03:59:50 every day"),
    ("15 30 9 * * *", "at 09:30:15 every day"),
    ("* 5 * * * *", "every second of minute 5 of every hour"),
    ("0,30 0,30 9 * * *", "at 09:00:00, 09:00:30, 09:30:00 and 09:30:30 every day"),
    (
        "*/15 */5 9-17 * * *",
        "every 15 seconds of every 5th minute from 0 through 55 of hours 09 through 17 every day",
    ),
    ("0 0-23/5 * * *", "every 5 hours from 00:00 through 20:00 every day"),
    ("0 9 29 2 *", "at 09:00 on day 29 of February"),
    ("0 12 * JAN,JUL MON#1,FRIL", "at 12:00 on the first Monday and the last Friday of January and July"),
    (
        "0 9 */2 * MON,FRI,TUE#1",
        "at 09:00 on every 2nd day from day 1 through 31 of the month, but only if that is Monday or Friday or the first Tuesday of the month",
    ),
    (
        "0 9 L,15W * MON,FRIL",
        "at 09:00 on the last day and the weekday nearest day 15 of the month and also on Monday and the last Friday of the month",
    ),
    (
        "0 9 L-1,L-3W 2 *",
        "at 09:00 on the day before the last day and the weekday nearest the 3rd day before the last day of February",
    ),
    ("0 9 * 2 MON,FRI#2", "at 09:00 on Monday in February and on the second Friday of February"),
    ("0 0 13 * FRI", "at 00:00 on day 13 of the month and also on Friday"),
    ("0 0 * * */2", "at 00:00 on Tuesday, Thursday, Saturday and Sunday"),
    ("0 0 ? * ?", "at 00:00 every day"),
    ("59 23 31 12 *", "at 23:59 on day 31 of December"),
    ("* 9-17,20 * * *", "every minute from 09:00 through 17:59 and from 20:00 through 20:59 every day"),
    ("*/20 1,3,5,7,9,11 * * *", "every 20 minutes during hours 01, 03, 05, 07, 09 and 11 every day"),
    ("5/15 * * * *", "at minutes 5, 20, 35 and 50 of every hour"),
    ("*/45 * * * *", "at minutes 0 and 45 of every hour"),
    ("0 6,7,20 * * *", "at 06:00, 07:00 and 20:00 every day"),
    ("*/15 6,18 * * *", "every 15 minutes from 06:00 through 06:45 and from 18:00 through 18:45 every day"),
    ("*/30 2 * * *", "at 02:00 and 02:30 every day"),
    ("10 5 9-17 * * *", "at second 10 of minute 5 of hours 09 through 17 every day"),
    ("10,20 * 9-17 * * *", "at seconds 10 and 20 of every minute of hours 09 through 17 every day"),
    ("*/10 1 9-17 * * *", "every 10 seconds of minute 1 of hours 09 through 17 every day"),
];

#[test]
fn what_takes_too_many_words_is_shown_as_it_is() {
    let text = "1,3,4,6,8,9,11,13,14,17,19,22,24,30 1 * * *";
    assert_eq!(cron(text).describe(&Zone::utc()), format!("custom schedule: {text} (UTC)"));
}

/// Who reads the same words may expect the same moments.
#[test]
fn different_meanings_have_different_words() {
    let clocks = [
        "*",
        "0",
        "5",
        "0,30",
        "5,6",
        "5-8",
        "*/5",
        "*/7",
        "*/30",
        "*/20",
        "5/15",
        "3-21/3",
        "1,3,7-9,20",
        "0-22",
        "*/12",
    ];
    let seconds = ["", "* ", "30 ", "*/10 ", "*/30 ", "5,6 ", "10-40/5 "];
    let hours = clocks.map(|clock| if clock.contains("30") { "0,15" } else { clock });
    let dates =
        ["*", "1", "1,15", "1-5", "*/2", "*/10", "5-31/5", "L", "L-1", "15W", "LW", "L-2W", "1,L", "31"];
    let weekdays =
        ["*", "MON", "MON-FRI", "FRI-MON", "SAT,SUN", "*/2", "MON#1", "MON#5", "FRIL", "TUE,FRIL", "1,3,5"];
    let months = ["*", "1", "6-8", "11-2", "*/3", "2,4"];
    let mut texts = Vec::new();
    for (second, minute, hour) in triples(&seconds, &clocks, &hours) {
        texts.push(format!("{second}{minute} {hour} * * *"));
    }
    for (date, month, weekday) in triples(&dates, &months, &weekdays) {
        texts.push(format!("0 9 {date} {month} {weekday}"));
    }
    let utc = Zone::utc();
    let mut known = HashMap::new();
    for text in texts {
        let cron = cron(&text);
        let words = cron.describe(&utc);
        let moments: Vec<_> =
            cron.after(&utc, crate::at("2025-01-01T00:00:00Z")).take(150).map(|found| found.at).collect();
        let (other, expected) = known.entry(words.clone()).or_insert_with(|| (text.clone(), moments.clone()));
        assert!(*expected == moments, "{text} and {other} both are {words:?}");
    }
}

fn triples<'a>(
    a: &'a [&str],
    b: &'a [&str],
    c: &'a [&str],
) -> impl Iterator<Item = (&'a str, &'a str, &'a str)> {
    a.iter().flat_map(move |a| b.iter().flat_map(move |b| c.iter().map(move |c| (*a, *b, *c))))
}

#[test]
fn frequencies_are_exact() {
    for (text, words, avg, min, max) in [
        ("* * * * * *", "every minute or more often", 0.02, 0.02, 0.02),
        ("*/30 * * * * *", "every minute or more often", 0.5, 0.5, 0.5),
        ("* * * * *", "every minute", 1.0, 1.0, 1.0),
        ("*/5 * * * *", "every 5 minutes", 5.0, 5.0, 5.0),
        ("*/7 * * * *", "every 6 minutes, irregular", 6.67, 4.0, 7.0),
        ("0 * * * *", "every hour", 60.0, 60.0, 60.0),
        ("*/90 * * * *", "every hour", 60.0, 60.0, 60.0),
        ("0 */5 * * *", "every 4 hours, irregular", 288.0, 240.0, 300.0),
        ("*/5 9-17 * * *", "every 13 minutes, irregular", 13.33, 5.0, 905.0),
        ("0 9 * * *", "every day", 1_440.0, 1_440.0, 1_440.0),
        ("0 9 * * MON-FRI", "every day, irregular", 2_016.0, 1_440.0, 4_320.0),
        ("0 9 * * MON", "every 7 days", 10_080.0, 10_080.0, 10_080.0),
        ("0 0 1 * *", "every 30 days, irregular", 43_829.1, 40_320.0, 44_640.0),
        ("0 0 29 2 *", "every 1506 days, irregular", 2_168_862.68, 2_103_840.0, 4_206_240.0),
        ("0 0 30 2 *", "Unknown", 0.0, 0.0, 0.0),
    ] {
        let found = cron(text).frequency();
        let numbers = (found.avg_interval_minutes, found.min_interval_minutes, found.max_interval_minutes);
        assert_eq!((found.description.as_str(), numbers), (words, (avg, min, max)), "{text}");
        let irregular = words.contains("irregular") || words == "Unknown";
        assert_eq!(found.regular, !irregular, "{text}");
    }
}

proptest! {
    #[test]
    fn every_expression_has_words(expression in prop_oneof![expressions(false), expressions(true)]) {
        let words = cron(&expression.to_string()).describe(&Zone::utc());
        prop_assert!(words.len() > " (UTC)".len() && !words.starts_with(' ') && !words.contains("  "));
    }

    #[test]
    fn frequencies_agree_with_what_is_due(expression in expressions(false)) {
        let cron = Cron::parse(&expression.to_string()).unwrap();
        let (frequency, utc) = (cron.frequency(), Zone::utc());
        prop_assert_eq!(frequency.description == "Unknown", cron.never_fires());
        let moments: Vec<_> = cron.after(&utc, crate::at("2025-01-01T00:00:00Z")).take(50).collect();
        for pair in moments.windows(2) {
            let minutes = (pair[1].at.as_millis() - pair[0].at.as_millis()) as f64 / 60_000.0;
            prop_assert!(frequency.min_interval_minutes <= minutes && minutes <= frequency.max_interval_minutes);
        }
    }
}
