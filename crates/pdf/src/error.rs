use std::fmt;

/// Why a document became no PDF.
///
/// Every kind is final for the same input: rendering again gives the same answer, except [`PdfError::Stopped`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PdfError {
    /// The document or its PDF is larger than allowed.
    #[error("the document exceeds the limit `{limit}`: allowed {allowed}, found {found}")]
    Limit {
        /// Which limit was met first.
        limit: LimitName,
        /// What the limits of this render allow, in the unit of the limit.
        allowed: u64,
        /// What was found. Counting ends soon after a limit is passed, so a larger document may have more.
        found: u64,
    },
    /// The caller's [`Stop`](crate::Stop) asked for the end: a deadline passed, or the work was cancelled.
    #[error("the rendering was stopped before it ended")]
    Stopped,
    /// The layout engine panicked. The text is the panic's message; it may quote the document.
    #[error("the layout engine panicked: {0}")]
    Panicked(String),
    /// The layout engine refused the document, or answered with something that is no PDF.
    #[error("the layout engine failed: {0}")]
    Engine(String),
    /// A font file cannot be used.
    #[error("the font cannot be used: {0}")]
    Font(String),
}

impl PdfError {
    pub(crate) fn limit(limit: LimitName, allowed: usize, found: usize) -> Self {
        Self::Limit { limit, allowed: allowed as u64, found: found as u64 }
    }
}

/// The name of a field of [`Limits`](crate::Limits), as it is shown to people and stored with a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LimitName {
    /// Bytes of HTML.
    InputBytes,
    /// Bytes of all style sheets together.
    CssBytes,
    /// Bytes of all images and fonts that the document uses, together.
    AssetBytes,
    /// Pixels of one picture.
    PicturePixels,
    /// Pixels of all pictures.
    AllPixels,
    /// Bytes of the document after parsing, style sheets included, or of its SVG with references followed.
    ExpandedBytes,
    /// Elements inside one another, brackets of a style sheet, or references in SVG.
    Nesting,
    /// Elements in all, or those of all SVG with references followed.
    Elements,
    /// References to custom properties in the style sheets, or selectors repeated by nesting.
    CssReferences,
    /// Pages of the PDF.
    Pages,
    /// Bytes of the PDF.
    OutputBytes,
}

impl LimitName {
    /// The name as text, the same as the field's: `input_bytes`, `nesting` and so on.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InputBytes => "input_bytes",
            Self::CssBytes => "css_bytes",
            Self::AssetBytes => "asset_bytes",
            Self::PicturePixels => "picture_pixels",
            Self::AllPixels => "all_pixels",
            Self::ExpandedBytes => "expanded_bytes",
            Self::Nesting => "nesting",
            Self::Elements => "elements",
            Self::CssReferences => "css_references",
            Self::Pages => "pages",
            Self::OutputBytes => "output_bytes",
        }
    }
}

impl fmt::Display for LimitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
