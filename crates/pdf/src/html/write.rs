use html5ever::{QualName, ns};

use super::tree::{Kind, NodeId, Tree};
use crate::error::{LimitName, PdfError};

const VOID: [&str; 14] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track",
    "wbr",
];
const RAW_TEXT: [&str; 6] = ["style", "script", "xmp", "iframe", "noembed", "noframes"];

/// Writes the whole tree as an HTML document of at most `allowed` bytes.
///
/// The doctype matters: without it the engine's parser talks about an error on standard output.
pub(crate) fn write_document(tree: &Tree, allowed: usize) -> Result<String, PdfError> {
    let mut writer = Writer { out: String::from("<!DOCTYPE html>"), allowed, bare: false };
    for &child in &tree.nodes[Tree::ROOT].children {
        writer.node(tree, child)?;
    }
    Ok(writer.out)
}

/// Writes one element as XML, for an `svg` that is to be read on its own.
pub(crate) fn write_xml(tree: &Tree, root: NodeId, allowed: usize) -> Result<String, PdfError> {
    let mut writer = Writer { out: String::new(), allowed, bare: false };
    writer.node(tree, root)?;
    Ok(writer.out)
}

/// Writes an `svg` as the engine writes it before it reads it: without prefixes, and texts without escaping.
pub(crate) fn write_as_engine(tree: &Tree, root: NodeId, allowed: usize) -> Result<String, PdfError> {
    let mut writer = Writer { out: String::new(), allowed, bare: true };
    writer.node(tree, root)?;
    if !writer.out.contains("xmlns") {
        return Ok(writer.out.replace("<svg", "<svg xmlns=\"http://www.w3.org/2000/svg\""));
    }
    Ok(writer.out)
}

struct Writer {
    out: String,
    allowed: usize,
    bare: bool,
}

impl Writer {
    /// Recursive, which the nesting limit makes safe.
    fn node(&mut self, tree: &Tree, id: NodeId) -> Result<(), PdfError> {
        if self.out.len() > self.allowed {
            return Err(PdfError::limit(LimitName::ExpandedBytes, self.allowed, self.out.len()));
        }
        let node = &tree.nodes[id];
        match &node.kind {
            Kind::Text(text) => self.text(tree, node.parent, text),
            Kind::Raw(markup) => self.out.push_str(markup),
            Kind::Nothing | Kind::Document => {}
            Kind::Element { name, attrs } => {
                self.out.push('<');
                self.out.push_str(&name.local);
                for attr in attrs {
                    self.attribute(&attr.name, &attr.value);
                }
                self.out.push('>');
                if name.ns == ns!(html) && VOID.contains(&&*name.local) {
                    return Ok(());
                }
                self.keep_first_line_break(tree, id, name);
                for &child in &node.children {
                    self.node(tree, child)?;
                }
                self.out.push_str("</");
                self.out.push_str(&name.local);
                self.out.push('>');
            }
        }
        Ok(())
    }

    fn attribute(&mut self, name: &QualName, value: &str) {
        self.out.push(' ');
        if self.bare {
            // The local name is all that the engine writes.
        } else if name.ns == ns!(xml) {
            self.out.push_str("xml:");
        } else if name.ns == ns!(xlink) {
            self.out.push_str("xlink:");
        } else if name.ns == ns!(xmlns) && &*name.local != "xmlns" {
            self.out.push_str("xmlns:");
        }
        self.out.push_str(&name.local);
        self.out.push_str("=\"");
        escape(&mut self.out, value);
        self.out.push('"');
    }

    fn text(&mut self, tree: &Tree, parent: Option<NodeId>, text: &str) {
        let raw =
            parent.and_then(|parent| tree.html_name(parent)).is_some_and(|name| RAW_TEXT.contains(&&**name));
        if raw || self.bare {
            self.out.push_str(text);
        } else {
            escape(&mut self.out, text);
        }
    }

    /// A parser drops the first line break inside `pre`, so one that survived needs a companion.
    fn keep_first_line_break(&mut self, tree: &Tree, id: NodeId, name: &QualName) {
        let drops = name.ns == ns!(html) && matches!(&*name.local, "pre" | "textarea" | "listing");
        let first = tree.nodes[id].children.first().map(|&child| &tree.nodes[child].kind);
        if drops && matches!(first, Some(Kind::Text(text)) if text.starts_with('\n')) {
            self.out.push('\n');
        }
    }
}

/// Escapes for text and for double-quoted attributes alike.
fn escape(out: &mut String, text: &str) {
    let mut rest = text;
    while let Some(place) = rest.find(['&', '<', '>', '"']) {
        out.push_str(&rest[..place]);
        out.push_str(match rest.as_bytes()[place] {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            _ => "&quot;",
        });
        rest = &rest[place + 1..];
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::html::parse;
    use crate::limits::Limits;

    fn again(html: &str) -> String {
        let tree = parse(html, &Limits::default()).expect("small documents are within the limits");
        write_document(&tree, 1 << 20).expect("it is small")
    }

    #[test]
    fn writing_and_reading_again_changes_nothing() {
        for html in [
            "<p>a &lt; b &amp; c &nbsp; <b class='x \"y\"'>bold<p>next",
            "<table><tr><td>1<td>2</table><pre>\n\n first</pre>",
            "<style>a > b { content: '<' }</style><svg viewBox='0 0 1 1'><use xlink:href='#a'/></svg>",
        ] {
            let once = again(html);
            assert_eq!(again(&once), once);
        }
        assert!(
            again("<style>a > b { content: '<' }</style>").contains("<style>a > b { content: '<' }</style>")
        );
    }

    #[test]
    fn the_written_size_is_limited() {
        let tree = parse("<p>hello<p>hello", &Limits::default()).expect("it is small");
        let refused = write_document(&tree, 40);
        assert!(matches!(refused, Err(PdfError::Limit { limit: LimitName::ExpandedBytes, .. })));
    }
}
