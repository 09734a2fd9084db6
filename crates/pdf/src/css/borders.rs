use super::blocks::{Declaration, declaration, walk, written};
use super::scan::{Kind, Token};
use super::sheet::Whole;

const STYLES: [&str; 10] =
    ["none", "hidden", "dotted", "dashed", "solid", "double", "groove", "ridge", "inset", "outset"];
const WIDTHS: [&str; 7] = ["thin", "medium", "thick", "calc", "min", "max", "clamp"];
const DEFAULTS: [&str; 5] = ["inherit", "initial", "unset", "revert", "revert-layer"];

/// Declarations to be added, each with the place of the token that it has to stand before.
///
/// The engine draws all sides of a box in the colour of the top border. So a rule that colours another side
/// and leaves the top alone gives its colour to the top as well.
pub(super) fn mends(tokens: &[Token<'_>], whole: Whole) -> Vec<(usize, String)> {
    let mut mends = Vec::new();
    walk(tokens, &mut |open, end| {
        if (open.len() == 1) == (whole == Whole::Attribute)
            && let Some(block) = open.last()
        {
            let parts = block.declarations.iter();
            let parts = parts.filter_map(|range| declaration(&tokens[range.clone()]));
            mends.extend(colour_for_top(parts).map(|colour| (end, format!("; border-top-color: {colour}"))));
        }
    });
    mends
}

fn colour_for_top<'t, 'a: 't>(declarations: impl Iterator<Item = Declaration<'t, 'a>>) -> Option<String> {
    let mut found: Option<String> = None;
    for declaration in declarations.filter(|one| one.name.starts_with("border")) {
        let (side, aspect) = match declaration.name.rsplit_once('-') {
            Some((side, aspect @ ("color" | "style" | "width"))) => (side, Some(aspect)),
            _ => (declaration.name.as_str(), None),
        };
        match side {
            "border" | "border-top" | "border-block" | "border-block-start"
                if aspect == Some("color") || is_visible(declaration.value) =>
            {
                return None;
            }
            "border-left"
            | "border-right"
            | "border-bottom"
            | "border-block-end"
            | "border-inline"
            | "border-inline-start"
            | "border-inline-end" => {
                let colour = match aspect {
                    Some("color") => only_colour(declaration.value),
                    None => colour_among(declaration.value),
                    Some(_) => None,
                };
                // Triangles are made of one coloured side between two transparent ones.
                let kept = |colour: &String| found.is_none() || !colour.eq_ignore_ascii_case("transparent");
                if let Some(colour) = colour.filter(kept) {
                    found = Some(if declaration.important { colour + " !important" } else { colour });
                }
            }
            _ => {}
        }
    }
    found
}

