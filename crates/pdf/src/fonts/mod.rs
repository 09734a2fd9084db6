mod ligatures;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, LazyLock};

use fulgur::AssetBundle;
use skrifa::string::StringId;
use skrifa::{FontRef, MetadataProvider};

use crate::error::PdfError;

/// The family that stands for `sans-serif`, for every unknown family and for text without any family.
pub(crate) const SANS: &str = "DejaVu Sans";
/// The family that stands for `serif`.
pub(crate) const SERIF: &str = "DejaVu Serif";
/// The family that stands for `monospace`.
pub(crate) const MONO: &str = "DejaVu Sans Mono";

const FILES: [&[u8]; 7] = [
    include_bytes!("../../fonts/DejaVuSans.ttf"),
    include_bytes!("../../fonts/DejaVuSans-Bold.ttf"),
    include_bytes!("../../fonts/DejaVuSans-Oblique.ttf"),
    include_bytes!("../../fonts/DejaVuSerif.ttf"),
    include_bytes!("../../fonts/DejaVuSerif-Bold.ttf"),
    include_bytes!("../../fonts/DejaVuSansMono.ttf"),
    include_bytes!("../../fonts/DejaVuSansMono-Bold.ttf"),
];

/// More than there are in Unicode.
const CHARACTERS: usize = 0x11_0000;

static BUNDLED: LazyLock<Fonts> = LazyLock::new(|| {
    let mut fonts =
        Fonts { faces: Vec::new(), families: Vec::new(), known: BTreeSet::new(), covered: Arc::default() };
    for file in FILES {
        fonts.add(file.to_vec()).expect("the bundled fonts are valid, which a test keeps true");
    }
    // No family of ours: the engine asks for this name, and only when it draws a list.
    fonts.faces.push(Arc::new(include_bytes!("../../fonts/Bullet.ttf").to_vec()));
    fonts
});

/// The fonts of a [`Renderer`](crate::Renderer): the bundled families and those an operator added.
///
/// Bundled are DejaVu Sans (regular, bold, oblique), DejaVu Serif and DejaVu Sans Mono (regular, bold); all
/// have Latin, Greek and Cyrillic. The fonts of the machine are never used. Cloning shares the font data.
#[derive(Clone)]
pub struct Fonts {
    pub(crate) faces: Vec<Arc<Vec<u8>>>,
    families: Vec<String>,
    known: BTreeSet<String>,
    covered: Arc<BTreeSet<u32>>,
}

impl Fonts {
    /// The bundled families, read once per process.
    pub fn bundled() -> Self {
        BUNDLED.clone()
    }

    /// Adds a font file: TrueType, OpenType, a collection of them, or WOFF2.
    ///
    /// Style sheets name it by the family name inside the file, which is returned. Text whose own family
    /// lacks a glyph falls back to DejaVu Sans, then to the added families in the order they came.
    pub fn add(&mut self, file: Vec<u8>) -> Result<String, PdfError> {
        let mut bundle = AssetBundle::new();
        bundle.add_font_bytes(file).map_err(|refused| PdfError::Font(refused.to_string()))?;
        let mut face = bundle.fonts.pop().ok_or_else(|| PdfError::Font("the file is empty".into()))?;
        ligatures::drop_optional(Arc::<Vec<u8>>::make_mut(&mut face));
        let font = FontRef::from_index(&face, 0).map_err(|broken| PdfError::Font(broken.to_string()))?;
        let family = family_name(&font)?;
        // A table may name the same characters again and again.
        let characters = font.charmap().mappings().take(CHARACTERS).map(|(char, _)| char);
        Arc::make_mut(&mut self.covered).extend(characters);
        if self.known.insert(family.to_lowercase()) {
            self.families.push(family.clone());
        }
        self.faces.push(face);
        Ok(family)
    }

    /// The family names in the order they came, bundled ones first.
    pub fn families(&self) -> impl Iterator<Item = &str> {
        self.families.iter().map(String::as_str)
    }

    /// Whether a family of this name is here; case does not matter.
    pub fn has_family(&self, name: &str) -> bool {
        self.known.contains(&name.to_lowercase())
    }

    /// Whether any font has a glyph for this character.
    pub fn covers(&self, char: char) -> bool {
        self.covered.contains(&u32::from(char))
    }
}

impl Default for Fonts {
    fn default() -> Self {
        Self::bundled()
    }
}

impl fmt::Debug for Fonts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fonts").field("families", &self.families).finish_non_exhaustive()
    }
}

fn family_name(font: &FontRef<'_>) -> Result<String, PdfError> {
    let mut names = font
        .localized_strings(StringId::TYPOGRAPHIC_FAMILY_NAME)
        .chain(font.localized_strings(StringId::FAMILY_NAME));
    let name = names.next().map(|name| name.chars().collect::<String>());
    name.filter(|name| !name.trim().is_empty()).ok_or_else(|| PdfError::Font("it has no family name".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bundle_has_three_families_in_three_scripts() {
        let fonts = Fonts::bundled();
        assert_eq!(fonts.families().collect::<Vec<_>>(), [SANS, SERIF, MONO]);
        assert!("Zażółć Ωμέγα Съешь €…→".chars().all(|char| fonts.covers(char)));
        assert!(!fonts.covers('漢'));
        assert!(fonts.has_family("dejavu sans"));
    }

    #[test]
    fn a_file_that_is_no_font_is_refused() {
        let refused = Fonts::bundled().add(b"not a font".to_vec());
        assert!(matches!(refused, Err(PdfError::Font(_))), "{refused:?}");
    }
}
