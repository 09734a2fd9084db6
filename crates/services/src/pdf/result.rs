use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// What a finished job of the kind `pdf.render` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PdfResult {
    /// Where the file is, relative to the root of produced files.
    pub path: String,
    /// Its name.
    pub filename: String,
    /// `application/pdf` or `text/html; charset=utf-8`.
    pub content_type: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// Pages; none for HTML.
    pub pages: Option<u32>,
    /// The renderer that was used.
    pub renderer: String,
    /// Time for template and layout, in milliseconds.
    pub render_ms: u64,
    /// What the reader of the file may miss, one sentence each.
    pub warnings: Vec<String>,
}

/// A document that was rendered and not kept anywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The file.
    pub bytes: Bytes,
    /// A safe name for it, with its extension.
    pub filename: String,
    /// `application/pdf` or `text/html; charset=utf-8`.
    pub content_type: &'static str,
    /// Pages; none for HTML.
    pub pages: Option<u32>,
    /// Time for template and layout, in milliseconds.
    pub render_ms: u64,
    /// What the reader of the file may miss, one sentence each.
    pub warnings: Vec<String>,
}
