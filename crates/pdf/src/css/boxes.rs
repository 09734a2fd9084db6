use super::blocks::{Declaration, Open, declaration, trimmed, walk, written};
use super::scan::{Kind, Token};

/// The attribute of elements that may become boxes of their own. Its value is [`OWN`] if the element asks for
/// it by itself, and not by a rule of a sheet.
pub(crate) const MARK: &str = "data-longshore-box";

/// See [`MARK`].
pub(crate) const OWN: &str = "own";

/// Elements that are parts of a line unless a sheet says otherwise.
pub(crate) const INLINE: [&str; 32] = [
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font",
    "i", "ins", "kbd", "label", "mark", "output", "q", "s", "samp", "small", "span", "strong", "sub", "sup",
    "time", "tt", "u", "var",
];

/// Longer rules are not followed: each is repeated with everything around it.
const LONGEST: usize = 1024;

/// Words that can stand in a background which shows nothing.
const PLAIN: [&str; 31] = [
    "none",
    "transparent",
    "inherit",
    "initial",
    "unset",
    "revert",
    "revert-layer",
    "repeat",
    "no-repeat",
    "repeat-x",
    "repeat-y",
    "space",
    "round",
    "scroll",
    "fixed",
    "local",
    "left",
    "right",
    "top",
    "bottom",
    "center",
    "cover",
    "contain",
    "auto",
    "border-box",
    "padding-box",
    "content-box",
    "text",
    "calc",
    "min",
    "max",
];

/// Pseudo-classes that paper does not know or that no part of a line has, and old names of pseudo-elements.
const ABSENT: [&str; 13] = [
    "root",
    "host",
    "hover",
    "focus",
    "active",
    "visited",
    "target",
    "focus-within",
    "focus-visible",
    "before",
    "after",
    "first-line",
    "first-letter",
];

/// A rule that makes boxes of parts of a line, or would in a browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Boxed {
    /// The name, `.class` or `#id` that all its elements have, in small letters; `*` if there is none.
    pub(crate) key: String,
    /// The rule to be added, if it has a background and the engine would not draw it.
    pub(crate) rule: Option<String>,
}

/// What a `style` attribute or a rule does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Looks {
    /// It has a background that can be seen.
    pub(crate) painted: bool,
    /// It makes a box of a part of a line by itself.
    pub(crate) boxed: bool,
}

