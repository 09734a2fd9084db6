use std::path::PathBuf;
use std::time::Duration;

const MIB: usize = 1024 * 1024;

/// How the PDF service works.
#[derive(Clone, Debug)]
pub struct PdfConfig {
    /// The folder of templates: `<name>/template.html` with its style sheets and images beside it, or `<name>.html`.
    pub templates: PathBuf,
    /// The folder of style sheets and images for all documents; none by default.
    pub assets: Option<PathBuf>,
    /// A folder of style sheets that go before those of the same name elsewhere; none by default.
    pub sheets: Option<PathBuf>,
    /// Threads that render, and so documents at once; one per core.
    pub threads: usize,
    /// Documents that may wait for a thread; further ones are tried again later. 1024.
    pub waiting_max: usize,
    /// Longest time for one document; 300 s.
    pub time_max: Duration,
    /// How long a produced file stays after its job has ended; 24 h.
    pub result_retention: Duration,
    /// How much longer the record of the job stays; 7 days.
    pub record_retention: Duration,
    /// How large a document may be.
    pub limits: PdfLimits,
}

impl Default for PdfConfig {
    fn default() -> Self {
        Self {
            templates: PathBuf::from("templates"),
            assets: None,
            sheets: None,
            threads: longshore_pool::cores(),
            waiting_max: 1_024,
            time_max: Duration::from_secs(300),
            result_retention: Duration::from_secs(86_400),
            record_retention: Duration::from_secs(7 * 86_400),
            limits: PdfLimits::default(),
        }
    }
}

/// How large a document may be.
#[derive(Clone, Debug)]
pub struct PdfLimits {
    /// Bytes of HTML, as it was given or as the template made it; 5 MiB.
    pub html_bytes: usize,
    /// Bytes of `context_data` as JSON; 1 MiB.
    pub context_bytes: usize,
    /// Objects and lists of `context_data` inside one another; 32.
    pub context_depth: usize,
    /// Style sheets of a request; 16.
    pub css_files: usize,
    /// Bytes of one style sheet; 1 MiB.
    pub css_bytes: usize,
    /// Bytes of all images and fonts of a document; 64 MiB.
    pub asset_bytes: usize,
    /// Elements inside one another; 256. The stack of the threads fits the default.
    pub nesting: usize,
    /// Elements in all; 200 000.
    pub elements: usize,
    /// Pages; 2000.
    pub pages: u32,
    /// Bytes of the produced file; 50 MiB.
    pub output_bytes: usize,
    /// Steps that a template may take; 10 million.
    pub template_steps: u64,
    /// Macros and includes of a template inside one another; 100.
    pub template_depth: usize,
}

impl Default for PdfLimits {
    fn default() -> Self {
        Self {
            html_bytes: 5 * MIB,
            context_bytes: MIB,
            context_depth: 32,
            css_files: 16,
            css_bytes: MIB,
            asset_bytes: 64 * MIB,
            nesting: 256,
            elements: 200_000,
            pages: 2_000,
            output_bytes: 50 * MIB,
            template_steps: 10_000_000,
            template_depth: 100,
        }
    }
}
