use std::borrow::Cow;
use std::cell::{Cell, Ref, RefCell};

use html5ever::interface::{ElementFlags, NodeOrText, QuirksMode, TreeSink};
use html5ever::tendril::StrTendril;
use html5ever::{Attribute, QualName};

use super::tree::{Kind, NodeId, Tree};

/// Builds a [`Tree`] and counts while it grows, so that the reader can stop feeding in time.
#[derive(Debug)]
pub(super) struct Sink {
    tree: RefCell<Tree>,
    /// Elements created, those included that the parser itself added or repeated.
    pub(super) elements: Cell<usize>,
    /// Bytes of the attributes of all created elements.
    pub(super) attribute_bytes: Cell<usize>,
    /// The deepest place at which an element was put.
    pub(super) nesting: Cell<usize>,
}

impl Sink {
    pub(super) fn new() -> Self {
        Self {
            tree: RefCell::new(Tree::new()),
            elements: Cell::new(0),
            attribute_bytes: Cell::new(0),
            nesting: Cell::new(0),
        }
    }

    fn note_nesting(&self, parent: NodeId) {
        let tree = self.tree.borrow();
        let mut depth = 1;
        let mut at = parent;
        while let Some(above) = tree.nodes[at].parent {
            depth += 1;
            at = above;
        }
        self.nesting.set(self.nesting.get().max(depth));
    }

    fn put_text(&self, beside: Option<NodeId>, text: &str, put: impl FnOnce(&mut Tree, NodeId)) {
        let mut tree = self.tree.borrow_mut();
        if let Some(Kind::Text(before)) = beside.map(|id| &mut tree.nodes[id].kind) {
            before.push_str(text);
        } else {
            let id = tree.create(Kind::Text(text.to_owned()));
            put(&mut tree, id);
        }
    }
}

impl TreeSink for Sink {
    type Handle = NodeId;
    type Output = Tree;
    type ElemName<'a> = Ref<'a, QualName>;

    fn finish(self) -> Tree {
        self.tree.into_inner()
    }

    // Every document on the web has parse errors; the tree is what counts.
    fn parse_error(&self, _: Cow<'static, str>) {}

    fn get_document(&self) -> NodeId {
        Tree::ROOT
    }

    fn elem_name<'a>(&'a self, target: &'a NodeId) -> Ref<'a, QualName> {
        Ref::map(self.tree.borrow(), |tree| match &tree.nodes[*target].kind {
            Kind::Element { name, .. } => name,
            _ => unreachable!("the parser asks for the names of elements only"),
        })
    }

    fn create_element(&self, name: QualName, attrs: Vec<Attribute>, _: ElementFlags) -> NodeId {
        let bytes: usize = attrs.iter().map(|attr| attr.name.local.len() + attr.value.len()).sum();
        self.elements.set(self.elements.get() + 1);
        self.attribute_bytes.set(self.attribute_bytes.get() + bytes);
        self.tree.borrow_mut().create(Kind::Element { name, attrs })
    }

    fn create_comment(&self, _: StrTendril) -> NodeId {
        self.tree.borrow_mut().create(Kind::Nothing)
    }

    fn create_pi(&self, _: StrTendril, _: StrTendril) -> NodeId {
        self.tree.borrow_mut().create(Kind::Nothing)
    }

    fn append(&self, parent: &NodeId, child: NodeOrText<NodeId>) {
        match child {
            NodeOrText::AppendNode(id) => {
                self.tree.borrow_mut().append(*parent, id);
                self.note_nesting(*parent);
            }
            NodeOrText::AppendText(text) => {
                let last = self.tree.borrow().nodes[*parent].children.last().copied();
                self.put_text(last, &text, |tree, id| tree.append(*parent, id));
            }
        }
    }

    fn append_before_sibling(&self, sibling: &NodeId, child: NodeOrText<NodeId>) {
        match child {
            NodeOrText::AppendNode(id) => self.tree.borrow_mut().insert_before(*sibling, id),
            NodeOrText::AppendText(text) => {
                let before = {
                    let tree = self.tree.borrow();
                    tree.nodes[*sibling].parent.and_then(|parent| {
                        let siblings = &tree.nodes[parent].children;
                        let place = siblings.iter().rposition(|id| id == sibling)?;
                        place.checked_sub(1).map(|place| siblings[place])
                    })
                };
                self.put_text(before, &text, |tree, id| tree.insert_before(*sibling, id));
            }
        }
    }

    fn append_based_on_parent_node(&self, element: &NodeId, previous: &NodeId, child: NodeOrText<NodeId>) {
        let has_parent = self.tree.borrow().nodes[*element].parent.is_some();
        if has_parent {
            self.append_before_sibling(element, child);
        } else {
            self.append(previous, child);
        }
    }

    fn append_doctype_to_document(&self, _: StrTendril, _: StrTendril, _: StrTendril) {}

    // As in the layout engine, the content of a template is its children.
    fn get_template_contents(&self, target: &NodeId) -> NodeId {
        *target
    }

    fn same_node(&self, one: &NodeId, other: &NodeId) -> bool {
        one == other
    }

    fn set_quirks_mode(&self, _: QuirksMode) {}

    fn add_attrs_if_missing(&self, target: &NodeId, more: Vec<Attribute>) {
        if let Kind::Element { attrs, .. } = &mut self.tree.borrow_mut().nodes[*target].kind {
            for attr in more {
                if !attrs.iter().any(|have| have.name == attr.name) {
                    attrs.push(attr);
                }
            }
        }
    }

    fn remove_from_parent(&self, target: &NodeId) {
        self.tree.borrow_mut().unlink(*target);
    }

    fn reparent_children(&self, node: &NodeId, new_parent: &NodeId) {
        let mut tree = self.tree.borrow_mut();
        let children = std::mem::take(&mut tree.nodes[*node].children);
        for &child in &children {
            tree.nodes[child].parent = Some(*new_parent);
        }
        tree.nodes[*new_parent].children.extend(children);
    }
}
