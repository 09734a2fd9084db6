use std::borrow::Cow;
use std::sync::Arc;

use longshore_core::Invalid;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A value as JSON, compressed if it is long.
#[derive(Clone, Debug)]
pub(super) struct Body {
    pub(super) packed: bool,
    pub(super) bytes: Arc<[u8]>,
}

impl Body {
    /// Refuses a value that JSON cannot tell.
    pub(super) fn json(value: &impl Serialize) -> Result<Vec<u8>, Invalid> {
        serde_json::to_vec(value).map_err(|error| Invalid::new("value", "a value that can be JSON", error))
    }

    /// Packs JSON if it is longer than `above` and becomes shorter by it.
    pub(super) fn new(json: Vec<u8>, above: Option<usize>) -> Self {
        if above.is_some_and(|above| json.len() > above) {
            let packed = lz4_flex::compress_prepend_size(&json);
            if packed.len() < json.len() {
                return Self { packed: true, bytes: packed.into() };
            }
        }
        Self { packed: false, bytes: json.into() }
    }

    /// The value, unless it is longer than may be, damaged, or of another type.
    pub(super) fn read<T: DeserializeOwned>(&self, max: usize) -> Option<T> {
        serde_json::from_slice(&self.unpack(max)?).ok()
    }

    fn unpack(&self, max: usize) -> Option<Cow<'_, [u8]>> {
        if !self.packed {
            return Some(Cow::Borrowed(&self.bytes));
        }
        let (length, packed) = lz4_flex::block::uncompressed_size(&self.bytes).ok()?;
        if length > max {
            return None;
        }
        lz4_flex::decompress(packed, length).ok().map(Cow::Owned)
    }
}
