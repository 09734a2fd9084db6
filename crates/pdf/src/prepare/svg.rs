use std::sync::{Arc, LazyLock};

use html5ever::{Attribute, LocalName, QualName, ns};
use usvg::{ImageHrefResolver, Options, WriteOptions, fontdb};

use super::resources::Resources;
use crate::error::PdfError;
use crate::fonts::{Fonts, MONO, SANS, SERIF};
use crate::html::{Kind, NodeId, Tree, write_xml};

const NAMESPACE: &str = "http://www.w3.org/2000/svg";
const LINKS: &str = "http://www.w3.org/1999/xlink";

/// Attributes of the `svg` element that concern the page around it and survive the conversion.
const OUTER: [&str; 4] = ["id", "class", "style", "role"];

static BUNDLED: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| Arc::new(database(&Fonts::bundled())));

/// Turns the text of an inline `svg` into outlines of our fonts.
///
/// Left alone, the engine would draw it with whatever fonts the machine has, which may be none. An `svg`
/// without text stays as it is.
pub(super) fn settle_inline(
    tree: &mut Tree,
    id: NodeId,
    resources: &mut Resources<'_>,
) -> Result<(), PdfError> {
    let has_text = tree.walk(id).into_iter().any(|node| {
        matches!(&tree.nodes[node].kind, Kind::Element { name, .. } if name.ns == ns!(svg) && &*name.local == "text")
    });
    let inside_another = std::iter::successors(tree.nodes[id].parent, |&above| tree.nodes[above].parent)
        .any(|above| tree.is_svg_root(above) || matches!(tree.nodes[above].kind, Kind::Raw(_)));
    if !has_text || inside_another {
        return Ok(());
    }
    declare(tree, id, "xmlns", NAMESPACE);
    declare(tree, id, "xlink", LINKS);
    complete_families(tree, id, resources);
    let source = write_xml(tree, id, resources.limits().expanded_bytes)?;
    let outer = outer_attributes(tree, id);
    tree.nodes[id].kind = outlined(&source, &outer, resources).map_or(Kind::Nothing, Kind::Raw);
    tree.nodes[id].children.clear();
    Ok(())
}

/// The markup that takes the place of an `img` whose picture is an SVG file.
pub(super) fn settle_file(
    tree: &Tree,
    id: NodeId,
    source: &str,
    resources: &mut Resources<'_>,
) -> Option<String> {
    let mut outer = outer_attributes(tree, id);
    for size in ["width", "height"] {
        if let Some(value) = tree.attr(id, size).and_then(|value| value.parse::<f32>().ok()) {
            outer.push((size.to_owned(), value.to_string()));
        }
    }
    outlined(source, &outer, resources)
}

fn outlined(source: &str, outer: &[(String, String)], resources: &mut Resources<'_>) -> Option<String> {
    let options = Options {
        font_family: SANS.to_owned(),
        fontdb: resources.svg_fonts(),
        image_href_resolver: ImageHrefResolver {
            resolve_data: ImageHrefResolver::default_data_resolver(),
            resolve_string: Box::new(|_, _| None),
        },
        ..Options::default()
    };
    match usvg::Tree::from_str(source, &options) {
        Ok(picture) => Some(with_outer(&picture.to_string(&WriteOptions::default()), outer)),
        Err(broken) => {
            resources.warnings.add(format!("An SVG picture cannot be read and was left out: {broken}."));
            None
        }
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
