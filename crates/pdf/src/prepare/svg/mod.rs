//! SVG pictures: inside the document, as files, in style sheets, and inside one another.
//!
//! Each is added up first (`gate`), then drawn by our reader with our fonts (`outlined`), and what comes out
//! is what the engine gets. Only an inline picture of plain shapes stays as it was written.

mod cost;
mod gate;
mod images;
mod refs;
mod text;

use std::sync::{Arc, LazyLock};

use html5ever::{Attribute, LocalName, QualName, ns};
use usvg::{ImageHrefResolver, Options, WriteOptions, fontdb};

use super::resources::Resources;
use crate::error::{LimitName, PdfError};
use crate::fonts::{Fonts, MONO, SANS, SERIF};
use crate::html::{Kind, NodeId, Tree, write_xml};
pub(super) use cost::Cost;
pub(super) use gate::{Trouble, admit};
pub(super) use images::{check_pixels, text};

const NAMESPACE: &str = "http://www.w3.org/2000/svg";
const LINKS: &str = "http://www.w3.org/1999/xlink";

/// Attributes of the `svg` element that concern the page around it and survive the conversion.
const OUTER: [&str; 4] = ["id", "class", "style", "role"];

/// Elements that the engine would draw with fonts, files or memory of its own.
const NOT_PLAIN: [&str; 6] = ["text", "image", "feImage", "filter", "foreignObject", "style"];

const LEFT_OUT: &str = "An image inside an SVG picture was left out: \
    only data: addresses of PNG, JPEG, GIF and plain SVG are drawn.";

/// A filter is drawn in pixels, in as many layers as it has steps, each of up to 25 million.
const NO_FILTERS: &str = "* { filter: none !important }";

static BUNDLED: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| Arc::new(database(&Fonts::bundled())));

/// Turns an inline `svg` into outlines of our fonts, with no pictures inside that were not judged.
///
/// Left alone, the engine would draw it with whatever fonts the machine has, which may be none. An `svg` of
/// plain shapes stays as it is.
pub(super) fn settle_inline(
    tree: &mut Tree,
    id: NodeId,
    resources: &mut Resources<'_>,
) -> Result<(), PdfError> {
    let inside_another = std::iter::successors(tree.nodes[id].parent, |&above| tree.nodes[above].parent)
        .any(|above| tree.is_svg(above) || matches!(tree.nodes[above].kind, Kind::Raw(_)));
    if inside_another {
        return Ok(());
    }
    declare(tree, id, "xmlns", NAMESPACE);
    declare(tree, id, "xlink", LINKS);
    complete_families(tree, id, resources);
    let source = write_xml(tree, id, resources.limits().expanded_bytes)?;
    if is_plain(tree, id) {
        let Some(cost) = admitted(&source, resources)? else {
            tree.nodes[id].kind = Kind::Nothing;
            return Ok(());
        };
        drop_texts(tree, id);
        return resources.charge(cost, 1);
    }
    let outer = outer_attributes(tree, id);
    tree.nodes[id].kind = put_down(&source, &outer, resources)?.map_or(Kind::Nothing, Kind::Raw);
    tree.nodes[id].children.clear();
    Ok(())
}

fn is_plain(tree: &Tree, root: NodeId) -> bool {
    tree.walk(root).into_iter().all(|id| match &tree.nodes[id].kind {
        Kind::Element { name, attrs } => {
            name.ns == ns!(svg)
                && !NOT_PLAIN.contains(&&*name.local)
                && !attrs.iter().any(|attr| &*attr.name.local == "filter" || attr.value.contains("filter"))
        }
        _ => true,
    })
}

/// The engine writes texts without escaping before it reads them, so that a title could become elements.
fn drop_texts(tree: &mut Tree, root: NodeId) {
    for id in tree.walk(root) {
        if matches!(&tree.nodes[id].kind, Kind::Text(text) if text.contains(['<', '&'])) {
            tree.nodes[id].kind = Kind::Nothing;
        }
    }
}

/// The markup that takes the place of an `img` whose picture is an SVG file.
pub(super) fn settle_file(
    tree: &Tree,
    id: NodeId,
    source: &str,
    resources: &mut Resources<'_>,
) -> Result<Option<String>, PdfError> {
    let mut outer = outer_attributes(tree, id);
    for size in ["width", "height"] {
        if let Some(value) = tree.attr(id, size).and_then(|value| value.parse::<f32>().ok()) {
            outer.push((size.to_owned(), value.to_string()));
        }
    }
    put_down(source, &outer, resources)
}

/// A picture that stands in the document itself.
fn put_down(
    source: &str,
    outer: &[(String, String)],
    resources: &mut Resources<'_>,
) -> Result<Option<String>, PdfError> {
    let Some((drawn, cost)) = outlined(source, outer, resources)? else { return Ok(None) };
    resources.charge(cost, 1)?;
    Ok(Some(drawn))
}

