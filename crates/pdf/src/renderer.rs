use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use fulgur::Engine;

use crate::document::{Document, Rendered};
use crate::error::{LimitName, PdfError};
use crate::fonts::Fonts;
use crate::limits::Limits;
use crate::pages;
use crate::prepare::{self, Prepared};

/// Stack that a rendering thread needs: layout recurses into elements, brackets and references.
///
/// Measured at the default limits, with and without optimisation: 2 MiB for the deepest elements and brackets,
/// and 16 MiB for the longest chain of references. The rest is for what the tests do not know.
pub const STACK_BYTES: usize = 32 * 1024 * 1024;

/// Turns documents into PDFs. Holds fonts and nothing else, so one renderer serves all threads.
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

    /// Renders one document on the calling thread, which needs [`STACK_BYTES`] of stack.
    ///
    /// It blocks for the whole layout, so it belongs on a thread for CPU work and not on an async runtime.
    /// Any number of threads may render at once. The default page is A4; `@page` overrides it. The title,
    /// language, author, description and keywords of the document go into the file, a date does not.
    ///
    /// The engine prints a line to standard output for each margin box; keep that stream free of data.
    pub fn render(&self, document: &Document, limits: &Limits) -> Result<Rendered, PdfError> {
        limits.stop.check()?;
        let (bytes, warnings) = guarded(|| {
            let prepared = prepare::prepare(document, &self.fonts, limits)?;
            limits.stop.check()?;
            lay_out(prepared)
        })?;
        limits.stop.check()?;
        finish(bytes, warnings, limits)
    }
}

/// Runs the part that belongs to others. A panic in it must not end the caller's thread.
fn guarded<T>(work: impl FnOnce() -> Result<T, PdfError>) -> Result<T, PdfError> {
    // Nothing outlives the closure but the shared fonts, and those are only read.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(PdfError::Panicked(message(&*panic))))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".into())
}

fn lay_out(prepared: Prepared) -> Result<(Vec<u8>, Vec<String>), PdfError> {
    let mut engine =
        Engine::builder().assets(prepared.bundle).system_fonts(false).bookmarks(true).creator("Longshore");
    if let Some(author) = prepared.about.author {
        engine = engine.author(author);
    }
    if let Some(description) = prepared.about.description {
        engine = engine.description(description);
    }
    if let Some(keywords) = prepared.about.keywords {
        engine = engine.keywords(keywords.split(',').map(str::trim));
    }
    let bytes =
        engine.build().render(&prepared.html).map_err(|failed| PdfError::Engine(failed.to_string()))?;
    Ok((bytes, prepared.warnings))
}

fn finish(bytes: Vec<u8>, warnings: Vec<String>, limits: &Limits) -> Result<Rendered, PdfError> {
    if bytes.len() > limits.output_bytes {
        return Err(PdfError::limit(LimitName::OutputBytes, limits.output_bytes, bytes.len()));
    }
    if !bytes.starts_with(b"%PDF-") {
        return Err(PdfError::Engine("the answer is not a PDF".into()));
    }
    let pages = pages::count(&bytes).ok_or_else(|| PdfError::Engine("the PDF has no page tree".into()))?;
    if pages > limits.pages {
        return Err(PdfError::limit(LimitName::Pages, limits.pages as usize, pages as usize));
    }
    Ok(Rendered { bytes, pages, warnings })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_with_its_message() {
        let failed = guarded::<()>(|| panic!("page {} is torn", 7));
        assert_eq!(failed, Err(PdfError::Panicked("page 7 is torn".into())));
    }
}
