use html5ever::{Attribute, LocalName, QualName, ns};

/// Index of a node in its [`Tree`].
pub(crate) type NodeId = usize;

/// A parsed document. Nodes are never removed from the list, only unlinked from their parent.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) nodes: Vec<Node>,
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) parent: Option<NodeId>,
    pub(crate) children: Vec<NodeId>,
    pub(crate) kind: Kind,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Document,
    Element {
        name: QualName,
        attrs: Vec<Attribute>,
    },
    Text(String),
    /// Markup that we made ourselves and that is written without escaping.
    Raw(String),
    /// Comments and processing instructions: kept as places, never written.
    Nothing,
}

impl Tree {
    pub(crate) const ROOT: NodeId = 0;

    pub(crate) fn new() -> Self {
        Self { nodes: vec![Node { parent: None, children: Vec::new(), kind: Kind::Document }] }
    }

    pub(crate) fn create(&mut self, kind: Kind) -> NodeId {
        self.nodes.push(Node { parent: None, children: Vec::new(), kind });
        self.nodes.len() - 1
    }

    pub(crate) fn unlink(&mut self, id: NodeId) {
        if let Some(parent) = self.nodes[id].parent.take() {
            // The parser nearly always unlinks the last child, hence the search from the end.
            let place = self.nodes[parent].children.iter().rposition(|&child| child == id);
            if let Some(place) = place {
                self.nodes[parent].children.remove(place);
            }
        }
    }

    pub(crate) fn append(&mut self, parent: NodeId, child: NodeId) {
        self.unlink(child);
        self.nodes[child].parent = Some(parent);
        self.nodes[parent].children.push(child);
    }

    pub(crate) fn insert_before(&mut self, sibling: NodeId, child: NodeId) {
        self.unlink(child);
        let Some(parent) = self.nodes[sibling].parent else { return };
        let place = self.nodes[parent].children.iter().rposition(|&id| id == sibling).unwrap_or(0);
        self.nodes[child].parent = Some(parent);
        self.nodes[parent].children.insert(place, child);
    }

    /// The local name of an HTML element; nothing for text and for elements of SVG and MathML.
    pub(crate) fn html_name(&self, id: NodeId) -> Option<&LocalName> {
        match &self.nodes[id].kind {
            Kind::Element { name, .. } if name.ns == ns!(html) => Some(&name.local),
            _ => None,
        }
    }

    /// Whether this is an `svg`, of whatever name space: the engine goes by the name alone.
    pub(crate) fn is_svg(&self, id: NodeId) -> bool {
        matches!(&self.nodes[id].kind, Kind::Element { name, .. } if &*name.local == "svg")
    }

    pub(crate) fn attr(&self, id: NodeId, wanted: &str) -> Option<&str> {
        let Kind::Element { attrs, .. } = &self.nodes[id].kind else { return None };
        attrs.iter().find(|attr| &*attr.name.local == wanted).map(|attr| &*attr.value)
    }

    pub(crate) fn set_attr(&mut self, id: NodeId, wanted: &str, value: &str) {
        let Kind::Element { attrs, .. } = &mut self.nodes[id].kind else { return };
        if let Some(attr) = attrs.iter_mut().find(|attr| &*attr.name.local == wanted) {
            attr.value = value.into();
        } else {
            let name = QualName::new(None, ns!(), LocalName::from(wanted));
            attrs.push(Attribute { name, value: value.into() });
        }
    }

    pub(crate) fn remove_attr(&mut self, id: NodeId, wanted: &str) {
        if let Kind::Element { attrs, .. } = &mut self.nodes[id].kind {
            attrs.retain(|attr| &*attr.name.local != wanted);
        }
    }

    /// All nodes below `from`, itself included, in document order.
    pub(crate) fn walk(&self, from: NodeId) -> Vec<NodeId> {
        let mut order = Vec::new();
        let mut stack = vec![from];
        while let Some(id) = stack.pop() {
            order.push(id);
            stack.extend(self.nodes[id].children.iter().rev());
        }
        order
    }

    /// The text directly inside an element, as in `style` and `title`.
    pub(crate) fn text_of(&self, id: NodeId) -> String {
        let texts = self.nodes[id].children.iter().filter_map(|&child| match &self.nodes[child].kind {
            Kind::Text(text) => Some(text.as_str()),
            _ => None,
        });
        texts.collect()
    }

    /// How many elements lie inside one another at the deepest place.
    pub(crate) fn nesting(&self) -> usize {
        let mut deepest = 0;
        let mut stack = vec![(Self::ROOT, 0)];
        while let Some((id, depth)) = stack.pop() {
            deepest = deepest.max(depth);
            let elements = self.nodes[id].children.iter();
            let elements = elements.filter(|&&id| matches!(self.nodes[id].kind, Kind::Element { .. }));
            stack.extend(elements.map(|&child| (child, depth + 1)));
        }
        deepest
    }
}
