use crate::assets::Assets;

/// What is to be rendered: finished HTML, its style sheets, and what its relative names mean.
#[derive(Debug, Clone, Default)]
pub struct Document {
    /// A finished HTML document (no template), UTF-8. A fragment is completed as a browser would.
    pub html: String,
    /// Style sheets as `(name, text)`, all of them applied.
    ///
    /// A sheet takes the place of the first `<link rel=stylesheet>` or `@import` that names it. Sheets that
    /// nothing names follow at the end of the head, in the order given, so they override the document's own.
    /// A link to any other name is not followed and becomes a warning.
    pub css: Vec<(String, String)>,
    /// Where the images and fonts come from.
    pub assets: Assets,
}

impl Document {
    /// A document without style sheets and assets.
    pub fn new(html: impl Into<String>) -> Self {
        Self { html: html.into(), ..Self::default() }
    }

    /// The same document with one more style sheet.
    #[must_use]
    pub fn with_css(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        self.css.push((name.into(), text.into()));
        self
    }

    /// The same document with these assets in place of the former.
    #[must_use]
    pub fn with_assets(mut self, assets: Assets) -> Self {
        self.assets = assets;
        self
    }
}

/// A PDF and what is known about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The file; it begins with `%PDF-`.
    pub bytes: Vec<u8>,
    /// Number of pages, at least 1.
    pub pages: u32,
    /// What the reader of the PDF may miss, one sentence each, in order of appearance, each said once:
    /// refused addresses, missing assets, missing glyphs, features that the engine lacks. At most 100.
    pub warnings: Vec<String>,
}
