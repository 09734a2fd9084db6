use usvg::roxmltree::Node;

/// Something that an element refers to by its id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Reference {
    pub(super) id: String,
    pub(super) repeats: Repeats,
}

/// How often the target is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Repeats {
    /// In the place of an element or around it, as with `use` and `clip-path`.
    Once,
    /// For each element inside, because the property is inherited, as with `fill`.
    Inherited,
    /// For each corner of each path inside.
    Marker,
}

/// The rules of all style sheets in a picture that refer to something.
#[derive(Debug, Default)]
pub(super) struct Rules(Vec<Rule>);

#[derive(Debug)]
struct Rule {
    /// Names of which an element has to have one, with `.` for classes and `#` for ids; none for any element.
    names: Option<Vec<String>>,
    references: Vec<Reference>,
}

impl Rules {
    /// Reads a style sheet, rather finding too much in it than too little.
    pub(super) fn add(&mut self, sheet: &str) {
        let marker = sheet.contains("marker");
        // Where a comment, an escape or a text could hide the end of a rule, the whole sheet is one rule.
        if sheet.contains("/*") || !is_simple(sheet) {
            return self.push(None, addresses(sheet, marker));
        }
        for rule in sheet.split('}') {
            let (selectors, body) = rule.split_once('{').unwrap_or(("", rule));
            self.push(names(selectors), addresses(body, marker));
        }
    }

    fn push(&mut self, names: Option<Vec<String>>, mut references: Vec<Reference>) {
        references.sort();
        references.dedup();
        if !references.is_empty() {
            self.0.push(Rule { names, references });
        }
    }

    fn of(&self, node: Node<'_, '_>) -> Vec<Reference> {
        let classes: Vec<&str> = local(node, "class").unwrap_or_default().split_ascii_whitespace().collect();
        let id = local(node, "id").unwrap_or_default();
        let fits = |name: &String| match name.strip_prefix('#') {
            Some(name) => name == id,
            None => classes.contains(&&name[1..]),
        };
        let rules =
            self.0.iter().filter(|rule| rule.names.as_ref().is_none_or(|names| names.iter().any(fits)));
        rules.flat_map(|rule| rule.references.iter().cloned()).collect()
    }
}

/// Whether each bracket and quote of a sheet belongs to a plain `url(#id)`.
fn is_simple(sheet: &str) -> bool {
    const SPECIAL: [char; 6] = ['\\', '"', '\'', '@', '(', ')'];
    let mut rest = sheet;
    while let Some((before, after)) = rest.split_once("url(") {
        let Some((inner, next)) = after.split_once(')') else { return false };
        let inner = inner.trim();
        let plain = ['"', '\'']
            .iter()
            .find_map(|&quote| inner.strip_prefix(quote)?.strip_suffix(quote))
            .unwrap_or(inner);
        if before.contains(SPECIAL) || plain.contains(SPECIAL) || plain.contains(['{', '}']) {
            return false;
        }
        rest = next;
    }
    !rest.contains(SPECIAL)
}

fn names(selectors: &str) -> Option<Vec<String>> {
    let parts = selectors.split(',').map(|part| {
        let subject = part.trim().rsplit([' ', '\t', '\r', '\n', '>', '+', '~']).next().unwrap_or_default();
        let start = subject.find(['.', '#'])?;
        let name = &subject[start + 1..];
        let end = name.find(['.', '#', ':', '[']).unwrap_or(name.len());
        Some(subject[start..=start + end].to_owned())
    });
    parts.collect()
}

/// All that an element refers to: by its own attributes, and by the rules that may apply to it.
pub(super) fn references(node: Node<'_, '_>, rules: &Rules) -> Vec<Reference> {
    let mut found = own(node, rules);
    // `inherit` gives an element what its parent has, even if the property is not inherited by itself.
    let mut at = node;
    while says_inherit(at) {
        let Some(above) = at.parent_element() else { break };
        found.extend(own(above, rules));
        at = above;
    }
    found
}

