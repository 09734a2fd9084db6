use std::time::Duration;

use longshore_core::{Invalid, format_duration};
use longshore_pool::PoolError;

use crate::FilesError;

/// Why there is no document. The text is one line that begins with its code, and names no path of this machine.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PdfServiceError {
    /// The request is wrong. Correct it.
    #[error("{}: {_0}", _0.code)]
    Invalid(Invalid),
    /// The template cannot be filled with this data. Correct one of them.
    #[error("template_error: {0}")]
    Template(String),
    /// The document is too large. Make it smaller, or raise the limit.
    #[error("{code}: {message}")]
    Limit {
        /// Which limit, as a word: `output_too_large`, `too_many_pages` and so on.
        code: &'static str,
        /// Allowed and found.
        message: String,
    },
    /// The renderer does not take this document. Correct it.
    #[error("render_failed: {0}")]
    Render(String),
    /// The renderer broke down; it may succeed later.
    #[error("renderer_crashed: {0}")]
    Crashed(String),
    /// There is no thread for it now; it may succeed later.
    #[error("renderer_busy: {0}")]
    Busy(String),
    /// It took longer than allowed.
    #[error("timeout: the document was not ready after {}, the longest time allowed", format_duration(*_0))]
    TimedOut(Duration),
    /// It was told to stop: its job was cancelled, or its worker stops.
    #[error("stopped: the rendering was stopped before it ended")]
    Stopped,
    /// The file could not be kept.
    #[error("storage_failed: {0}")]
    Files(#[from] FilesError),
}

impl PdfServiceError {
    /// A stable word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid(invalid) => invalid.code,
            Self::Template(_) => "template_error",
            Self::Limit { code, .. } => code,
            Self::Render(_) => "render_failed",
            Self::Crashed(_) => "renderer_crashed",
            Self::Busy(_) => "renderer_busy",
            Self::TimedOut(_) => "timeout",
            Self::Stopped => "stopped",
            Self::Files(_) => "storage_failed",
        }
    }

    /// Whether the same request may succeed later without anybody changing it.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Crashed(_) | Self::Busy(_) | Self::TimedOut(_) | Self::Stopped => true,
            Self::Files(error) => error.is_transient(),
            _ => false,
        }
    }
}

impl From<Invalid> for PdfServiceError {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

impl From<PoolError> for PdfServiceError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Panicked(text) => Self::Crashed(one_line(&text)),
            other => Self::Busy(other.to_string()),
        }
    }
}

/// A text of somebody else as part of a one-line message, cut to what a reader needs.
pub(super) fn one_line(text: &str) -> String {
    const SHOWN: usize = 500;
    text.chars().take(SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
