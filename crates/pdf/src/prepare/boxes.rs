use std::collections::{BTreeMap, BTreeSet};

use crate::css::{self, Boxed, INLINE, MARK, OWN};
use crate::html::{Kind, NodeId, Tree};

/// Bytes of all added rules together. What comes after has no background, as it would have without them.
const RULES: usize = 1 << 20;

/// A block with more text than this may have to be broken between pages, and keeps its parts of lines.
const BLOCK: usize = 1200;

/// The same for a cell of a table, which may be narrow.
const CELL: usize = 400;

/// Boxes inside one another. The engine has no good place for the innermost of many.
const NESTED: usize = 2;

/// Blocks that hold one paragraph. A picture in another one does not say that it is part of a line.
const PARAGRAPHS: [&str; 13] =
    ["p", "li", "td", "th", "dt", "dd", "figcaption", "h1", "h2", "h3", "h4", "h5", "h6"];

/// What the style sheets say of backgrounds behind parts of lines.
#[derive(Debug, Default)]
pub(super) struct Boxes {
    rules: String,
    keys: BTreeSet<String>,
}

impl Boxes {
    pub(super) fn add(&mut self, boxed: Boxed) {
        if let Some(rule) = boxed.rule.filter(|rule| self.rules.len() + rule.len() <= RULES) {
            self.rules.push_str(&rule);
        }
        self.keys.insert(boxed.key);
    }

    /// To be given to [`Boxes::rewrite_since`] later.
    pub(super) fn place(&self) -> usize {
        self.rules.len()
    }

    /// Changes the rules that were added since then as the sheet was changed that they came from.
    pub(super) fn rewrite_since(&mut self, place: usize, change: impl FnOnce(String) -> String) {
        let since = self.rules.split_off(place.min(self.rules.len()));
        if !since.is_empty() {
            self.rules.push_str(&change(since));
        }
    }

    /// A sheet to stand below all others: in a layer, so that whatever a document says of `display` wins.
    pub(super) fn sheet(&self) -> String {
        let rules = self.rules.replace("</", "<\\/");
        // The engine does not know the colour that browsers give to `mark`.
        format!(
            "@layer {{\n[{MARK}={OWN}], mark[{MARK}] {{ display: inline-block }}\n\
             mark {{ background: #ff0 }}\n{rules}}}\n"
        )
    }

    /// Whether a rule may be for this element. Rules are known by one name only, so this may be too many.
    fn names(&self, tree: &Tree, id: NodeId) -> bool {
        let known = |mark: &str, name: &str| self.keys.contains(&format!("{mark}{}", name.to_lowercase()));
        let mut classes = tree.attr(id, "class").unwrap_or_default().split_ascii_whitespace();
        known("", "*")
            || is_one_of(tree, id, &["mark"])
            || tree.html_name(id).is_some_and(|name| known("", name))
            || tree.attr(id, "id").is_some_and(|id| known("#", id))
            || classes.any(|class| known(".", class))
    }
}

/// Marks the elements that may become boxes, and keeps the blocks around them on one page.
///
/// The engine loses each box in a paragraph of several lines, be it a picture or an `inline-block`, when it
/// looks for places to break the paragraph. So a box needs a block that is not to be broken, and where none
/// can be had it is better to lose the background.
pub(super) fn settle(tree: &mut Tree, boxes: &Boxes) {
    let mut short = BTreeMap::new();
    let mut whole = BTreeSet::new();
    for id in tree.walk(Tree::ROOT) {
        if is_picture(tree, id) {
            whole.extend(
                around(tree, id, &mut short).filter(|_| is_in_paragraph(tree, id)).unwrap_or_default(),
            );
        } else if is_one_of(tree, id, &INLINE) {
            let looks = tree.attr(id, "style").map(css::looks).unwrap_or_default();
            let wanted = looks.painted || looks.boxed || boxes.names(tree, id);
            let around = wanted.then(|| around(tree, id, &mut short)).flatten();
            let nested =
                |around: &Vec<NodeId>| around.iter().filter(|id| tree.attr(**id, MARK).is_some()).count();
            if let Some(around) = around.filter(|around| nested(around) < NESTED) {
                whole.extend(around);
                tree.set_attr(id, MARK, if looks.painted { OWN } else { "" });
            }
        }
    }
    for id in whole {
        let style = tree.attr(id, "style").unwrap_or_default();
        let style = format!("break-inside: avoid; {style}");
        tree.set_attr(id, "style", &style);
    }
}

