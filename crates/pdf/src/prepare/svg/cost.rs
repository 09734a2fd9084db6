use std::collections::HashMap;

use usvg::roxmltree::{Document, Node, NodeId};

use super::gate::Trouble;
use super::images;
use super::refs::{Reference, Repeats, Rules, local, references};
use crate::error::{LimitName, PdfError};
use crate::limits::Limits;

/// What it takes to draw a part of a picture once all references in it are followed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    /// Elements, and letters of texts, each of which becomes a path.
    pub(crate) elements: usize,
    /// Bytes of attributes and texts.
    pub(crate) bytes: usize,
    /// Pixels of the pictures inside.
    pub(crate) pixels: usize,
    /// Bytes of the pictures inside, decoded, each once.
    pub(crate) asset_bytes: usize,
    /// Elements inside one another.
    pub(crate) nesting: usize,
    /// Whether a picture inside is of a kind that cannot be judged and is not drawn.
    pub(crate) left_out: bool,
}

impl Cost {
    /// This part and another one that is drawn `times` as often.
    pub(crate) fn add(&mut self, other: Self, times: usize) {
        self.elements = self.elements.saturating_add(other.elements.saturating_mul(times));
        self.bytes = self.bytes.saturating_add(other.bytes.saturating_mul(times));
        self.pixels = self.pixels.saturating_add(other.pixels.saturating_mul(times));
        self.asset_bytes = self.asset_bytes.saturating_add(other.asset_bytes);
        self.nesting = self.nesting.max(other.nesting);
        self.left_out |= other.left_out;
    }

    /// Bytes that the drawing writes into a page, roughly.
    pub(crate) fn drawn_bytes(&self) -> usize {
        self.bytes.saturating_add(self.elements.saturating_mul(60))
    }

    /// Refuses what is over a limit.
    pub(crate) fn check(&self, limits: &Limits) -> Result<(), PdfError> {
        for (limit, allowed, found) in [
            (LimitName::Nesting, limits.nesting, self.nesting),
            (LimitName::Elements, limits.elements, self.elements),
            (LimitName::ExpandedBytes, limits.expanded_bytes, self.bytes),
            (LimitName::AllPixels, limits.all_pixels, self.pixels),
            (LimitName::AssetBytes, limits.asset_bytes, self.asset_bytes),
        ] {
            if found > allowed {
                return Err(PdfError::limit(limit, allowed, found));
            }
        }
        Ok(())
    }
}

/// Adds up a picture whose element depth is already known to be within the limits.
pub(super) fn of(document: &Document<'_>, inside: bool, limits: &Limits) -> Result<Cost, Trouble> {
    let mut rules = Rules::default();
    let mut sheets = 0;
    let mut ids: HashMap<&str, Vec<Node<'_, '_>>> = HashMap::new();
    let mut elements = 0;
    for node in document.descendants().filter(Node::is_element) {
        elements += 1;
        if node.tag_name().name() == "style" {
            let text = node.text().unwrap_or_default();
            rules.add(text);
            sheets += text.len();
        }
        for id in node.attributes().filter(|attribute| attribute.name() == "id") {
            ids.entry(id.value().trim()).or_default().push(node);
        }
    }
    // Before the rules are tried on each element, here or in the engine.
    let matching = Cost { bytes: (sheets / 16).saturating_mul(elements), ..Cost::default() };
    matching.check(limits)?;
    let mut sum = Sum { rules, ids, limits, inside, depth: 0, known: HashMap::new() };
    let mut cost = sum.node(document.root_element())?;
    cost.bytes = cost.bytes.saturating_add((sheets / 16).saturating_mul(cost.elements));
    cost.check(limits)?;
    Ok(cost)
}

struct Sum<'a, 'input> {
    rules: Rules,
    ids: HashMap<&'a str, Vec<Node<'a, 'input>>>,
    limits: &'a Limits,
    /// Whether this picture is inside another one, where pictures of its own are never drawn.
    inside: bool,
    /// Elements that are open just now.
    depth: usize,
    known: HashMap<NodeId, State>,
}

enum State {
    /// On the way from the root to where the sum is just now.
    Open,
    Done(Cost),
}

impl<'a, 'input> Sum<'a, 'input> {
    /// Recursive over elements and references together, which the limit of nesting makes safe.
    fn node(&mut self, node: Node<'a, 'input>) -> Result<Cost, Trouble> {
        let circle = match self.known.get(&node.id()) {
            Some(State::Done(cost)) => return Ok(*cost),
            Some(State::Open) => true,
            None => false,
        };
        // The engine would follow a circle until the stack ends.
        if circle || self.depth >= self.limits.nesting {
            let found = self.limits.nesting.saturating_add(1);
            return Err(PdfError::limit(LimitName::Nesting, self.limits.nesting, found).into());
        }
        self.known.insert(node.id(), State::Open);
        self.depth += 1;
        let cost = self.opened(node)?;
        self.depth -= 1;
        self.known.insert(node.id(), State::Done(cost));
        Ok(cost)
    }

    fn opened(&mut self, node: Node<'a, 'input>) -> Result<Cost, Trouble> {
        let mut cost = self.own(node)?;
        let (mut once, mut repeated) = (Vec::new(), Vec::new());
        for reference in references(node, &self.rules) {
            let list = if reference.repeats == Repeats::Once { &mut once } else { &mut repeated };
            list.push(reference);
        }
        for child in node.children().filter(Node::is_element) {
            let child = self.node(child)?;
            cost.add(child, 1);
        }
        for reference in once {
            let target = self.target(&reference)?;
            cost.add(target, 1);
        }
        let (elements, bytes) = (cost.elements, cost.bytes);
        for reference in repeated {
            let target = self.target(&reference)?;
            // A path has at most a corner for every other byte, as in `h1`.
            cost.add(target, if reference.repeats == Repeats::Marker { bytes / 2 + 1 } else { elements });
        }
        cost.nesting += 1;
        cost.check(self.limits)?;
        Ok(cost)
    }

    fn target(&mut self, reference: &Reference) -> Result<Cost, Trouble> {
        let mut cost = Cost::default();
        // With an id given twice, one way of looking finds the first element and another one the last.
        for node in self.ids.get(reference.id.as_str()).cloned().unwrap_or_default() {
            let target = self.node(node)?;
            cost.add(target, 1);
        }
        Ok(cost)
    }

    fn own(&self, node: Node<'_, '_>) -> Result<Cost, Trouble> {
        let name = node.tag_name().name();
        let texts = node.children().filter(Node::is_text).filter_map(|text| text.text());
        let letters: usize = texts.map(str::len).sum();
        let attributes: usize = node.attributes().map(|attribute| attribute.value().len()).sum();
        let mut cost = Cost { elements: 1, bytes: attributes + letters, ..Cost::default() };
        if matches!(name, "text" | "tspan" | "textPath" | "tref" | "a") {
            cost.elements += letters;
        }
        if name == "tref" {
            let target =
                local(node, "href").and_then(|href| self.ids.get(href.trim().trim_start_matches('#')));
            let nodes = target.into_iter().flatten().flat_map(Node::descendants).filter(Node::is_text);
            cost.elements += nodes.filter_map(|text| text.text()).map(str::len).sum::<usize>();
        }
        if matches!(name, "image" | "feImage") && !self.inside {
            for href in node.attributes().filter(|attribute| attribute.name() == "href") {
                cost.add(images::cost(href.value(), self.limits)?, 1);
            }
        }
        Ok(cost)
    }
}
