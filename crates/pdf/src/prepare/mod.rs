//! From the caller's document to what the engine gets: one text, one bundle, and the warnings.

mod boxes;
mod elements;
mod generated;
mod glyphs;
mod last;
mod raster;
mod resources;
mod svg;
mod uses;

use fulgur::AssetBundle;

use crate::document::Document;
use crate::error::{LimitName, PdfError};
use crate::fonts::Fonts;
use crate::html::{self, Tree};
use crate::limits::Limits;
use resources::Resources;

/// Everything the engine needs, with nothing left to fetch.
pub(crate) struct Prepared {
    pub(crate) html: String,
    pub(crate) bundle: AssetBundle,
    pub(crate) about: About,
    pub(crate) warnings: Vec<String>,
}

/// What the document says about itself in its `meta` elements.
#[derive(Debug, Default)]
pub(crate) struct About {
    pub(crate) author: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) keywords: Option<String>,
}

/// Checks, cleans and completes a document. Every limit that can be checked before layout is checked here.
pub(crate) fn prepare(document: &Document, fonts: &Fonts, limits: &Limits) -> Result<Prepared, PdfError> {
    let css_bytes: usize = document.css.iter().map(|(_, text)| text.len()).sum();
    if css_bytes > limits.css_bytes {
        return Err(PdfError::limit(LimitName::CssBytes, limits.css_bytes, css_bytes));
    }
    let mut tree: Tree = html::parse(&document.html, limits)?;
    let mut resources = Resources::new(document, fonts, limits);
    let about = elements::prepare(&mut tree, &mut resources)?;
    glyphs::check(&tree, &mut resources);
    let html = html::write_document(&tree, limits.expanded_bytes)?;
    last::check(&html, resources.single, limits)?;
    let (bundle, warnings) = resources.finish();
    Ok(Prepared { html, bundle, about, warnings })
}
