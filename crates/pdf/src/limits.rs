use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::PdfError;

/// What one render may use. The defaults are the product's.
///
/// All but the last two are checked before layout begins. `pages` and `output_bytes` are checked on the
/// finished file, because the layout engine tells nothing on its way.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of HTML; 5 MiB. As many again of texts that style sheets add, as often as elements show them.
    pub input_bytes: usize,
    /// Bytes of all given style sheets together; 16 MiB.
    pub css_bytes: usize,
    /// Bytes of all images and fonts that the document uses, together, decoded from `data:` and, for fonts,
    /// unpacked; 64 MiB.
    pub asset_bytes: usize,
    /// Pixels of one picture, by its header; 25 million. The engine holds some eight bytes for each.
    pub picture_pixels: usize,
    /// Pixels of all pictures of a document, those inside SVG as often as they are drawn; 100 million.
    pub all_pixels: usize,
    /// Bytes of the document as parsed and written back with its style sheets; 48 MiB. A parser may repeat
    /// one start tag thousands of times, so a small input can grow. So can SVG, which has this limit to
    /// itself: there a part counts as often as something refers to it, and a style sheet counts a sixteenth
    /// for each element that it is matched against. SVG backgrounds that may be repeated have four times as
    /// much, reckoned at 10 000 repeats.
    pub expanded_bytes: usize,
    /// Elements inside one another, `html` included, and brackets of a style sheet inside one another; 256.
    /// In SVG what an element refers to counts as inside of it, and a circle of references as too deep. A
    /// thread that renders needs [`STACK_BYTES`](crate::STACK_BYTES) of stack for the default, and more for
    /// a larger value.
    pub nesting: usize,
    /// Elements in all; 200 000. As many again in all SVG together, where an element counts as often as it
    /// is drawn or referred to, and each letter of a text as one. Five times as many layers of backgrounds,
    /// shadows and the like, beyond eight in a declaration, as often as elements have them.
    pub elements: usize,
    /// References to custom properties, `var(--name)`, in all style sheets together, and as many again in each
    /// `style` attribute; 50 000. They form chains, and the engine follows a chain by recursion. Selectors
    /// inside selectors count too, as often as their nesting repeats them.
    pub css_references: usize,
    /// Pages of the PDF; 2000. The engine's own ceiling is about 10 000 for a single oversized block.
    pub pages: u32,
    /// Bytes of the PDF; 50 MiB.
    pub output_bytes: usize,
    /// When to give up; never.
    pub stop: Stop,
}

impl Default for Limits {
    fn default() -> Self {
        const MIB: usize = 1024 * 1024;
        Self {
            input_bytes: 5 * MIB,
            css_bytes: 16 * MIB,
            asset_bytes: 64 * MIB,
            picture_pixels: 25_000_000,
            all_pixels: 100_000_000,
            expanded_bytes: 48 * MIB,
            nesting: 256,
            elements: 200_000,
            css_references: 50_000,
            pages: 2000,
            output_bytes: 50 * MIB,
            stop: Stop::never(),
        }
    }
}

/// The caller's wish to end a render early.
///
/// It is asked while the document is read and between the steps. The layout engine itself cannot be
/// interrupted: once layout runs, the thread runs until it is done, and the answer is then
/// [`PdfError::Stopped`]. A caller that needs to go on at once leaves the thread behind.
///
/// A deadline is a question too, asked of the caller's own clock: `Stop::when(move || clock.now() >= deadline)`.
#[derive(Clone, Default)]
pub struct Stop(Option<Arc<Question>>);

type Question = dyn Fn() -> bool + Send + Sync;

impl Stop {
    /// Never asks for the end.
    pub fn never() -> Self {
        Self(None)
    }

    /// Asks `question` each time; `true` ends the render. It should be cheap: it is asked every 4 KiB of HTML.
    pub fn when(question: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(question)))
    }

    /// Ends the render once `flag` is set.
    pub fn flag(flag: Arc<AtomicBool>) -> Self {
        Self::when(move || flag.load(Ordering::Relaxed))
    }

    pub(crate) fn check(&self) -> Result<(), PdfError> {
        match &self.0 {
            Some(question) if question() => Err(PdfError::Stopped),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Stop::when(..)" } else { "Stop::never()" })
    }
}