/// Whether the top may be seen, as far as the first part tells: `none`, or a width of zero.
fn is_visible(value: &[Token<'_>]) -> bool {
    let first = parts(value).first().map(|part| written(part).to_ascii_lowercase()).unwrap_or_default();
    let number = first.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    first != "none" && first != "hidden" && number.parse::<f32>() != Ok(0.0)
}

fn only_colour(value: &[Token<'_>]) -> Option<String> {
    match parts(value).as_slice() {
        [one] if is_plain(one) => Some(written(one)),
        _ => None,
    }
}

/// The colour in a shorthand: what is neither a width nor a style.
fn colour_among(value: &[Token<'_>]) -> Option<String> {
    let parts = parts(value);
    let known = parts.iter().filter(|part| is_width(part) || is_one_of(part, &STYLES)).count();
    let mut colours = parts.iter().filter(|part| !is_width(part) && !is_one_of(part, &STYLES));
    let colour = colours.next().filter(|_| colours.next().is_none())?;
    // Alone, or beside only one other part, a reference may stand for more than a colour.
    let vague = is_one_of(colour, &["var", "env"]) && known < 2;
    (is_plain(colour) && !vague && !is_one_of(colour, &DEFAULTS)).then(|| written(colour))
}

fn is_width(part: &[Token<'_>]) -> bool {
    let first = part.first().and_then(|token| token.text.chars().next());
    first.is_some_and(|first| first.is_ascii_digit() || matches!(first, '.' | '+' | '-'))
        || is_one_of(part, &WIDTHS)
}

fn is_one_of(part: &[Token<'_>], words: &[&str]) -> bool {
    part.first().is_some_and(|first| words.iter().any(|word| first.is_word(word)))
}

/// Whether this may be written a second time: a name, a number with `#`, or a function of such.
fn is_plain(part: &[Token<'_>]) -> bool {
    let known = |token: &Token<'_>| match token.kind {
        Kind::Word | Kind::Space | Kind::Comment => true,
        Kind::Mark => matches!(token.text, "#" | "(" | ")" | "," | "." | "%" | "/" | "+" | "*"),
        _ => false,
    };
    part.first().is_some_and(|first| first.kind == Kind::Word || first.is_mark('#')) && part.iter().all(known)
}

/// The parts of a value between blanks, functions as a whole. Minified sheets leave out the blank before `#`
/// and after a bracket.
fn parts<'t, 'a>(value: &'t [Token<'a>]) -> Vec<&'t [Token<'a>]> {
    let (mut parts, mut begun, mut depth) = (Vec::new(), 0, 0_usize);
    for (place, token) in value.iter().enumerate() {
        let closed = place > 0 && value[place - 1].is_mark(')');
        if depth == 0 && (token.is_blank() || token.is_mark('#') || closed) {
            parts.push(&value[begun..place]);
            begun = if token.is_blank() { place + 1 } else { place };
        }
        match token.text {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    parts.push(&value[begun..]);
    parts.retain(|part| !part.is_empty());
    parts
}

#[cfg(test)]
mod tests {
    use super::super::scan::scan;
    use super::*;

    #[test]
    fn the_top_takes_the_colour_of_the_last_other_side() {
        for (css, colour) in [
            ("border-left: 4mm solid #2f6f9f; padding: 2mm", "#2f6f9f"),
            ("border-bottom:.4pt solid#ccc", "#ccc"),
            ("border-right: solid rgb(1, 2, 3)1px", "rgb(1, 2, 3)"),
            ("border-left: red; BORDER-BOTTOM-COLOR: hsl(1 2% 3% / .5)", "hsl(1 2% 3% / .5)"),
            ("border-left: 1px solid red !important", "red !important"),
            ("border-left: 1px solid var(--a)", "var(--a)"),
            ("border-left-color: var(--a, blue)", "var(--a, blue)"),
            ("border: none; border-inline-start: thick red", "red"),
            ("border: 0px solid; border-left: 1px solid red", "red"),
            ("border-bottom: 9px solid red; border-left: 5px solid transparent", "red"),
        ] {
            let tokens = scan(css);
            let expected = vec![(tokens.len(), format!("; border-top-color: {colour}"))];
            assert_eq!(mends(&tokens, Whole::Attribute), expected, "{css}");
        }
    }

    #[test]
    fn the_top_keeps_what_the_rule_says_of_it() {
        for css in [
            "border: 1px solid #ddd; border-left: 4px solid red",
            "border-left: 4px solid red; border-color: blue",
            "border-top: 1px solid; border-left: 4px solid red",
            "border-width: 1px; border-left-color: red",
            "border-left: 4px solid",
            "border-left: 0",
            "border-left: none",
            "border-left: var(--all)",
            "border-left: inherit",
            "border-left: 1px solid red blue",
            "border-left: 1px solid url(a)",
            "border-left-width: 3px",
            "border-radius: red",
            "--border-left: 1px solid red",
        ] {
            assert_eq!(mends(&scan(css), Whole::Attribute), [], "{css}");
        }
    }

    #[test]
    fn each_rule_of_a_sheet_is_mended_by_itself() {
        let tokens = scan("a{border-left:red}@media x{b{border:1px}c{border-left-color:blue;}}");
        let ends: Vec<_> = tokens.iter().enumerate().filter(|(_, token)| token.is_mark('}')).collect();
        let expected = |end: usize, colour| (ends[end].0, format!("; border-top-color: {colour}"));
        assert_eq!(mends(&tokens, Whole::Sheet), [expected(0, "red"), expected(2, "blue")]);
        assert_eq!(mends(&scan("border-left: red"), Whole::Sheet), []);
    }
}
