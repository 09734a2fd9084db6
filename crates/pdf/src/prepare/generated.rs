use super::uses::Uses;
use crate::css::Generated;
use crate::error::{LimitName, PdfError};
use crate::limits::Limits;

/// The engine follows references up to a value of this size.
const EXPANDED: usize = 2 << 20;

/// What style sheets add to a document: texts before and after elements, and layers of pictures and shadows.
///
/// A rule of a few kilobytes that fits all elements makes gigabytes of them.
#[derive(Debug, Default)]
pub(super) struct Sum {
    text: usize,
    layers: usize,
    /// How often a custom property is shown.
    referring: usize,
    /// Bytes of texts in custom properties.
    custom: usize,
    /// How often custom properties that refer to several others can repeat a text.
    repeats: usize,
}

impl Sum {
    /// Counts what a declaration adds to each of so many elements.
    pub(super) fn add(
        &mut self,
        generated: &Generated,
        elements: usize,
        uses: &Uses,
        limits: &Limits,
    ) -> Result<(), PdfError> {
        self.layers = self.layers.saturating_add(generated.layers.saturating_mul(elements));
        let allowed = limits.elements.saturating_mul(5);
        if self.layers > allowed {
            return Err(PdfError::limit(LimitName::Elements, allowed, self.layers));
        }
        if generated.custom {
            self.custom = self.custom.saturating_add(generated.text);
            self.repeats = self.repeats.max(1).saturating_mul(generated.references.max(1));
        } else {
            let shown = generated.attributes.iter().map(|name| uses.longest(name));
            let text = shown.fold(generated.text, usize::saturating_add);
            self.text = self.text.saturating_add(text.saturating_mul(elements));
            self.referring = self.referring.saturating_add(generated.references.saturating_mul(elements));
        }
        self.check(limits)
    }

    fn check(&self, limits: &Limits) -> Result<(), PdfError> {
        let value = self.custom.saturating_mul(self.repeats.max(1)).min(EXPANDED.max(self.custom));
        let found = self.text.saturating_add(self.referring.saturating_mul(value));
        if found > limits.input_bytes {
            return Err(PdfError::limit(LimitName::InputBytes, limits.input_bytes, found));
        }
        Ok(())
    }
}
