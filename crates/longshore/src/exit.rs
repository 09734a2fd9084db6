//! How a command ends: 0 done, 1 failed, 2 asked for in the wrong way.

use std::fmt;
use std::process::ExitCode;

use longshore_core::{Invalid, StoreError};
use longshore_services::PdfServiceError;

use crate::config::Mistakes;
use crate::operator::RemoteError;
use crate::out;

const FAILED: u8 = 1;
const WRONG_USAGE: u8 = 2;

/// A command that was called in a way it does not understand.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// A failure that was told already.
#[derive(Debug)]
pub(crate) struct Told;

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("failed")
    }
}

impl std::error::Error for Told {}

/// Tells a failure and chooses the code.
pub(crate) fn code(ended: anyhow::Result<()>) -> ExitCode {
    let Err(error) = ended else { return ExitCode::SUCCESS };
    if !error.is::<Told>() {
        out::note(format_args!("longshore: {error:#}"));
    }
    ExitCode::from(if is_wrong_usage(&error) { WRONG_USAGE } else { FAILED })
}

fn is_wrong_usage(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.is::<Usage>()
            || cause.is::<Mistakes>()
            || cause.is::<Invalid>()
            || cause.downcast_ref().is_some_and(RemoteError::is_wrong_usage)
            || matches!(cause.downcast_ref(), Some(StoreError::Invalid(_)))
            || matches!(cause.downcast_ref(), Some(PdfServiceError::Invalid(_)))
    })
}
