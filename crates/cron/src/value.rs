//! Reads single values, steps and names, and tells what is wrong with the others.

use crate::scan::Piece;
use crate::{CronError, Field};

/// No step needs more; a larger one could only be a slip.
const STEP_MAX: u32 = 9_999;

/// Reads one value of the field; 7 stays 7 among weekdays, because a range may end there.
pub(crate) fn value(piece: Piece<'_>) -> Result<u8, CronError> {
    let field = piece.field;
    if let Some(value) = field.named(piece.text) {
        return Ok(value);
    }
    let (low, mut high) = field.bounds();
    if field == Field::DayOfWeek {
        high = 7;
    }
    match number(piece.text) {
        Some(value) if (u32::from(low)..=u32::from(high)).contains(&value) => Ok(value as u8),
        _ => Err(wrong(piece)),
    }
}

/// Reads what stands behind a slash.
pub(crate) fn step(piece: Piece<'_>) -> Result<u16, CronError> {
    match number(piece.text) {
        Some(step) if (1..=STEP_MAX).contains(&step) => Ok(step as u16),
        _ => Err(piece.error(
            format!("a step from 1 to {STEP_MAX}"),
            "write the step as a number behind one slash, such as */5",
        )),
    }
}

/// A number of digits only. Anything too large to matter is `u32::MAX`.
pub(crate) fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u32::MAX))
}

fn wrong(piece: Piece<'_>) -> CronError {
    piece.error(piece.field.value_expected(), hint(piece))
}

/// What somebody who wrote this probably meant.
fn hint(piece: Piece<'_>) -> String {
    let field = piece.field;
    let upper = piece.text.to_ascii_uppercase();
    if is_random(piece.text) {
        return "random and hashed times (R, H, ~) are not supported; choose a value".to_owned();
    }
    if upper.starts_with('*') {
        return "nothing but a step may follow *".to_owned();
    }
    if upper.contains('?') {
        return "? stands alone, and only among days; write * here".to_owned();
    }
    if upper.contains('#') {
        return "# belongs to the day of week, such as MON#2, with a number from 1 to 5".to_owned();
    }
    if upper == "L" && field == Field::DayOfWeek {
        return "name the weekday: 5L or FRIL is the last Friday of the month".to_owned();
    }
    let tail = upper.trim_start_matches(|c: char| c.is_ascii_digit() || c == 'L' || c == '-');
    if (upper == "L" || upper.starts_with("L-") || tail == "W") && field != Field::DayOfMonth {
        return "L and W belong to the day of month".to_owned();
    }
    if upper.ends_with('L') && number(&upper[..upper.len() - 1]).is_some() && field == Field::DayOfMonth {
        return "write L for the last day; the last weekday of a kind, such as 5L, belongs to the day of week"
            .to_owned();
    }
    field.hint().to_owned()
}

/// `H`, `H/5`, `H(0-7)`, `R`, `R(1-5)` and `0~59` of other systems.
fn is_random(text: &str) -> bool {
    let mut chars = text.chars();
    let letter = matches!(chars.next(), Some('H' | 'h' | 'R' | 'r'));
    letter && !chars.next().is_some_and(char::is_alphanumeric) || text.contains('~')
}