/// The rules of a well nested sheet that make boxes of parts of a line.
///
/// The engine draws no background behind parts of a line, but it does behind an `inline-block`. So each rule
/// with a background gets a companion that says so. It holds for elements with the [`MARK`] only.
pub(super) fn rules(tokens: &[Token<'_>], take: &mut dyn FnMut(&str, Boxed)) {
    walk(tokens, &mut |open, _| {
        if let [_, around @ .., rule] = open {
            let looks = looks_of(tokens, rule);
            let conditions = (looks != Looks::default()).then(|| conditions(tokens, around)).flatten();
            if let Some(conditions) = conditions {
                selectors(&tokens[rule.prelude.clone()], &mut |selector| {
                    take_one(selector, &conditions, looks, take);
                });
            }
        }
    });
}

/// What the declarations of a `style` attribute do.
pub(super) fn looks(tokens: &[Token<'_>]) -> Looks {
    let mut looks = Looks::default();
    walk(tokens, &mut |open, _| {
        if let [attribute] = open {
            looks = looks_of(tokens, attribute);
        }
    });
    looks
}

fn looks_of(tokens: &[Token<'_>], block: &Open) -> Looks {
    let mut looks = Looks::default();
    for range in &block.declarations {
        let Some(Declaration { name, value, .. }) = declaration(&tokens[range.clone()]) else { continue };
        match name.as_str() {
            "background" | "background-color" | "background-image" => {
                looks.painted |= value.iter().any(is_paint);
            }
            "display" => {
                looks.boxed |=
                    value.iter().any(|token| token.text.to_ascii_lowercase().starts_with("inline-"));
            }
            _ => {}
        }
    }
    looks
}

fn is_paint(token: &Token<'_>) -> bool {
    let number = token.text.starts_with(|first: char| first.is_ascii_digit() || first == '-');
    match token.kind {
        Kind::Url => true,
        Kind::Mark => token.text == "#",
        Kind::Word => !number && !PLAIN.iter().any(|word| token.is_word(word)),
        _ => false,
    }
}

/// The conditions around a rule, each with its opening brace; nothing if there are others than those.
fn conditions(tokens: &[Token<'_>], around: &[Open]) -> Option<Vec<String>> {
    let mut conditions = Vec::new();
    for open in around {
        let prelude = trimmed(&tokens[open.prelude.clone()]);
        match prelude.first()?.text.to_ascii_lowercase().as_str() {
            "@media" if is_short(prelude) => {
                let swapped = prelude.iter().map(|token| super::sheet::medium(*token));
                conditions.push(swapped.collect::<String>());
            }
            "@supports" if is_short(prelude) => conditions.push(written(prelude)),
            // The added rules have a layer of their own, below all others.
            "@layer" => {}
            _ => return None,
        }
    }
    Some(conditions)
}

/// Whether a token of a selector or condition may be written again: no address, and no text that goes on.
fn is_safe(token: &Token<'_>) -> bool {
    let quote = token.text.chars().next();
    match token.kind {
        Kind::Url => false,
        Kind::Text => {
            token.text.len() > 1 && token.text.chars().last() == quote && !token.text.contains('\\')
        }
        _ => true,
    }
}

fn is_short(tokens: &[Token<'_>]) -> bool {
    let bytes: usize = tokens.iter().take(LONGEST).map(|token| token.text.len()).sum();
    tokens.len() < LONGEST && bytes < LONGEST && tokens.iter().all(is_safe)
}

/// The selectors of a rule, one by one.
fn selectors(prelude: &[Token<'_>], each: &mut dyn FnMut(&[Token<'_>])) {
    let (mut begun, mut depth) = (0, 0_usize);
    for (place, token) in prelude.iter().enumerate() {
        match token.text {
            "(" | "[" => depth += 1,
            ")" | "]" => depth = depth.saturating_sub(1),
            "," if depth == 0 => {
                each(trimmed(&prelude[begun..place]));
                begun = place + 1;
            }
            _ => {}
        }
    }
    each(trimmed(&prelude[begun..]));
}

fn take_one(selector: &[Token<'_>], conditions: &[String], looks: Looks, take: &mut dyn FnMut(&str, Boxed)) {
    let bytes: usize = conditions.iter().map(String::len).sum();
    let Some(key) = key(selector).filter(|_| is_short(selector) && bytes < LONGEST) else { return };
    let text: String =
        selector.iter().filter(|token| token.kind != Kind::Comment).map(|token| token.text).collect();
    let rule = looks.painted.then(|| {
        let open: String = conditions.iter().flat_map(|condition| [condition.as_str(), " { "]).collect();
        format!("{open}{text}[{MARK}] {{ display: inline-block }}{}\n", " }".repeat(conditions.len()))
    });
    take(&text, Boxed { key, rule });
}

/// What all elements of a selector have; nothing if it cannot be a part of a line, or is for every element.
fn key(selector: &[Token<'_>]) -> Option<String> {
    let (mut key, mut brackets, mut before) = (None::<String>, 0_usize, "");
    // What the last compound has besides names: conditions, and a name that no part of a line has.
    let (mut anything, mut foreign) = (false, false);
    for token in selector {
        match token.text {
            "(" | "[" => {
                brackets += 1;
                anything = true;
            }
            ")" | "]" => brackets = brackets.checked_sub(1)?,
            _ if brackets > 0 || token.kind == Kind::Comment => continue,
            "&" | "|" | "%" | "<" | "!" => return None,
            ":" if before == ":" => return None,
            ":" => anything = true,
            _ if before == ":" && ABSENT.iter().any(|name| token.is_word(name)) => return None,
            ">" | "+" | "~" => (key, anything, foreign) = (None, false, false),
            _ if token.kind == Kind::Space => (key, anything, foreign) = (None, false, false),
            _ if token.kind == Kind::Word && before != ":" => {
                let name = token.content().to_lowercase();
                let is_type = !matches!(before, "." | "#");
                foreign |= is_type && !INLINE.contains(&name.as_str());
                key = Some(if is_type { name } else { format!("{before}{name}") });
            }
            _ => {}
        }
        before = token.text;
    }
    let key = key.or_else(|| anything.then(|| "*".to_owned()));
    key.filter(|_| brackets == 0 && !foreign)
}

#[cfg(test)]
mod tests {
    use super::super::scan::scan;
    use super::*;

    fn taken(css: &str) -> Vec<(String, String)> {
        let mut taken = Vec::new();
        rules(&scan(css), &mut |_, boxed| taken.push((boxed.key, boxed.rule.unwrap_or_default())));
        taken
    }

    #[test]
    fn backgrounds_get_a_companion() {
        for (css, key, rule) in [
            (".st.ok { color: #fff; background: #2e8b57 }", ".ok", ".st.ok[data-longshore-box]"),
            ("td > SPAN{background-color:red}", "span", "td > SPAN[data-longshore-box]"),
            ("p #a/**/{background-image:url(x)}", "#a", "p #a[data-longshore-box]"),
            ("p [title]{background:linear-gradient(red,blue)}", "*", "p [title][data-longshore-box]"),
            (":is(a, b){background:no-repeat red}", "*", ":is(a, b)[data-longshore-box]"),
            ("@layer x{.a:not(.b){background:red}}", ".a", ".a:not(.b)[data-longshore-box]"),
        ] {
            assert_eq!(taken(css), [(key.into(), format!("{rule} {{ display: inline-block }}\n"))], "{css}");
        }
        assert_eq!(taken("td, .a, .b::before, i{background:red}").len(), 2);
        assert_eq!(
            taken("@media print{@supports (a:b){.a{background:red}}}")[0].1,
            "@media screen { @supports (a:b) { .a[data-longshore-box] { display: inline-block } }\n"
                .replace("}\n", "} }\n")
        );
    }

    #[test]
    fn what_shows_nothing_or_is_no_part_of_a_line_gets_none() {
        for css in [
            ".a{background:none}",
            ".a{background:transparent no-repeat 0 -1px}",
            ".a{background:inherit;color:red}",
            "*{background:red}",
            "p *{background:red}",
            "th{background:red}",
            "p.a{background:red}",
            "a:hover{background:red}",
            ".a:before,.a::after{background:red}",
            "@page{@top-left{background:red}}",
            "@keyframes a{from{background:red}}",
            "p{.a{background:red}}",
            ".a{b{c:d}}",
            ":root{background:red}",
            ".a[b='c\\'']{background:red}",
            ".a( {background:red} ){}",
            &format!(".a{}{{background:red}}", ":not(b)".repeat(200)),
        ] {
            assert_eq!(taken(css), [], "{css}");
        }
    }

    #[test]
    fn boxes_of_the_author_are_known_but_not_mended() {
        assert_eq!(taken(".a{display:inline-flex}"), [(".a".into(), String::new())]);
        assert_eq!(
            looks(&scan("display: Inline-Block; background: #eee")),
            Looks { painted: true, boxed: true }
        );
        assert_eq!(looks(&scan("background: none; display: inline")), Looks::default());
    }
}
