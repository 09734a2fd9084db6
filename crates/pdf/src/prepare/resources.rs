use std::collections::BTreeMap;
use std::sync::Arc;

use data_url::DataUrl;
use fulgur::AssetBundle;
use fulgur::image::{AssetKind, ImageRender};
use usvg::fontdb;

use crate::assets::{Address, judge};
use crate::css::{Families, Sheet, check, check_references, rewrite};
use crate::document::Document;
use crate::error::{LimitName, PdfError};
use crate::fonts::Fonts;
use crate::limits::Limits;
use crate::warnings::{Warnings, quote};

use super::svg;

/// The only source of sheets, pictures and fonts while a document is prepared.
pub(super) struct Resources<'a> {
    document: &'a Document,
    limits: &'a Limits,
    pub(super) fonts: Fonts,
    pub(super) families: Arc<Families>,
    pub(super) warnings: Warnings,
    bundle: AssetBundle,
    pictures: BTreeMap<String, Option<Picture>>,
    asset_bytes: usize,
    css_references: usize,
    used_sheets: Vec<bool>,
    svg_fonts: Option<Arc<fontdb::Database>>,
}

/// A picture that is at hand.
#[derive(Debug, Clone)]
pub(super) enum Picture {
    /// Pixels, under this name in the bundle, with width and height where the header tells them.
    Raster(String, Option<(u32, u32)>),
    /// An SVG document, under this name in the bundle and as text.
    Vector(String, Arc<str>),
}

impl<'a> Resources<'a> {
    pub(super) fn new(document: &'a Document, fonts: &Fonts, limits: &'a Limits) -> Self {
        Self {
            document,
            limits,
            fonts: fonts.clone(),
            families: Arc::new(Families::new(fonts)),
            warnings: Warnings::default(),
            bundle: AssetBundle::new(),
            pictures: BTreeMap::new(),
            asset_bytes: 0,
            css_references: 0,
            used_sheets: vec![false; document.css.len()],
            svg_fonts: None,
        }
    }

    pub(super) fn finish(mut self) -> (AssetBundle, Vec<String>) {
        self.bundle.fonts = self.fonts.faces;
        (self.bundle, self.warnings.into_kept())
    }

    /// The declarations of a `style` attribute, finished.
    pub(super) fn attribute(&mut self, text: &str) -> Result<String, PdfError> {
        let css = self.css(text)?;
        check(&css, self.limits)?;
        Ok(css)
    }

    /// To be asked for every sheet that goes to the engine, in its last form.
    pub(super) fn check_sheet(&mut self, css: &str) -> Result<(), PdfError> {
        self.css_references += check(css, self.limits)?;
        check_references(self.css_references, self.limits)
    }

    /// A sheet, finished but not yet checked: it may become a part of another one.
    pub(super) fn css(&mut self, text: &str) -> Result<String, PdfError> {
        let families = Arc::clone(&self.families);
        rewrite(text, &families, self)
    }

    /// The finished text of a given sheet the first time it is named, and an empty text after that.
    pub(super) fn sheet(&mut self, address: &str) -> Result<Option<String>, PdfError> {
        let Address::Relative(name) = judge(address) else { return Ok(None) };
        let given = self.document.css.iter().position(|(given, _)| given.trim_start_matches("./") == name);
        given.map(|place| self.use_sheet(place)).transpose()
    }

    /// The sheets that nothing in the document named, finished, in the order given.
    pub(super) fn unnamed_sheets(&mut self) -> Result<String, PdfError> {
        let mut all = String::new();
        for place in 0..self.used_sheets.len() {
            all.push_str(&self.use_sheet(place)?);
            all.push('\n');
        }
        Ok(all)
    }

    fn use_sheet(&mut self, place: usize) -> Result<String, PdfError> {
        if std::mem::replace(&mut self.used_sheets[place], true) {
            return Ok(String::new());
        }
        let document = self.document;
        self.css(&document.css[place].1)
    }

    /// The picture behind an address, asked for once; none with a warning if there is nothing to show.
    pub(super) fn find_picture(&mut self, address: &str) -> Result<Option<Picture>, PdfError> {
        if let Some(known) = self.pictures.get(address) {
            return Ok(known.clone());
        }
        let picture = self.load(address, "image")?.and_then(|bytes| self.keep_picture(address, bytes));
        self.pictures.insert(address.to_owned(), picture.clone());
        Ok(picture)
    }

    fn keep_picture(&mut self, address: &str, bytes: Vec<u8>) -> Option<Picture> {
        let name = format!("picture-{}", self.pictures.len());
        let picture = match AssetKind::detect(&bytes) {
            AssetKind::Raster(format) => {
                Picture::Raster(name.clone(), ImageRender::decode_dimensions(&bytes, format))
            }
            AssetKind::Svg => Picture::Vector(name.clone(), String::from_utf8_lossy(&bytes).into()),
            AssetKind::Unknown => {
                self.warn_of("image", address, "is in no known format (PNG, JPEG, GIF, SVG)");
                return None;
            }
        };
        self.bundle.add_image(name, bytes);
        Some(picture)
    }

    fn load(&mut self, address: &str, what: &str) -> Result<Option<Vec<u8>>, PdfError> {
        let bytes = match judge(address) {
            Address::Data => DataUrl::process(address.trim())
                .ok()
                .and_then(|data| data.decode_to_vec().ok())
                .map(|(bytes, _)| bytes),
            Address::Relative(name) => self.document.assets.get(name),
            Address::Fragment => return Ok(None),
            Address::Refused => {
                self.warn_of(what, address, "was not fetched: only data: addresses and assets are allowed");
                return Ok(None);
            }
        };
        let Some(bytes) = bytes else {
            self.warn_of(what, address, "was not found or cannot be decoded");
            return Ok(None);
        };
        self.asset_bytes += bytes.len();
        if self.asset_bytes > self.limits.asset_bytes {
            return Err(PdfError::limit(LimitName::AssetBytes, self.limits.asset_bytes, self.asset_bytes));
        }
        Ok(Some(bytes))
    }

    pub(super) fn limits(&self) -> &'a Limits {
        self.limits
    }

    pub(super) fn svg_fonts(&mut self) -> Arc<fontdb::Database> {
        let fonts = &self.fonts;
        Arc::clone(self.svg_fonts.get_or_insert_with(|| svg::fonts_for(fonts)))
    }

    pub(super) fn warn_of(&mut self, what: &str, address: &str, happened: &str) {
        self.warnings.add(format!("The {what} {} {happened}.", quote(address)));
    }
}

impl Sheet for Resources<'_> {
    fn picture(&mut self, address: &str) -> Result<Option<String>, PdfError> {
        Ok(self.find_picture(address)?.map(|picture| match picture {
            Picture::Raster(name, _) | Picture::Vector(name, _) => name,
        }))
    }

    fn font(&mut self, address: &str) -> Result<(), PdfError> {
        if let Some(bytes) = self.load(address, "font")? {
            match self.fonts.add(bytes) {
                Ok(_) => {
                    self.families = Arc::new(Families::new(&self.fonts));
                    self.svg_fonts = None;
                }
                Err(refused) => self.warn_of("font", address, &format!("was left out: {refused}")),
            }
        }
        Ok(())
    }

    fn import(&mut self, address: &str) -> Result<Option<String>, PdfError> {
        let sheet = self.sheet(address)?;
        if sheet.is_none() {
            self.warn_of("style sheet", address, "was not fetched: it is not among the given ones");
        }
        Ok(sheet)
    }
}
