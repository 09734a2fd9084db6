//! The only place that writes to standard output and standard error. A reader that has gone is no failure.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, IsTerminal, Write, stderr, stdout};
use std::sync::OnceLock;

use serde::Serialize;

/// Standard output, once nobody else may write to it.
static OWN: OnceLock<File> = OnceLock::new();

/// Keeps standard output for the answers of this program: what libraries print there themselves goes nowhere.
#[cfg(unix)]
pub(crate) fn keep_clean() -> io::Result<()> {
    use std::os::fd::AsFd;
    let own = stdout().as_fd().try_clone_to_owned()?;
    rustix::stdio::dup2_stdout(File::options().write(true).open("/dev/null")?)?;
    // A second call finds it clean already.
    let _ = OWN.set(own.into());
    Ok(())
}

/// What libraries print goes with the answers on this system.
#[cfg(not(unix))]
pub(crate) fn keep_clean() -> io::Result<()> {
    Ok(())
}

/// Why a part of the answer did not get out.
static LOST: OnceLock<io::Error> = OnceLock::new();

/// Writes and flushes, because somebody may wait for it through a pipe.
fn write(bytes: &[u8]) {
    let put = |out: &mut dyn Write| out.write_all(bytes).and_then(|()| out.flush());
    let put = match OWN.get() {
        Some(mut own) => put(&mut own),
        None => put(&mut stdout().lock()),
    };
    if let Err(error) =
        put.or_else(|error| if error.kind() == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(error) })
    {
        let _ = LOST.set(error);
    }
}

/// Fails if a part of the answer did not get out, as on a full disk.
pub(crate) fn check() -> anyhow::Result<()> {
    LOST.get().map_or(Ok(()), |error| Err(anyhow::anyhow!("cannot write to standard output: {error}")))
}

/// A line of the answer. What came from elsewhere must not command the terminal of whoever reads it.
pub(crate) fn line(text: impl Display) {
    let text = format!("{text}\n");
    let harmless =
        |c: char| if c.is_control() && c != '\n' && c != '\t' { char::REPLACEMENT_CHARACTER } else { c };
    write(text.chars().map(harmless).collect::<String>().as_bytes());
}

/// The answer for programs.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    line(serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Text as it is, without a line end of its own.
pub(crate) fn raw(bytes: &[u8]) {
    write(bytes);
}

/// A line beside the answer: warnings, and what is going on.
pub(crate) fn note(text: impl Display) {
    let _ = writeln!(stderr().lock(), "{text}");
}

/// Whether a person looks at what goes on.
pub(crate) fn is_watched() -> bool {
    stderr().is_terminal()
}
