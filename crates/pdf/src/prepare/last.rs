use super::resources::tile_bytes;
use super::svg::{self, Cost, Trouble};
use crate::css;
use crate::error::{LimitName, PdfError};
use crate::html::{self, Kind, NodeId, Tree, write_as_engine};
use crate::limits::Limits;

/// Judges a document as the engine will read it.
///
/// Reading what was written can give another tree than the one that was written: the rules of browsers move
/// elements about, and a text of one reading can be an element in the next. So the last look is at the text
/// that the engine gets, read by the parser that it uses.
///
/// `single` is what the SVG backgrounds that are drawn once would take if another rule repeated them.
pub(super) fn check(text: &str, single: usize, limits: &Limits) -> Result<(), PdfError> {
    let reading = Limits { input_bytes: limits.expanded_bytes, ..limits.clone() };
    let tree = html::parse(text, &reading)?;
    let (mut references, mut pictures) = (0, Cost::default());
    for id in tree.walk(Tree::ROOT) {
        if let Some(style) = tree.attr(id, "style") {
            css::check(style, limits)?;
            check_repeats(style, single, limits)?;
        }
        if is_style(&tree, id) {
            let style = tree.text_of(id);
            check_repeats(&style, single, limits)?;
            references += css::check(&style, limits)?;
            css::check_references(references, limits)?;
        }
    }
    for id in outermost_pictures(&tree) {
        pictures.add(picture(&tree, id, limits)?, 1);
        pictures.check(limits)?;
    }
    Ok(())
}

fn check_repeats(css: &str, single: usize, limits: &Limits) -> Result<(), PdfError> {
    let allowed = tile_bytes(limits);
    if single > allowed && css::repeats(css) {
        return Err(PdfError::limit(LimitName::ExpandedBytes, allowed, single));
    }
    Ok(())
}

/// The engine goes by the name alone, whatever the name space.
fn is_style(tree: &Tree, id: NodeId) -> bool {
    matches!(&tree.nodes[id].kind, Kind::Element { name, .. } if &*name.local == "style")
}

fn outermost_pictures(tree: &Tree) -> Vec<NodeId> {
    let mut found = Vec::new();
    let mut stack = vec![Tree::ROOT];
    while let Some(id) = stack.pop() {
        if tree.is_svg(id) {
            found.push(id);
        } else {
            stack.extend(tree.nodes[id].children.iter().rev());
        }
    }
    found
}

fn picture(tree: &Tree, id: NodeId, limits: &Limits) -> Result<Cost, PdfError> {
    let source = write_as_engine(tree, id, limits.expanded_bytes)?;
    match svg::admit(&source, false, limits) {
        Ok(_) if svg::has_filter(&source) => {
            Err(PdfError::Engine("a filter in an SVG picture is left after all were removed".into()))
        }
        Ok(cost) => Ok(cost),
        Err(Trouble::Limit(limit)) => Err(limit),
        // The engine reads with the same parser and leaves out what that cannot read.
        Err(Trouble::Unreadable(_)) => Ok(Cost::default()),
        Err(Trouble::Unfit(_)) => {
            Err(PdfError::limit(LimitName::ExpandedBytes, limits.expanded_bytes, source.len()))
        }
    }
}