fn says_inherit(node: Node<'_, '_>) -> bool {
    node.attributes().any(|attribute| attribute.value().contains("inherit"))
}

fn own(node: Node<'_, '_>, rules: &Rules) -> Vec<Reference> {
    let mut found = Vec::new();
    for attribute in node.attributes() {
        let value = attribute.value();
        match attribute.name() {
            // A link is for readers; nothing is drawn in its place.
            "href" if node.tag_name().name() == "a" => {}
            "href" => {
                let id = value.trim().strip_prefix('#').map(|id| id.trim().to_owned());
                found.extend(id.map(|id| Reference { id, repeats: Repeats::Once }));
            }
            "style" => found.extend(addresses(value, value.contains("marker"))),
            name if name.starts_with("marker") => found.extend(addresses(value, true)),
            "fill" | "stroke" => found.extend(addresses(value, false)),
            _ => found.extend(
                addresses(value, false).into_iter().map(|one| Reference { repeats: Repeats::Once, ..one }),
            ),
        }
    }
    // Paint is of no use inside paint, and a rule for all elements would be a circle.
    if !matches!(node.tag_name().name(), "stop" | "linearGradient" | "radialGradient") {
        found.extend(rules.of(node));
    }
    found
}

/// The ids in all `url(#id)` of a text.
fn addresses(text: &str, marker: bool) -> Vec<Reference> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(place) = rest.find("url(") {
        let before = rest[..place].rsplit([';', '{']).next().unwrap_or_default().trim_start();
        let once = ["clip-path", "mask", "filter"].iter().any(|name| before.starts_with(name));
        rest = &rest[place + "url(".len()..];
        let inner = rest.trim_start();
        let quote = inner.chars().next().filter(|first| matches!(first, '"' | '\''));
        let inner = quote.map_or(inner, |_| inner[1..].trim_start());
        let Some(id) = inner.strip_prefix('#') else { continue };
        let end = quote.map_or_else(|| id.find([' ', ')']), |quote| id.find(quote)).unwrap_or(id.len());
        let repeats = match () {
            () if marker => Repeats::Marker,
            () if once => Repeats::Once,
            () => Repeats::Inherited,
        };
        found.push(Reference { id: id[..end].trim_end().to_owned(), repeats });
    }
    found
}

/// The value of an attribute by its name without prefix: the engine writes the tree back without prefixes.
pub(super) fn local<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    node.attributes().find(|attribute| attribute.name() == name).map(|attribute| attribute.value())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(text: &str) -> Vec<(String, Repeats)> {
        addresses(text, false).into_iter().map(|one| (one.id, one.repeats)).collect()
    }

    #[test]
    fn addresses_are_found_in_every_spelling() {
        let found = ids("fill:url(#a);mask: url( '#b c' );x:url(\"#d\") url(#e )");
        let expected = [
            ("a", Repeats::Inherited),
            ("b c", Repeats::Once),
            ("d", Repeats::Inherited),
            ("e", Repeats::Inherited),
        ];
        assert_eq!(found, expected.map(|(id, repeats)| (id.to_owned(), repeats)));
        assert_eq!(ids("url(x.png) #fff url("), []);
    }

    #[test]
    fn rules_apply_by_class_and_id_or_to_all() {
        assert_eq!(names(".a, g > rect.b:hover #c.d"), Some(vec![".a".to_owned(), "#c".to_owned()]));
        assert_eq!(names(".a, rect"), None);
        for (sheet, fitting) in [
            (".a{fill:url(#x)}", true),
            (".b{fill:url(#x)}", false),
            ("g{fill:url('#x')}", true),
            (".b/*}*/,g{fill:url(#x)}", true),
            (".b{content:'}'}g{fill:url(#x)}", true),
        ] {
            let mut rules = Rules::default();
            rules.add(sheet);
            let document = usvg::roxmltree::Document::parse("<g class='z a'/>").expect("it is well-formed");
            assert_eq!(!references(document.root_element(), &rules).is_empty(), fitting, "{sheet}");
        }
    }
}
