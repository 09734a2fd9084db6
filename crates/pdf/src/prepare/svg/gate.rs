//! What an SVG picture has to pass before any parser or drawer sees it.

use usvg::roxmltree::{Document, ParsingOptions};

use super::cost::{self, Cost};
use super::text::outline;
use crate::error::{LimitName, PdfError};
use crate::limits::Limits;

/// Why a picture is not drawn.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// It is over a limit, which ends the document.
    Limit(PdfError),
    /// No parser shall see it, and the document goes on without it.
    Unfit(&'static str),
    /// It cannot be read, by us or by the engine.
    Unreadable(String),
}

impl From<PdfError> for Trouble {
    fn from(limit: PdfError) -> Self {
        Self::Limit(limit)
    }
}

/// Adds up what a picture takes with all its references followed, and refuses what is over a limit.
///
/// A stack that overflows or memory that ends cannot be caught, and a few hundred bytes suffice for both.
pub(crate) fn admit(text: &str, inside: bool, limits: &Limits) -> Result<Cost, Trouble> {
    let outline = outline(text).map_err(Trouble::Unfit)?;
    if outline.nesting > limits.nesting {
        return Err(PdfError::limit(LimitName::Nesting, limits.nesting, outline.nesting).into());
    }
    if outline.elements > limits.elements {
        return Err(PdfError::limit(LimitName::Elements, limits.elements, outline.elements).into());
    }
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options)
        .map_err(|broken| Trouble::Unreadable(broken.to_string()))?;
    cost::of(&document, inside, limits)
}
