use std::io::Write;

use fulgur::inspect::{InspectResult, inspect};
use longshore_pdf::{Document, LimitName, Limits, PdfError, Rendered, Renderer, STACK_BYTES};

/// Renders on a thread with the stack that the crate promises to suffice.
pub(crate) fn try_render(document: Document, limits: Limits) -> Result<Rendered, PdfError> {
    std::thread::Builder::new()
        .stack_size(STACK_BYTES)
        .spawn(move || Renderer::default().render(&document, &limits))
        .expect("a thread can be started")
        .join()
        .expect("the renderer never panics")
}

/// The limit that ended a render, what it allows and what was found.
pub(crate) fn broken(result: Result<Rendered, PdfError>) -> (LimitName, u64, u64) {
    match result {
        Err(PdfError::Limit { limit, allowed, found }) => (limit, allowed, found),
        other => panic!("expected a limit, got {other:?}"),
    }
}

pub(crate) fn render(document: Document) -> Rendered {
    try_render(document, Limits::default()).expect("the document is fine")
}

pub(crate) fn html(body: &str) -> Rendered {
    render(Document::new(body))
}

/// What a reader of the PDF finds in it: places, sizes, fonts. The texts are glyph numbers; see [`text`].
pub(crate) fn read(rendered: &Rendered) -> InspectResult {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file can be made");
    file.write_all(&rendered.bytes).expect("and written");
    inspect(file.path()).expect("the engine wrote a readable PDF")
}

/// The text of the PDF without blanks, since a PDF knows places and no words.
pub(crate) fn text(rendered: &Rendered) -> String {
    (1..=rendered.pages).map(|page| page_text(rendered, page)).collect()
}

/// The text of one page without blanks; the first page is 1.
pub(crate) fn page_text(rendered: &Rendered, page: u32) -> String {
    let pdf = lopdf::Document::load_mem(&rendered.bytes).expect("the engine wrote a readable PDF");
    let text = pdf.extract_text(&[page]).expect("its text can be extracted");
    text.replace(char::is_whitespace, "")
}

/// A PNG of one red pixel.
pub(crate) const PIXEL: &[u8] = &[
    0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0x00, 0x00, 0x00, 0x0D, 0x49, 0x48, 0x44, 0x52, 0x00,
    0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x02, 0x00, 0x00, 0x00, 0x90, 0x77, 0x53, 0xDE, 0x00,
    0x00, 0x00, 0x0C, 0x49, 0x44, 0x41, 0x54, 0x78, 0x9C, 0x63, 0xF8, 0xCF, 0xC0, 0x00, 0x00, 0x03, 0x01,
    0x01, 0x00, 0xC9, 0xFE, 0x92, 0xEF, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4E, 0x44, 0xAE, 0x42, 0x60,
    0x82,
];

pub(crate) const PIXEL_DATA: &str = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC";
