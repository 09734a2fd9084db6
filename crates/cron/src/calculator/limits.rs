//! The bounds of the calculator.

use longshore_core::Invalid;

/// Most moments in one answer, and how many there are if none is asked for.
pub const OCCURRENCES_MAX: usize = 1_000;
/// The longest range, to the instant.
pub const RANGE_DAYS_MAX: i64 = 365;
/// The range if no end is given.
pub const RANGE_DAYS: i64 = 1;
/// Most parsed expressions that are kept.
pub const CACHED_EXPRESSIONS_MAX: usize = 1_024;
/// Most steps in one calculation: months looked at, changes of the clock passed and moments found. A step takes well
/// below a microsecond, so this is a small part of 50 ms.
pub const STEPS_MAX: u64 = 20_000;
/// Most moments in the preview of a validation.
pub const PREVIEWS_MAX: usize = 5;
/// How far ahead a validation looks for daylight saving.
pub const WARNING_DAYS: u32 = 365;

/// What is asked for, cut to what there may be.
pub(crate) fn occurrences(asked: Option<u32>) -> Result<usize, Invalid> {
    match asked {
        None => Ok(OCCURRENCES_MAX),
        Some(0) => Err(Invalid::new("max_occurrences", format!("a number from 1 to {OCCURRENCES_MAX}"), 0)
            .code("invalid_max_occurrences")),
        Some(asked) => Ok(OCCURRENCES_MAX.min(asked as usize)),
    }
}
