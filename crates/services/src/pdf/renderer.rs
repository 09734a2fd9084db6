//! The renderers by name, and the embedded one.

use longshore_core::Invalid;
use serde::Serialize;

use longshore_pool::CpuToken;

use super::config::PdfLimits;
use super::error::PdfServiceError;
use super::sheets::Sheet;

/// Every renderer that has a name.
pub const RENDERERS: [&str; 3] = ["embedded", "weasyprint", "chromium"];

/// Whether a renderer can be used here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RendererInfo {
    /// Its name.
    pub name: &'static str,
    /// Whether it can be used.
    pub available: bool,
    /// What is missing, if anything.
    pub missing: Option<&'static str>,
}

/// Every renderer.
pub(super) fn all() -> Vec<RendererInfo> {
    let info = |name| {
        let missing = missing(name);
        RendererInfo { name, available: missing.is_none(), missing }
    };
    RENDERERS.into_iter().map(info).collect()
}

fn missing(name: &str) -> Option<&'static str> {
    match name {
        "embedded" if cfg!(feature = "pdf") => None,
        "embedded" => Some("this program was built without it; build it with the feature `pdf`"),
        _ => {
            Some("this version has no driver for external renderers; leave `renderer` out, or use `embedded`")
        }
    }
}

/// Whether the named renderer can be used.
pub(super) fn check(name: &str) -> Result<(), Invalid> {
    if !RENDERERS.contains(&name) {
        return Err(Invalid::new(
            "renderer",
            format!("one of {}", RENDERERS.join(", ")),
            format!("{name:?}"),
        ));
    }
    match missing(name) {
        None => Ok(()),
        Some(missing) => {
            let got = format!("{name}: {missing}");
            // The reason is the message here, and must not be cut.
            let mut error =
                Invalid::new("renderer", "a renderer that is available", "").code("renderer_unavailable");
            error.got = got;
            Err(error)
        }
    }
}

/// A document on its way into the renderer.
pub(super) struct Ready {
    pub(super) html: String,
    pub(super) sheets: Vec<Sheet>,
    /// Folders in which images and fonts are looked up, in order.
    pub(super) assets: Vec<std::path::PathBuf>,
}

/// Bytes, pages, warnings.
pub(super) type Drawn = (Vec<u8>, u32, Vec<String>);

/// The stack that a rendering thread needs, in bytes.
#[cfg(feature = "pdf")]
pub(super) const STACK_BYTES: usize = longshore_pdf::STACK_BYTES;
#[cfg(not(feature = "pdf"))]
pub(super) const STACK_BYTES: usize = 8 << 20;

#[cfg(feature = "pdf")]
pub(super) use embedded::Embedded;
#[cfg(not(feature = "pdf"))]
pub(super) use without::Embedded;

#[cfg(feature = "pdf")]
mod embedded {
    use longshore_pdf::{Assets, Document, LimitName, Limits, PdfError, Renderer, Stop};

    use super::{CpuToken, Drawn, PdfLimits, PdfServiceError, Ready};
    use crate::folder::plain_file;
    use crate::pdf::error::one_line;

    /// The embedded renderer with its fonts.
    #[derive(Default)]
    pub(in crate::pdf) struct Embedded(Renderer);

    impl Embedded {
        /// Lays out a document. Blocks; needs [`super::STACK_BYTES`] of stack.
        pub(in crate::pdf) fn draw(
            &self,
            ready: Ready,
            limits: &PdfLimits,
            token: &CpuToken,
        ) -> Result<Drawn, PdfServiceError> {
            let token = token.clone();
            let (folders, largest) = (ready.assets, limits.asset_bytes as u64);
            let assets = Assets::from_fn(move |name| {
                let path = folders.iter().find_map(|folder| plain_file(folder, name))?;
                // One byte more than allowed is enough for the renderer to refuse it.
                let mut bytes = Vec::new();
                let file = std::fs::File::open(path).ok()?;
                std::io::Read::read_to_end(&mut std::io::Read::take(file, largest + 1), &mut bytes).ok()?;
                Some(bytes)
            });
            let document = Document { html: ready.html, css: ready.sheets, assets };
            let limits = Limits {
                input_bytes: limits.html_bytes,
                css_bytes: limits.css_files * limits.css_bytes,
                asset_bytes: limits.asset_bytes,
                nesting: limits.nesting,
                elements: limits.elements,
                pages: limits.pages,
                output_bytes: limits.output_bytes,
                stop: Stop::when(move || token.is_raised()),
                ..Limits::default()
            };
            let rendered = self.0.render(&document, &limits).map_err(explain)?;
            Ok((rendered.bytes, rendered.pages, rendered.warnings))
        }
    }

    fn explain(error: PdfError) -> PdfServiceError {
        match error {
            PdfError::Limit { limit, .. } => {
                let code = match limit {
                    LimitName::InputBytes => "input_too_large",
                    LimitName::OutputBytes => "output_too_large",
                    LimitName::Pages => "too_many_pages",
                    LimitName::Elements => "too_many_elements",
                    LimitName::Nesting => "nested_too_deep",
                    LimitName::AssetBytes => "assets_too_large",
                    LimitName::CssBytes | LimitName::CssReferences => "css_too_large",
                    _ => "document_too_large",
                };
                PdfServiceError::Limit { code, message: error.to_string() }
            }
            PdfError::Stopped => PdfServiceError::Stopped,
            PdfError::Panicked(text) => PdfServiceError::Crashed(one_line(&text)),
            other => PdfServiceError::Render(one_line(&other.to_string())),
        }
    }
}

#[cfg(not(feature = "pdf"))]
mod without {
    use super::{CpuToken, Drawn, PdfLimits, PdfServiceError, Ready};

    /// Stands where the embedded renderer would be.
    #[derive(Default)]
    pub(in crate::pdf) struct Embedded(());

    impl Embedded {
        #[expect(clippy::unused_self, reason = "as the real one")]
        pub(in crate::pdf) fn draw(
            &self,
            ready: Ready,
            _: &PdfLimits,
            _: &CpuToken,
        ) -> Result<Drawn, PdfServiceError> {
            drop((ready.html, ready.sheets, ready.assets));
            super::check("embedded")?;
            Err(PdfServiceError::Render("there is no renderer".to_owned()))
        }
    }
}
