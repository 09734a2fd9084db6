use super::scan::{Kind, Token, scan};
use crate::fonts::{Fonts, MONO, SANS, SERIF};

/// Words that stand for a whole value and take no fallback.
const WHOLE: [&str; 11] = [
    "inherit",
    "initial",
    "unset",
    "revert",
    "revert-layer",
    "caption",
    "icon",
    "menu",
    "message-box",
    "small-caption",
    "status-bar",
];

/// Sizes that are words, after which a family begins in the shorthand.
const SIZES: [&str; 11] = [
    "xx-small",
    "x-small",
    "small",
    "medium",
    "large",
    "x-large",
    "xx-large",
    "xxx-large",
    "larger",
    "smaller",
    "normal",
];

/// Completes lists of font families so that every text finds a font.
#[derive(Debug)]
pub(crate) struct Families {
    fallback: String,
}

impl Families {
    pub(crate) fn new(fonts: &Fonts) -> Self {
        let rest = fonts.families().filter(|family| ![SANS, SERIF, MONO].contains(family));
        let names = std::iter::once(SANS).chain(rest);
        let quoted: Vec<String> =
            names.map(|name| format!("\"{}\"", name.replace(['"', '\\'], ""))).collect();
        Self { fallback: quoted.join(", ") }
    }

    /// The lowest rules of every document: what has no family at all.
    pub(crate) fn base_sheet(&self) -> String {
        format!(
            ":where(html) {{ font-family: {0} }}\n\
             :where(pre, code, kbd, samp, tt) {{ font-family: \"{MONO}\", {0} }}\n",
            self.fallback
        )
    }

    /// The value of `font-family` or `font` with generic names replaced and the fallback at its end.
    pub(crate) fn complete(&self, value: &str) -> String {
        let (list, important) = match value.rfind('!') {
            Some(place) if value[place + 1..].trim().eq_ignore_ascii_case("important") => {
                value.split_at(place)
            }
            _ => (value, ""),
        };
        let list = list.trim();
        if list.is_empty() || WHOLE.iter().any(|word| list.eq_ignore_ascii_case(word)) {
            return value.to_owned();
        }
        let mut out = String::with_capacity(value.len() + self.fallback.len() + 16);
        let tokens = scan(list);
        for (place, token) in tokens.iter().enumerate() {
            let alone = begins_family(&tokens[..place]) && ends_family(&tokens[place + 1..]);
            match generic(token).filter(|_| alone) {
                Some(family) => out.extend(["\"", family, "\""]),
                None => out.push_str(token.text),
            }
        }
        let gap = if important.is_empty() { "" } else { " " };
        format!("{out}, {}{gap}{important}", self.fallback)
    }
}

/// Whether a name may begin here: after a comma, or in the shorthand after a size. `PT Serif` is one name.
fn begins_family(before: &[Token<'_>]) -> bool {
    before.iter().rfind(|token| !token.is_blank()).is_none_or(|token| {
        token.kind == Kind::Mark
            || token.text.starts_with(|first: char| first.is_ascii_digit())
            || SIZES.iter().any(|size| token.is_word(size))
    })
}

fn ends_family(after: &[Token<'_>]) -> bool {
    after.iter().find(|token| !token.is_blank()).is_none_or(|token| token.is_mark(','))
}

fn generic(token: &Token<'_>) -> Option<&'static str> {
    if token.kind != Kind::Word {
        return None;
    }
    Some(match token.text.to_ascii_lowercase().as_str() {
        "sans-serif" | "system-ui" | "ui-sans-serif" | "ui-rounded" | "cursive" | "fantasy" | "math"
        | "emoji" => SANS,
        "serif" | "ui-serif" => SERIF,
        "monospace" | "ui-monospace" => MONO,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_completed_and_whole_values_are_not() {
        let families = Families::new(&Fonts::bundled());
        for (value, expected) in [
            ("Georgia, serif", "Georgia, \"DejaVu Serif\", \"DejaVu Sans\""),
            (
                "bold 9pt/1.4 monospace !important",
                "bold 9pt/1.4 \"DejaVu Sans Mono\", \"DejaVu Sans\" !important",
            ),
            ("var(--font)", "var(--font), \"DejaVu Sans\""),
            ("PT Serif, Arial", "PT Serif, Arial, \"DejaVu Sans\""),
            ("9pt PT Serif", "9pt PT Serif, \"DejaVu Sans\""),
            ("inherit", "inherit"),
        ] {
            assert_eq!(families.complete(value), expected, "{value}");
        }
    }
}
