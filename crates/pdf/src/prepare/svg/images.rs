//! Pictures inside SVG pictures.

use std::sync::Arc;

use data_url::DataUrl;
use usvg::{ImageHrefResolver, ImageKind, Options};

use super::cost::Cost;
use super::gate::{Trouble, admit};
use super::options;
use crate::error::{LimitName, PdfError};
use crate::limits::Limits;
use crate::prepare::raster::{self, Format, Raster};

/// What the picture behind an address takes; nothing if it will not be drawn.
pub(super) fn cost(address: &str, limits: &Limits) -> Result<Cost, Trouble> {
    let nothing = Cost { left_out: true, ..Cost::default() };
    let Some(bytes) = DataUrl::process(address).ok().and_then(|data| data.decode_to_vec().ok()) else {
        return Ok(nothing);
    };
    let bytes = bytes.0;
    if let Some(raster) = raster::judge(&bytes) {
        check_pixels(&raster, limits)?;
        return Ok(Cost { pixels: raster.pixels(), asset_bytes: bytes.len(), ..Cost::default() });
    }
    let Some(text) = text(&bytes) else { return Ok(nothing) };
    let mut cost = match admit(text, true, limits) {
        Ok(cost) => cost,
        Err(Trouble::Unreadable(_) | Trouble::Unfit(_)) => nothing,
        Err(limit) => return Err(limit),
    };
    cost.asset_bytes = bytes.len();
    Ok(cost)
}

/// Refuses a picture of too many pixels.
pub(crate) fn check_pixels(raster: &Raster, limits: &Limits) -> Result<(), PdfError> {
    if raster.pixels() > limits.picture_pixels {
        return Err(PdfError::limit(LimitName::PicturePixels, limits.picture_pixels, raster.pixels()));
    }
    Ok(())
}

/// The text of an SVG file, unless it is packed: a few bytes of gzip can be any number of them.
pub(crate) fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|_| !bytes.starts_with(b"\x1f\x8b"))
}

/// Hands a picture on if [`cost`] could judge it, and as what it is, whatever its type says.
pub(super) fn resolver(limits: &Limits) -> ImageHrefResolver<'static> {
    let limits = limits.clone();
    ImageHrefResolver {
        resolve_data: Box::new(move |_, bytes, outer| resolve(&bytes, outer, &limits)),
        resolve_string: Box::new(|_, _| None),
    }
}

/// For pictures inside which there shall be no others.
pub(super) fn no_images() -> ImageHrefResolver<'static> {
    ImageHrefResolver { resolve_data: Box::new(|_, _, _| None), resolve_string: Box::new(|_, _| None) }
}

fn resolve(bytes: &Arc<Vec<u8>>, outer: &Options<'_>, limits: &Limits) -> Option<ImageKind> {
    if let Some(raster) = raster::judge(bytes) {
        check_pixels(&raster, limits).ok()?;
        let bytes = Arc::clone(bytes);
        return Some(match raster.format {
            Format::Png => ImageKind::PNG(bytes),
            Format::Jpeg => ImageKind::JPEG(bytes),
            Format::Gif => ImageKind::GIF(bytes),
        });
    }
    let text = text(bytes)?;
    admit(text, true, limits).ok()?;
    let options = options(Arc::clone(&outer.fontdb), no_images());
    usvg::Tree::from_str(text, &options).ok().map(ImageKind::SVG)
}
