use std::collections::HashMap;

use html5ever::ns;

use crate::html::{Kind, Tree};

/// How many elements of a document have a name, a class or an id.
///
/// The engine reads an SVG picture anew for each element whose background it is.
#[derive(Debug, Default)]
pub(super) struct Uses {
    all: usize,
    /// Names as they are, classes with `.` and ids with `#`, all in small letters.
    named: HashMap<String, usize>,
    /// Bytes of the longest value of each attribute.
    longest: HashMap<String, usize>,
}

impl Uses {
    pub(super) fn of(tree: &Tree) -> Self {
        let mut uses = Self::default();
        for id in tree.walk(Tree::ROOT) {
            let Kind::Element { name, attrs } = &tree.nodes[id].kind else { continue };
            uses.all += 1;
            for attr in attrs.iter().filter(|_| name.ns == ns!(html)) {
                let longest =
                    uses.longest.entry(attr.name.local.to_ascii_lowercase().to_string()).or_default();
                *longest = attr.value.len().max(*longest);
            }
            uses.count(name.local.to_ascii_lowercase().to_string());
            for class in tree.attr(id, "class").unwrap_or_default().split_ascii_whitespace() {
                uses.count(format!(".{}", class.to_ascii_lowercase()));
            }
            if let Some(id) = tree.attr(id, "id") {
                uses.count(format!("#{}", id.to_ascii_lowercase()));
            }
        }
        uses
    }

    fn count(&mut self, name: String) {
        *self.named.entry(name).or_default() += 1;
    }

    /// Bytes of the longest value of an attribute.
    pub(super) fn longest(&self, attribute: &str) -> usize {
        self.longest.get(attribute).copied().unwrap_or_default()
    }

    /// How many elements the selectors of a rule fit at most.
    pub(super) fn fitting(&self, selectors: &str) -> usize {
        let Some(plain) = without_brackets(selectors) else { return self.all };
        plain.split(',').map(|selector| self.subject(selector)).fold(0, usize::saturating_add)
    }

    fn subject(&self, selector: &str) -> usize {
        let subject = selector.trim().rsplit([' ', '\t', '\r', '\n', '\x0c', '>', '+', '~', '|']).next();
        let subject = subject.unwrap_or_default().split(':').next().unwrap_or_default();
        let marks = ['.', '#'];
        // The first name of several is enough: the others only narrow it.
        let end = subject
            .char_indices()
            .skip(1)
            .find(|(_, c)| marks.contains(c))
            .map_or(subject.len(), |(at, _)| at);
        let name = &subject[..end];
        if name.is_empty() || name.contains(['*', '&', '\\', '%']) {
            return self.all;
        }
        self.named.get(&name.to_ascii_lowercase()).copied().unwrap_or_default()
    }
}

/// The selectors without what is in brackets, which only narrows them; nothing if that cannot be told.
fn without_brackets(selectors: &str) -> Option<String> {
    if selectors.contains(['"', '\'', '\\', '/']) {
        return None;
    }
    let (mut plain, mut depth) = (String::new(), 0_usize);
    for char in selectors.chars() {
        match char {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.checked_sub(1)?,
            _ if depth == 0 => plain.push(char),
            _ => {}
        }
    }
    (depth == 0).then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::html::parse;
    use crate::limits::Limits;

    #[test]
    fn rules_are_counted_by_their_last_name() {
        let html = "<body class=A><p id=x class='a b'>1<p class=b>2<p>3";
        let uses = Uses::of(&parse(html, &Limits::default()).expect("it is small"));
        for (selectors, expected) in [
            ("body", 1),
            ("body > p", 3),
            ("p.b:not(.a)::before", 3),
            (".b", 2),
            (".a", 2),
            ("div .a, #x:hover, td", 3),
            ("*", 6),
            (":is(p, .a)", 6),
            ("[title=\"p\"]", 6),
            ("p[title]", 3),
            (".b &", 6),
        ] {
            assert_eq!(uses.fitting(selectors), expected, "{selectors}");
        }
    }
}
