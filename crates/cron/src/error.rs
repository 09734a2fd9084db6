use std::fmt;

use longshore_core::Invalid;

use crate::Field;

/// Why a text is no cron expression: where, what was expected, what came, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CronError {
    /// The field in which the trouble is, counted from 0 as written. A missing field has the index it would have.
    pub index: usize,
    /// The name of that field.
    pub field: Field,
    /// Where in the text, in characters from 0. Behind the last one if something is missing there.
    pub position: usize,
    /// What would have been right.
    pub expected: String,
    /// What came, shortened.
    pub got: String,
    /// What to do, in one sentence.
    pub hint: String,
}

impl CronError {
    /// The code under which [`Invalid`] reports it.
    pub const CODE: &'static str = "invalid_cron";

    /// What is wrong and where, without the hint.
    pub fn problem(&self) -> String {
        let Self { index, field, position, expected, got, .. } = self;
        format!("{field} (field {index}, position {position}): expected {expected}, got {got}")
    }
}

impl fmt::Display for CronError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.problem(), self.hint)
    }
}

impl std::error::Error for CronError {}

impl From<CronError> for Invalid {
    fn from(error: CronError) -> Self {
        let CronError { index, field, position, expected, got, hint } = error;
        let expected = format!("{expected} ({field}, field {index}, position {position}; {hint})");
        Self::new("cron_expression", expected, got).code(CronError::CODE)
    }
}
