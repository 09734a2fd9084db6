//! PDF and HTML files from templates or finished documents: the kind `pdf.render`.

mod check;
mod config;
mod error;
mod handler;
mod limited;
mod renderer;
mod request;
mod result;
mod service;
mod sheets;
mod template;
mod templates;

pub use config::{PdfConfig, PdfLimits};
pub use error::PdfServiceError;
pub use renderer::{RENDERERS, RendererInfo};
pub use request::PdfRequest;
pub use result::{PdfResult, Rendered};
pub use service::PdfService;
