//! English in small pieces.

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const ORDINALS: [&str; 5] = ["first", "second", "third", "fourth", "fifth"];

/// A month, 1 to 12.
pub(super) fn month(month: u32) -> &'static str {
    MONTHS[(month as usize + 11) % 12]
}

/// A weekday; 0 and 7 are Sunday.
pub(super) fn weekday(day: u32) -> &'static str {
    WEEKDAYS[day as usize % 7]
}

/// `first` to `fifth`, from 0.
pub(super) fn ordinal(index: usize) -> &'static str {
    ORDINALS[index % 5]
}

/// `1st`, `22nd`, `13th`.
pub(super) fn counted(n: u32) -> String {
    let ending = match (n % 10, n % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{n}{ending}")
}

/// `a`, `a and b`, `a, b and c`; the last word before the last item is up to the caller.
pub(super) fn join(parts: &[String], last: &str) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [start @ .., end] => format!("{} {last} {end}", start.join(", ")),
    }
}

pub(super) fn and(parts: &[String]) -> String {
    join(parts, "and")
}

/// `minute 5`, `minutes 5 and 10`.
pub(super) fn noun(noun: &str, parts: &[String], one: bool) -> String {
    let plural = if one { "" } else { "s" };
    format!("{noun}{plural} {}", and(parts))
}
