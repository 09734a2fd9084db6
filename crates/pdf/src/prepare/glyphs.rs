use std::collections::BTreeSet;

use super::resources::Resources;
use crate::html::{Kind, Tree};

/// Characters named in the warning; a text in a foreign script has hundreds.
const NAMED: usize = 10;

/// Warns of characters for which no font has a glyph: they appear as empty boxes.
pub(super) fn check(tree: &Tree, resources: &mut Resources<'_>) {
    let mut missing = BTreeSet::new();
    for id in tree.walk(Tree::ROOT) {
        let node = &tree.nodes[id];
        let hidden = node.parent.and_then(|above| tree.html_name(above));
        if hidden.is_some_and(|name| matches!(&**name, "style" | "title")) {
            continue;
        }
        if let Kind::Text(text) = &node.kind {
            missing.extend(text.chars().filter(|&char| !invisible(char) && !resources.fonts.covers(char)));
        }
    }
    if missing.is_empty() {
        return;
    }
    let named = missing.iter().take(NAMED).map(|&char| format!("{char} (U+{:04X})", u32::from(char)));
    let named = named.collect::<Vec<_>>().join(", ");
    let more = missing.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    resources.warnings.add(format!("No font has a glyph for {named}{more}."));
}

fn invisible(char: char) -> bool {
    char.is_whitespace()
        || char.is_control()
        || matches!(char, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{e0100}'..='\u{e01ef}')
}
