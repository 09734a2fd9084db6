//! What Longshore does besides queueing. Each service is a kind of job with its checks, its handler and its limits.
//!
//! - [`PdfService`]: templates or finished HTML in, PDF or HTML files out ([`PdfRequest`], kind `pdf.render`).
//! - [`Files`]: the seam through which produced files are kept, read, deleted and swept.
//!
//! Services never see a store: they are handed to a worker as handlers, and to a face as checks and job specs.

mod files;
mod folder;
mod pdf;

pub use files::{
    FileMeta, FileRecord, FileStream, Files, FilesError, GENERATED_HTML, GENERATED_PDFS, Swept, safe_name,
    sweep_every,
};
pub use pdf::{
    PdfConfig, PdfLimits, PdfRequest, PdfResult, PdfService, PdfServiceError, RENDERERS, Rendered,
    RendererInfo,
};
