use std::panic::{AssertUnwindSafe, catch_unwind};

use fulgur::{AssetBundle, Engine};

use crate::document::{Document, Rendered};
use crate::error::{LimitName, PdfError};
use crate::fonts::Fonts;
use crate::limits::Limits;

/// Stack that a rendering thread needs for the default nesting limit. Layout recurses per element.
pub const STACK_BYTES: usize = 32 * 1024 * 1024;

/// Turns documents into PDFs. Holds the fonts and nothing else, so one renderer serves all threads.
#[derive(Debug, Clone, Default)]
pub struct Renderer {
    fonts: Fonts,
}

impl Renderer {
    /// A renderer with these fonts; `Renderer::default()` has the bundled ones.
    pub fn new(fonts: Fonts) -> Self {
        Self { fonts }
    }

    /// The fonts of this renderer.
    pub fn fonts(&self) -> &Fonts {
        &self.fonts
    }

    /// Renders one document. Blocks for the whole layout, so it belongs on a CPU thread with
    /// [`STACK_BYTES`] of stack; any number of threads may render at once.
    pub fn render(&self, document: &Document, limits: &Limits) -> Result<Rendered, PdfError> {
        limits.stop.check()?;
        if document.html.len() > limits.input_bytes {
            return Err(PdfError::limit(LimitName::InputBytes, limits.input_bytes, document.html.len()));
        }
        let mut bundle = AssetBundle::new();
        bundle.fonts.clone_from(&self.fonts.faces);
        for (_, css) in &document.css {
            bundle.add_css(css.clone());
        }
        let engine = Engine::builder().assets(bundle).system_fonts(false).bookmarks(true).build();
        let bytes = catch_unwind(AssertUnwindSafe(|| engine.render(&document.html)))
            .map_err(|_| PdfError::Panicked("layout".into()))?
            .map_err(|failed| PdfError::Engine(failed.to_string()))?;
        Ok(Rendered { bytes, pages: 1, warnings: Vec::new() })
    }
}
