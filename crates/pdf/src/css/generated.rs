use super::scan::{Kind, Token};

/// Layers of one declaration that cost nothing worth counting.
const FREE_LAYERS: usize = 8;

/// What a declaration adds to each element that it applies to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Generated {
    /// Whether it is a custom property: it adds nothing by itself, but others may refer to it.
    pub(crate) custom: bool,
    /// Bytes of quoted texts, where they are shown.
    pub(crate) text: usize,
    /// Attributes that are shown.
    pub(crate) attributes: Vec<String>,
    /// References to custom properties.
    pub(crate) references: usize,
    /// Parts between commas, as the layers of a background, beyond the usual few.
    pub(crate) layers: usize,
}

/// Weighs a declaration, given without what ends it.
pub(super) fn weigh(declaration: &[Token<'_>]) -> Generated {
    let solid: Vec<_> = declaration.iter().filter(|token| !token.is_blank()).collect();
    let named = solid.first().filter(|_| solid.get(1).is_some_and(|token| token.is_mark(':')));
    let property = named.map(|token| token.content().to_ascii_lowercase());
    let custom = property.as_ref().is_some_and(|name| name.starts_with("--"));
    // What has no name is a piece of something, which may be shown.
    let shown = property.as_ref().is_none_or(|name| name == "content" || custom);
    let mut generated = Generated { custom, ..Generated::default() };
    let (mut depth, mut commas) = (0_usize, 0);
    for (place, token) in solid.iter().enumerate() {
        match token.text {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            "," if depth == 0 => commas += 1,
            _ if token.is_word("var") && (shown || custom) => generated.references += 1,
            _ if token.kind == Kind::Text && shown => generated.text += token.text.len().saturating_sub(2),
            _ if token.is_word("attr") && shown => {
                generated
                    .attributes
                    .extend(solid.get(place + 2).map(|name| name.content().to_ascii_lowercase()));
            }
            _ => {}
        }
    }
    generated.layers = (commas + 1_usize).saturating_sub(FREE_LAYERS);
    generated
}

#[cfg(test)]
mod tests {
    use super::super::scan::scan;
    use super::*;

    #[test]
    fn what_is_shown_is_weighed() {
        let weighed = |css: &str| weigh(&scan(css));
        let content = weighed("content: 'abc' attr( HREF ) counter(a) \"de\" var(--x)");
        let expected =
            Generated { text: 5, attributes: vec!["href".into()], references: 1, ..Generated::default() };
        assert_eq!(content, expected);
        assert_eq!(weighed("c\\6fntent: 'abc'").text, 3);
        assert_eq!(weighed("font-family: 'abc', var(--x)"), Generated::default());
        assert_eq!(
            weighed("--x: 'abc' var(--y)"),
            Generated { custom: true, text: 3, references: 1, ..Generated::default() }
        );
        assert_eq!(weighed(&format!("box-shadow: {}", ["0 rgb(1,2,3)"; 11].join(","))).layers, 3);
    }
}