/// The file that a style sheet may show, and what it takes to show it once.
pub(super) fn settle_sheet(
    source: &str,
    resources: &mut Resources<'_>,
) -> Result<Option<(Vec<u8>, Cost)>, PdfError> {
    let Some((drawn, _)) = outlined(source, &[], resources)? else { return Ok(None) };
    Ok(admitted(&drawn, resources)?.map(|cost| (drawn.into_bytes(), cost)))
}

fn outlined(
    source: &str,
    outer: &[(String, String)],
    resources: &mut Resources<'_>,
) -> Result<Option<(String, Cost)>, PdfError> {
    let Some(cost) = admitted(source, resources)? else { return Ok(None) };
    let limits = resources.limits();
    let options = options(resources.svg_fonts(), images::resolver(limits));
    let written = match usvg::Tree::from_str(source, &options) {
        Ok(picture) => with_outer(&picture.to_string(&WriteOptions::default()), outer),
        Err(broken) => {
            warn(resources, &broken.to_string());
            return Ok(None);
        }
    };
    if has_filter(source) {
        resources.warnings.add("A filter in an SVG picture was left out.".to_owned());
    }
    resources.svg_bytes += written.len();
    if resources.svg_bytes > limits.expanded_bytes {
        return Err(PdfError::limit(LimitName::ExpandedBytes, limits.expanded_bytes, resources.svg_bytes));
    }
    Ok(Some((written, cost)))
}

/// Whether the text of a picture has a filter, or seems to.
pub(super) fn has_filter(source: &str) -> bool {
    ["<filter", " filter=", "filter:"].iter().any(|sign| source.contains(sign))
}

/// What a picture takes to show it once; nothing with a warning if it cannot be read.
fn admitted(source: &str, resources: &mut Resources<'_>) -> Result<Option<Cost>, PdfError> {
    match admit(source, false, resources.limits()) {
        Ok(cost) => {
            if cost.left_out {
                resources.warnings.add(LEFT_OUT.to_owned());
            }
            Ok(Some(cost))
        }
        Err(Trouble::Limit(limit)) => Err(limit),
        Err(Trouble::Unfit(why)) => {
            warn(resources, why);
            Ok(None)
        }
        Err(Trouble::Unreadable(why)) => {
            warn(resources, &why);
            Ok(None)
        }
    }
}

fn warn(resources: &mut Resources<'_>, why: &str) {
    resources.warnings.add(format!("An SVG picture cannot be read and was left out: {why}."));
}

fn options(fontdb: Arc<fontdb::Database>, image_href_resolver: ImageHrefResolver<'_>) -> Options<'_> {
    Options {
        font_family: SANS.to_owned(),
        fontdb,
        image_href_resolver,
        style_sheet: Some(NO_FILTERS.to_owned()),
        ..Options::default()
    }
}
/// The written picture with the attributes of the element it replaces; those given twice are replaced.
fn with_outer(written: &str, outer: &[(String, String)]) -> String {
    let start = written.find("<svg").unwrap_or(0) + "<svg".len();
    let mut out = String::from("<svg");
    for (name, value) in outer {
        out.push_str(&format!(" {name}=\"{}\"", value.replace('&', "&amp;").replace('"', "&quot;")));
    }
    out.push_str(written.get(start..).unwrap_or_default());
    out
}

fn outer_attributes(tree: &Tree, id: NodeId) -> Vec<(String, String)> {
    let kept = OUTER.iter().filter_map(|name| Some(((*name).to_owned(), tree.attr(id, name)?.to_owned())));
    kept.collect()
}

fn declare(tree: &mut Tree, id: NodeId, local: &str, address: &str) {
    let Kind::Element { attrs, .. } = &mut tree.nodes[id].kind else { return };
    if !attrs.iter().any(|attr| attr.name.ns == ns!(xmlns) && &*attr.name.local == local) {
        let name = QualName::new(None, ns!(xmlns), LocalName::from(local));
        attrs.push(Attribute { name, value: address.into() });
    }
}

fn complete_families(tree: &mut Tree, root: NodeId, resources: &Resources<'_>) {
    for id in tree.walk(root) {
        if let Some(list) = tree.attr(id, "font-family").map(|list| resources.families.complete(list)) {
            tree.set_attr(id, "font-family", &list);
        }
    }
}

/// The fonts for text in SVG: the bundled database, or one of its own for a renderer with more fonts.
pub(super) fn fonts_for(fonts: &Fonts) -> Arc<fontdb::Database> {
    let bundled = fonts.faces.len() == Fonts::bundled().faces.len();
    if bundled { Arc::clone(&BUNDLED) } else { Arc::new(database(fonts)) }
}

fn database(fonts: &Fonts) -> fontdb::Database {
    let mut database = fontdb::Database::new();
    for face in &fonts.faces {
        database.load_font_source(fontdb::Source::Binary(Arc::<Vec<u8>>::clone(face)));
    }
    database.set_sans_serif_family(SANS);
    database.set_serif_family(SERIF);
    database.set_monospace_family(MONO);
    database.set_cursive_family(SANS);
    database.set_fantasy_family(SANS);
    database
}
