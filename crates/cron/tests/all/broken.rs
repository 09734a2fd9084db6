//! Every broken kind of expression names its field and its place.

use longshore_core::Invalid;
use longshore_cron::{Cron, Field};

#[test]
fn errors_name_field_and_position() {
    let many = format!("{} * * * *", vec!["1"; 97].join(","));
    let long = format!("* * * * {}", "1,".repeat(130));
    for (text, index, field, position, got, hint) in [
        ("", 0, Field::Minute, 0, "nothing", "write minute"),
        ("   ", 0, Field::Minute, 3, "nothing", "write minute"),
        ("* * * *", 4, Field::DayOfWeek, 7, "4 fields", "write minute"),
        ("* * * * * * 2025", 6, Field::Year, 12, "\"2025\"", "leave the year out"),
        ("* * * * * * * *", 6, Field::Year, 12, "\"*\"", "leave the year out"),
        ("60 * * * *", 0, Field::Minute, 0, "\"60\"", "write *"),
        ("* 24 * * *", 1, Field::Hour, 2, "\"24\"", "write *"),
        ("* * 0 * *", 2, Field::DayOfMonth, 4, "\"0\"", "write *"),
        ("* * 32 * *", 2, Field::DayOfMonth, 4, "\"32\"", "write *"),
        ("* * * 13 *", 3, Field::Month, 6, "\"13\"", "three letters"),
        ("* * * * 8", 4, Field::DayOfWeek, 8, "\"8\"", "MON-FRI"),
        ("60 * * * * *", 0, Field::Second, 0, "\"60\"", "write *"),
        ("* * * * * 8", 5, Field::DayOfWeek, 10, "\"8\"", "MON-FRI"),
        ("  5 5-99999999999 * * *", 1, Field::Hour, 6, "\"99999999999\"", "write *"),
        ("*/0 * * * *", 0, Field::Minute, 2, "\"0\"", "number behind one slash"),
        ("*/ * * * *", 0, Field::Minute, 2, "nothing", "number behind one slash"),
        ("*/5/5 * * * *", 0, Field::Minute, 2, "\"5/5\"", "number behind one slash"),
        ("*/-5 * * * *", 0, Field::Minute, 2, "\"-5\"", "number behind one slash"),
        ("*/x * * * *", 0, Field::Minute, 2, "\"x\"", "number behind one slash"),
        ("5/99999 * * * *", 0, Field::Minute, 2, "\"99999\"", "number behind one slash"),
        ("1,,2 * * * *", 0, Field::Minute, 2, "nothing", "comma"),
        (",1 * * * *", 0, Field::Minute, 0, "nothing", "comma"),
        ("1, * * * *", 0, Field::Minute, 2, "nothing", "comma"),
        // A blank behind a comma makes a field too many; what is seen first is the open list.
        ("0 1, 2 * * *", 1, Field::Minute, 4, "nothing", "comma"),
        ("1- * * * *", 0, Field::Minute, 2, "nothing", "write *"),
        ("-5 * * * *", 0, Field::Minute, 0, "nothing", "write *"),
        ("1-2-3 * * * *", 0, Field::Minute, 2, "\"2-3\"", "write *"),
        ("*5 * * * *", 0, Field::Minute, 0, "\"*5\"", "nothing but a step"),
        ("1.5 * * * *", 0, Field::Minute, 0, "\"1.5\"", "write *"),
        ("* * * FOO *", 3, Field::Month, 6, "\"FOO\"", "three letters"),
        ("* * * MON *", 3, Field::Month, 6, "\"MON\"", "three letters"),
        ("* * * January *", 3, Field::Month, 6, "\"January\"", "three letters"),
        ("* * * * MON-FOO", 4, Field::DayOfWeek, 12, "\"FOO\"", "three letters"),
        ("* * * * MONDAY", 4, Field::DayOfWeek, 8, "\"MONDAY\"", "three letters"),
        ("R * * * *", 0, Field::Minute, 0, "\"R\"", "random"),
        ("h/5 * * * *", 0, Field::Minute, 0, "\"h\"", "random"),
        ("* H(0-7) * * *", 1, Field::Hour, 2, "\"H(0\"", "random"),
        ("0~30 * * * *", 0, Field::Minute, 0, "\"0~30\"", "random"),
        ("? * * * *", 0, Field::Minute, 0, "\"?\"", "only among days"),
        ("* * ?/2 * *", 2, Field::DayOfMonth, 4, "\"?\"", "stands alone"),
        ("L * * * *", 0, Field::Minute, 0, "\"L\"", "belong to the day of month"),
        ("* 5W * * *", 1, Field::Hour, 2, "\"5W\"", "belong to the day of month"),
        ("* * 5L * *", 2, Field::DayOfMonth, 4, "\"5L\"", "belongs to the day of week"),
        ("* * MON#2 * *", 2, Field::DayOfMonth, 4, "\"MON#2\"", "belongs to the day of week"),
        ("* * L-31 * *", 2, Field::DayOfMonth, 6, "\"31\"", "L-3"),
        ("* * L-0 * *", 2, Field::DayOfMonth, 6, "\"0\"", "L-3"),
        ("* * L5 * *", 2, Field::DayOfMonth, 4, "\"L5\"", "L (the last day)"),
        ("* * W * *", 2, Field::DayOfMonth, 4, "\"W\"", "15W"),
        ("* * 32W * *", 2, Field::DayOfMonth, 4, "\"32W\"", "15W"),
        ("* * 1-5W * *", 2, Field::DayOfMonth, 4, "\"1-5W\"", "15W"),
        ("* * * * L", 4, Field::DayOfWeek, 8, "\"L\"", "name the weekday"),
        ("* * * * MON#6", 4, Field::DayOfWeek, 12, "\"6\"", "second Monday"),
        ("* * * * MON#", 4, Field::DayOfWeek, 12, "nothing", "second Monday"),
        ("* * * * FOO#1", 4, Field::DayOfWeek, 8, "\"FOO\"", "three letters"),
        ("* * * * MON-FRIL", 4, Field::DayOfWeek, 8, "\"MON-FRI\"", "MON-FRI"),
        ("@reboot", 0, Field::Expression, 0, "\"@reboot\"", "when the program starts"),
        ("@every 5m", 0, Field::Expression, 0, "\"@every 5m\"", "interval"),
        (" @sometimes", 0, Field::Expression, 1, "\"@sometimes\"", "five fields"),
        ("@daily * * * *", 0, Field::Expression, 0, "\"@daily * * * *\"", "five fields"),
        ("é * * * *", 0, Field::Minute, 0, "\"é\"", "write *"),
        ("0,é,x * * * *", 0, Field::Minute, 2, "\"é\"", "write *"),
        ("0\n0 * * *", 4, Field::DayOfWeek, 9, "4 fields", "write minute"),
        (&many, 4, Field::DayOfWeek, 200, "\"*\"", "ranges and steps"),
        (&long, 4, Field::DayOfWeek, 256, "268 characters", "shorten"),
    ] {
        let error = Cron::parse(text).expect_err(text);
        assert_eq!((error.index, error.field, error.position), (index, field, position), "{text}: {error}");
        assert_eq!(error.got, got, "{text}: {error}");
        assert!(error.hint.contains(hint), "{text}: {error}");
        assert!(error.to_string().contains(&format!("field {index}, position {position}")), "{error}");
    }
}

#[test]
fn limits_are_reached_before_they_are_passed() {
    let hundred = format!("{} * * * *", vec!["1"; 96].join(","));
    assert!(Cron::parse(&hundred).is_ok());
    let full = format!("{}* * * * *", " ".repeat(247));
    assert_eq!(full.len(), 256);
    assert!(Cron::parse(&full).is_ok());
    assert!(Cron::parse(&format!(" {full}")).is_err());
}

#[test]
fn an_error_becomes_a_refusal_with_a_code() {
    let refusal = Invalid::from(Cron::parse("0 25 * * *").unwrap_err());
    assert_eq!((refusal.code, refusal.field.as_str()), ("invalid_cron", "cron_expression"));
    assert!(refusal.expected.contains("an hour from 0 to 23 (hour, field 1, position 2;"), "{refusal}");
    assert_eq!(refusal.got, "\"25\"");
}
