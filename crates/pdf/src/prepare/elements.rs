use std::collections::BTreeSet;

use html5ever::{LocalName, QualName, ns};

use super::About;
use super::boxes;
use super::resources::{Picture, Resources};
use super::svg;
use super::uses::Uses;
use crate::error::PdfError;
use crate::html::{Kind, NodeId, Tree};
use crate::warnings::quote;

/// Brings every element into the form that the engine can use, and reads what the document tells about itself.
pub(super) fn prepare(tree: &mut Tree, resources: &mut Resources<'_>) -> Result<About, PdfError> {
    let nodes = tree.walk(Tree::ROOT);
    resources.uses = Uses::of(tree);
    let anchors: BTreeSet<String> =
        nodes.iter().filter_map(|&id| tree.attr(id, "id")).map(str::to_owned).collect();
    let mut about = About::default();
    let mut head = None;
    for id in nodes {
        if let Some(style) = tree.attr(id, "style").map(str::to_owned) {
            let style = resources.attribute(&style)?;
            tree.set_attr(id, "style", &style);
        }
        if is_of_math(tree, id) {
            tree.nodes[id].kind = Kind::Nothing;
            continue;
        }
        if tree.is_svg(id) {
            svg::settle_inline(tree, id, resources)?;
            continue;
        }
        let Some(name) = tree.html_name(id).cloned() else { continue };
        match &*name {
            "head" => head = head.or(Some(id)),
            "style" => style(tree, id, resources)?,
            "link" => link(tree, id, resources)?,
            "meta" => meta(tree, id, &mut about),
            "img" => image(tree, id, resources)?,
            "a" | "area" => anchor(tree, id, &anchors, resources),
            "script" | "iframe" | "object" | "embed" | "applet" | "frame" | "audio" | "video" | "canvas" => {
                resources.warnings.add(format!("<{name}> is not supported and was left out."));
                tree.unlink(id);
            }
            "base" | "template" => tree.unlink(id),
            _ => {}
        }
    }
    if let Some(head) = head {
        let unnamed = resources.unnamed_sheets()?;
        let last = style_element(tree, unnamed, resources)?;
        tree.append(head, last);
        let base = resources.boxes.sheet() + &resources.families.base_sheet();
        let first = style_element(tree, base, resources)?;
        match tree.nodes[head].children.first().copied() {
            Some(sibling) => tree.insert_before(sibling, first),
            None => tree.append(head, first),
        }
    }
    boxes::settle(tree, &resources.boxes);
    Ok(about)
}

/// Whether this only looks like an `svg` or `style`: inside `math` it is neither, except for the engine.
fn is_of_math(tree: &Tree, id: NodeId) -> bool {
    matches!(&tree.nodes[id].kind, Kind::Element { name, .. }
        if name.ns == ns!(mathml) && matches!(&*name.local, "svg" | "style" | "img" | "link" | "input" | "textarea"))
}

fn style_element(tree: &mut Tree, css: String, resources: &mut Resources<'_>) -> Result<NodeId, PdfError> {
    resources.check_sheet(&css)?;
    let name = QualName::new(None, ns!(html), LocalName::from("style"));
    let element = tree.create(Kind::Element { name, attrs: Vec::new() });
    let text = tree.create(Kind::Text(css));
    tree.append(element, text);
    Ok(element)
}

fn style(tree: &mut Tree, id: NodeId, resources: &mut Resources<'_>) -> Result<(), PdfError> {
    let media = tree.attr(id, "media").unwrap_or_default().to_owned();
    let boxes = resources.boxes.place();
    let css = resources.css(&tree.text_of(id))?;
    put_style(tree, id, &media, css, boxes, resources)
}

