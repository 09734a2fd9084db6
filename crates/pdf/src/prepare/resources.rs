use std::collections::BTreeMap;
use std::sync::Arc;

use data_url::DataUrl;
use fulgur::AssetBundle;
use fulgur::image::AssetKind;
use usvg::fontdb;

use crate::assets::{Address, judge};
use crate::css::{Boxed, Families, Generated, Sheet, Shown, Whole, check, check_references, rewrite};
use crate::document::Document;
use crate::error::{LimitName, PdfError};
use crate::fonts::Fonts;
use crate::limits::Limits;
use crate::warnings::{Warnings, quote};

use super::boxes::Boxes;
use super::generated::Sum;
use super::raster;
use super::svg::{self, Cost};
use super::uses::Uses;

/// The engine draws a repeated background once for each place, and at most in so many places of one box.
const TILES: usize = 10_000;

/// The only source of sheets, pictures and fonts while a document is prepared.
pub(super) struct Resources<'a> {
    document: &'a Document,
    limits: &'a Limits,
    pub(super) fonts: Fonts,
    pub(super) families: Arc<Families>,
    pub(super) warnings: Warnings,
    pub(super) boxes: Boxes,
    bundle: AssetBundle,
    pictures: BTreeMap<String, Option<Picture>>,
    /// Vector pictures of style sheets by their name in the bundle, with what it takes to show one.
    drawn: BTreeMap<String, Option<Cost>>,
    pub(super) uses: Uses,
    asset_bytes: usize,
    pixels: usize,
    /// All SVG so far, as often as it is shown.
    vectors: Cost,
    pub(super) svg_bytes: usize,
    generated: Sum,
    /// What repeated SVG backgrounds write into one page at most, and what those would that are not repeated.
    tiled: usize,
    pub(super) single: usize,
    css_references: usize,
    used_sheets: Vec<bool>,
    svg_fonts: Option<Arc<fontdb::Database>>,
}

/// A picture that is at hand.
#[derive(Debug, Clone)]
pub(super) enum Picture {
    /// Pixels, under this name in the bundle, with width and height.
    Raster(String, (u32, u32)),
    /// An SVG document as text, and the name it has in the bundle once a style sheet shows it.
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
            boxes: Boxes::default(),
            bundle: AssetBundle::new(),
            pictures: BTreeMap::new(),
            drawn: BTreeMap::new(),
            uses: Uses::default(),
            asset_bytes: 0,
            pixels: 0,
            vectors: Cost::default(),
            svg_bytes: 0,
            tiled: 0,
            generated: Sum::default(),
            single: 0,
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
        let css = self.rewritten(text, Whole::Attribute)?;
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
        self.rewritten(text, Whole::Sheet)
    }

    fn rewritten(&mut self, text: &str, whole: Whole) -> Result<String, PdfError> {
        let families = Arc::clone(&self.families);
        rewrite(text, whole, &families, self)
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
        let picture = match self.load(address, "image")? {
            Some(bytes) => self.keep_picture(address, bytes)?,
            None => None,
        };
        self.pictures.insert(address.to_owned(), picture.clone());
        Ok(picture)
    }

    /// Nothing goes into the bundle that was not judged: the engine believes the headers.
    fn keep_picture(&mut self, address: &str, bytes: Vec<u8>) -> Result<Option<Picture>, PdfError> {
        let name = format!("picture-{}", self.pictures.len());
        if let Some(raster) = raster::judge(&bytes) {
            svg::check_pixels(&raster, self.limits)?;
            self.pixels += raster.pixels();
            self.check_pixels()?;
            self.bundle.add_image(name.clone(), bytes);
            return Ok(Some(Picture::Raster(name, (raster.width, raster.height))));
        }
        match svg::text(&bytes) {
            Some(text) if AssetKind::detect(&bytes) == AssetKind::Svg => {
                Ok(Some(Picture::Vector(name, text.into())))
            }
            _ => {
                self.warn_of("image", address, "is in no known format (PNG, JPEG, GIF, SVG)");
                Ok(None)
            }
        }
    }

    fn check_pixels(&self) -> Result<(), PdfError> {
        let pixels = self.pixels.saturating_add(self.vectors.pixels);
        if pixels > self.limits.all_pixels {
            return Err(PdfError::limit(LimitName::AllPixels, self.limits.all_pixels, pixels));
        }
        Ok(())
    }

    /// Counts an SVG picture that is shown `times` times, and refuses more than the document may have.
    pub(super) fn charge(&mut self, cost: Cost, times: usize) -> Result<(), PdfError> {
        self.vectors.add(cost, times);
        self.vectors.check(self.limits)?;
        self.check_pixels()?;
        self.check_asset_bytes()
    }

    fn check_asset_bytes(&self) -> Result<(), PdfError> {
        let found = self.asset_bytes.saturating_add(self.vectors.asset_bytes);
        if found > self.limits.asset_bytes {
            return Err(PdfError::limit(LimitName::AssetBytes, self.limits.asset_bytes, found));
        }
        Ok(())
    }

    /// The name in the bundle of an SVG picture for style sheets, drawn when it is first asked for.
    fn vector(
        &mut self,
        address: &str,
        name: String,
        text: &str,
        shown: Shown,
    ) -> Result<Option<String>, PdfError> {
        if !self.drawn.contains_key(&name) {
            let settled = svg::settle_sheet(text, self)?;
            let cost = settled.map(|(bytes, cost)| {
                self.bundle.add_image(name.clone(), bytes);
                cost
            });
            self.drawn.insert(name.clone(), cost);
        }
        let Some(cost) = self.drawn.get(&name).copied().flatten() else { return Ok(None) };
        let bytes = cost.drawn_bytes().saturating_mul(shown.elements).saturating_mul(TILES);
        if shown.repeated && self.tiled.saturating_add(bytes) > tile_bytes(self.limits) {
            self.warn_of(
                "image",
                address,
                "was left out: it is too large to be repeated; say no-repeat beside it",
            );
            return Ok(None);
        }
        let sum = if shown.repeated { &mut self.tiled } else { &mut self.single };
        *sum = sum.saturating_add(bytes);
        self.charge(cost, shown.elements)?;
        Ok(Some(name))
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
        self.check_asset_bytes()?;
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

/// Bytes that repeated SVG backgrounds may write before a page is packed.
pub(super) fn tile_bytes(limits: &Limits) -> usize {
    limits.expanded_bytes.saturating_mul(4)
}

impl Sheet for Resources<'_> {
    fn picture(&mut self, address: &str, shown: Shown) -> Result<Option<String>, PdfError> {
        Ok(match self.find_picture(address)? {
            Some(Picture::Raster(name, _)) => Some(name),
            Some(Picture::Vector(name, text)) => self.vector(address, name, &text, shown)?,
            None => None,
        })
    }

    fn fitting(&self, selectors: &str) -> usize {
        self.uses.fitting(selectors)
    }

    fn generate(&mut self, generated: &Generated, elements: usize) -> Result<(), PdfError> {
        self.generated.add(generated, elements, &self.uses, self.limits)
    }

    fn font(&mut self, address: &str) -> Result<(), PdfError> {
        if let Some(bytes) = self.load(address, "font")? {
            let packed = bytes.len();
            match self.fonts.add(bytes) {
                Ok(_) => {
                    let unpacked = self.fonts.faces.last().map_or(0, |face| face.len());
                    self.asset_bytes += unpacked.saturating_sub(packed);
                    self.check_asset_bytes()?;
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

    fn boxed(&mut self, boxed: Boxed) {
        self.boxes.add(boxed);
    }
}
