//! The embedded PDF renderer: HTML and CSS in, PDF bytes out.
//!
//! It wraps the `fulgur` layout engine and adds what a service needs around it: bundled fonts, limits that
//! are checked before layout, a strict rule about addresses, warnings, and no panics.
//!
//! What it never does: open a file, open a connection, look at the fonts of the machine, run a script, or
//! keep anything between two renders except the fonts. The same input gives the same bytes.
//!
//! ```
//! use longshore_pdf::{Document, Limits, Renderer};
//!
//! let document = Document::new("<h1>Hello</h1>").with_css("page.css", "@page { size: A5 }");
//! let rendered = Renderer::default().render(&document, &Limits::default())?;
//! assert!(rendered.bytes.starts_with(b"%PDF-"));
//! assert_eq!(rendered.pages, 1);
//! # Ok::<(), longshore_pdf::PdfError>(())
//! ```

mod assets;
mod css;
mod document;
mod error;
mod fonts;
mod html;
mod limits;
mod pages;
mod prepare;
mod renderer;
mod warnings;

pub use assets::Assets;
pub use document::{Document, Rendered};
pub use error::{LimitName, PdfError};
pub use fonts::Fonts;
pub use limits::{Limits, Stop};
pub use renderer::{Renderer, STACK_BYTES};
