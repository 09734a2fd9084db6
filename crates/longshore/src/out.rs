//! The only place that writes to standard output and standard error. A reader that has gone is no failure.

use std::fmt::Display;
use std::io::{IsTerminal, Write, stderr, stdout};

use serde::Serialize;

/// A line of the answer.
pub(crate) fn line(text: impl Display) {
    let mut out = stdout().lock();
    // Flushed, because somebody may wait for this line through a pipe.
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// The answer for programs.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    line(serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Text as it is, without a line end of its own.
pub(crate) fn raw(bytes: &[u8]) {
    let mut out = stdout().lock();
    let _ = out.write_all(bytes).and_then(|()| out.flush());
}

/// A line beside the answer: warnings, and what is going on.
pub(crate) fn note(text: impl Display) {
    let _ = writeln!(stderr().lock(), "{text}");
}

/// Whether a person looks at what goes on.
pub(crate) fn is_watched() -> bool {
    stderr().is_terminal()
}