fn link(tree: &mut Tree, id: NodeId, resources: &mut Resources<'_>) -> Result<(), PdfError> {
    let rel = tree.attr(id, "rel").unwrap_or_default().to_ascii_lowercase();
    let is_sheet = rel.split_ascii_whitespace().any(|word| word == "stylesheet");
    let address = tree.attr(id, "href").filter(|_| is_sheet).map(str::to_owned);
    let Some(address) = address else {
        tree.unlink(id);
        return Ok(());
    };
    let media = tree.attr(id, "media").unwrap_or_default().to_owned();
    let boxes = resources.boxes.place();
    if let Some(css) = resources.sheet(&address)? {
        put_style(tree, id, &media, css, boxes, resources)?;
    } else {
        resources.warn_of("style sheet", &address, "was not fetched: it is not among the given ones");
        tree.unlink(id);
    }
    Ok(())
}

/// Puts a finished sheet in the place of `old`, unless it is for other media than paper.
///
/// `boxes` is the place of the rules about boxes that the sheet brought.
fn put_style(
    tree: &mut Tree,
    old: NodeId,
    media: &str,
    css: String,
    boxes: usize,
    resources: &mut Resources<'_>,
) -> Result<(), PdfError> {
    let media = media.trim().to_ascii_lowercase();
    let for_paper = media.is_empty() || media.split(',').any(|one| matches!(one.trim(), "all" | "print"));
    let limited = |css: String| match () {
        () if for_paper => css,
        // The margin boxes of a conditional sheet would not be found inside the condition; its rules are.
        () if media.contains('(') => format!("@media {} {{\n{css}\n}}", media.replace("print", "screen")),
        () => String::new(),
    };
    resources.boxes.rewrite_since(boxes, limited);
    let new = style_element(tree, limited(css), resources)?;
    tree.insert_before(old, new);
    tree.unlink(old);
    Ok(())
}

fn meta(tree: &mut Tree, id: NodeId, about: &mut About) {
    let name = tree.attr(id, "name").unwrap_or_default().to_ascii_lowercase();
    let content = tree.attr(id, "content").map(|content| content.trim().to_owned());
    let content = content.filter(|content| !content.is_empty());
    match name.as_str() {
        "author" => about.author = content,
        "description" => about.description = content,
        "keywords" => about.keywords = content,
        _ => {}
    }
    tree.unlink(id);
}

fn image(tree: &mut Tree, id: NodeId, resources: &mut Resources<'_>) -> Result<(), PdfError> {
    let address = tree.attr(id, "src").unwrap_or_default().to_owned();
    tree.remove_attr(id, "srcset");
    match resources.find_picture(&address)? {
        Some(Picture::Raster(name, size)) => {
            tree.set_attr(id, "src", &name);
            give_size(tree, id, size.0, size.1);
        }
        Some(Picture::Vector(_, text)) => {
            let source = svg::settle_file(tree, id, &text, resources)?;
            tree.nodes[id].kind = source.map_or(Kind::Nothing, Kind::Raw);
        }
        None => {
            let alternative = tree.attr(id, "alt").unwrap_or_default().to_owned();
            tree.nodes[id].kind = Kind::Text(alternative);
        }
    }
    Ok(())
}

/// The engine never sees the pixels before layout, so it has to be told how large they are.
fn give_size(tree: &mut Tree, id: NodeId, width: u32, height: u32) {
    let style = tree.attr(id, "style").unwrap_or_default();
    let style = format!("aspect-ratio: {width} / {height}; {style}");
    tree.set_attr(id, "style", &style);
    if tree.attr(id, "width").is_none() && tree.attr(id, "height").is_none() {
        tree.set_attr(id, "width", &width.to_string());
        tree.set_attr(id, "height", &height.to_string());
    }
}

fn anchor(tree: &mut Tree, id: NodeId, anchors: &BTreeSet<String>, resources: &mut Resources<'_>) {
    let Some(target) = tree.attr(id, "href").map(|target| target.trim().to_owned()) else { return };
    let harmless = ["http:", "https:", "mailto:", "tel:"];
    let inside = target.strip_prefix('#');
    let keep = match inside {
        Some(anchor) => anchors.contains(anchor),
        None => harmless
            .iter()
            .any(|scheme| target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))),
    };
    if !keep {
        let happened =
            if inside.is_some() { "leads nowhere" } else { "was left out: it is no web or mail address" };
        resources.warnings.add(format!("The link {} {happened}.", quote(&target)));
        tree.remove_attr(id, "href");
    }
}