/// The block around a part of a line and the parts of lines in between; nothing if it may have to be broken.
fn around(tree: &Tree, id: NodeId, short: &mut BTreeMap<NodeId, bool>) -> Option<Vec<NodeId>> {
    let mut around = Vec::new();
    let mut next = tree.nodes[id].parent?;
    while is_one_of(tree, next, &INLINE) {
        around.push(next);
        next = tree.nodes[next].parent?;
    }
    let known = *short.entry(next).or_insert_with(|| is_short(tree, next));
    around.push(next);
    known.then_some(around)
}

fn is_in_paragraph(tree: &Tree, id: NodeId) -> bool {
    let parents = std::iter::successors(tree.nodes[id].parent, |&id| tree.nodes[id].parent);
    let mut blocks = parents.filter(|&id| !is_one_of(tree, id, &INLINE));
    blocks.next().is_some_and(|block| is_one_of(tree, block, &PARAGRAPHS))
}

/// Whether a block surely fits a page. The body does not: what stands in it bare belongs to no block.
fn is_short(tree: &Tree, block: NodeId) -> bool {
    if tree.html_name(block).is_none() || is_one_of(tree, block, &["html", "body"]) {
        return false;
    }
    let allowed = if is_one_of(tree, block, &["td", "th"]) { CELL } else { BLOCK };
    let (mut found, mut stack) = (0, vec![block]);
    while let Some(id) = stack.pop() {
        found += match &tree.nodes[id].kind {
            Kind::Text(text) => text.trim().len(),
            _ => 1,
        };
        if found > allowed {
            return false;
        }
        stack.extend(&tree.nodes[id].children);
    }
    true
}

fn is_picture(tree: &Tree, id: NodeId) -> bool {
    tree.is_svg(id) || is_one_of(tree, id, &["img"]) || matches!(tree.nodes[id].kind, Kind::Raw(_))
}

fn is_one_of(tree: &Tree, id: NodeId, names: &[&str]) -> bool {
    tree.html_name(id).is_some_and(|name| names.contains(&&**name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::html::parse;
    use crate::limits::Limits;

    fn settled(html: &str) -> Vec<String> {
        let mut tree = parse(html, &Limits::default()).expect("it is small");
        let mut boxes = Boxes::default();
        boxes.add(Boxed { key: ".x".into(), rule: None });
        settle(&mut tree, &boxes);
        let marked = tree.walk(Tree::ROOT).into_iter().filter_map(|id| {
            let name = tree.html_name(id)?;
            let marked = tree.attr(id, MARK).map(|mark| format!("{name}={mark}"));
            let whole = tree.attr(id, "style").is_some_and(|style| style.starts_with("break-inside"));
            marked.or_else(|| whole.then(|| format!("{name} whole")))
        });
        marked.collect()
    }

    #[test]
    fn boxes_are_made_in_blocks_that_stay_whole() {
        assert_eq!(settled("<p>a <span class='x y'>b</span> <i>c</i>"), ["p whole", "span="]);
        assert_eq!(settled("<p>a <i>b <b style='background: red'>c"), ["p whole", "i whole", "b=own"]);
        assert_eq!(settled("<p>a <mark>b"), ["p whole", "mark="]);
        assert_eq!(settled("<p>a <img src=x>"), ["p whole"]);
        assert_eq!(settled("<div>a <img src=x></div><p class=x>b</p>"), [""; 0]);
    }

    #[test]
    fn no_box_is_made_where_the_engine_could_lose_it() {
        assert_eq!(settled("<span class=x>a</span>"), [""; 0]);
        let long = "long ".repeat(100);
        assert_eq!(settled(&format!("<p>{long}<span class=x>a</span>")), ["p whole", "span="]);
        assert_eq!(settled(&format!("<table><td>{long}<span class=x>a</span>")), [""; 0]);
        assert_eq!(settled(&format!("<p>{long}{long}{long}<span class=x>a</span>")), [""; 0]);
    }

    #[test]
    fn boxes_inside_boxes_come_to_an_end() {
        assert_eq!(settled(&format!("<p>{}a", "<mark>".repeat(9))), ["p whole", "mark=", "mark="]);
    }

    #[test]
    fn the_sheet_keeps_its_size() {
        let mut boxes = Boxes::default();
        let one = |rule: &str| Boxed { key: "*".into(), rule: Some(rule.into()) };
        boxes.add(one("a{}"));
        let place = boxes.place();
        boxes.add(one(&"b".repeat(RULES)));
        boxes.add(one("c{}"));
        boxes.rewrite_since(place, |rules| format!("@media x {{{rules}}}"));
        assert!(boxes.sheet().ends_with("a{}@media x {c{}}}\n"));
    }
}
