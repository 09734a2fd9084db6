use std::ops::Range;

use super::scan::{Kind, Token};

/// A block that is open: what stands before its brace, and the declarations in it so far.
#[derive(Debug, Default)]
pub(super) struct Open {
    pub(super) prelude: Range<usize>,
    pub(super) declarations: Vec<Range<usize>>,
}

/// A declaration taken apart.
#[derive(Debug)]
pub(super) struct Declaration<'t, 'a> {
    /// In small letters, escapes resolved.
    pub(super) name: String,
    /// Without blanks around it and without `!important`.
    pub(super) value: &'t [Token<'a>],
    pub(super) important: bool,
}

/// Shows each block of a well nested sheet when it closes: the open blocks, it being the last of them, and
/// the place of its closing brace.
///
/// The first of the open blocks is the sheet itself. It closes last, at the end; so does a `style` attribute,
/// which is nothing but declarations.
pub(super) fn walk(tokens: &[Token<'_>], visit: &mut dyn FnMut(&[Open], usize)) {
    let mut open = vec![Open::default()];
    let (mut begun, mut brackets) = (0, 0_usize);
    for (place, token) in tokens.iter().enumerate().filter(|(_, token)| token.kind == Kind::Mark) {
        match token.text {
            "(" | "[" => brackets += 1,
            ")" | "]" => brackets = brackets.saturating_sub(1),
            "{" if brackets == 0 => {
                open.push(Open { prelude: begun..place, ..Open::default() });
                begun = place + 1;
            }
            "}" if brackets == 0 && open.len() > 1 => {
                note(&mut open, begun..place);
                visit(&open, place);
                open.pop();
                begun = place + 1;
            }
            ";" if brackets == 0 => {
                note(&mut open, begun..place);
                begun = place + 1;
            }
            _ => {}
        }
    }
    open.truncate(1);
    note(&mut open, begun..tokens.len());
    visit(&open, tokens.len());
}

fn note(open: &mut [Open], declaration: Range<usize>) {
    if let Some(innermost) = open.last_mut().filter(|_| !declaration.is_empty()) {
        innermost.declarations.push(declaration);
    }
}

/// Takes a declaration apart; nothing if it is none.
pub(super) fn declaration<'t, 'a>(tokens: &'t [Token<'a>]) -> Option<Declaration<'t, 'a>> {
    let solid = |tokens: &[Token<'_>]| tokens.iter().position(|token| !token.is_blank());
    let name = solid(tokens)?;
    let colon = name + 1 + solid(&tokens[name + 1..])?;
    if tokens[name].kind != Kind::Word || !tokens[colon].is_mark(':') {
        return None;
    }
    let value = trimmed(&tokens[colon + 1..]);
    let (value, important) = match value.iter().rposition(|token| token.is_mark('!')) {
        Some(mark) if trimmed(&value[mark + 1..]).iter().all(|token| token.is_word("important")) => {
            (trimmed(&value[..mark]), true)
        }
        _ => (value, false),
    };
    Some(Declaration { name: tokens[name].content().to_ascii_lowercase(), value, important })
}

/// Without the blanks and comments around.
pub(super) fn trimmed<'t, 'a>(tokens: &'t [Token<'a>]) -> &'t [Token<'a>] {
    let Some(first) = tokens.iter().position(|token| !token.is_blank()) else { return &[] };
    let last = tokens.iter().rposition(|token| !token.is_blank()).unwrap_or(first);
    &tokens[first..=last]
}

/// The text of tokens as it may be written again, comments left out.
pub(super) fn written(tokens: &[Token<'_>]) -> String {
    let text = tokens.iter().map(|token| if token.kind == Kind::Comment { " " } else { token.text });
    text.collect()
}

#[cfg(test)]
mod tests {
    use super::super::scan::scan;
    use super::*;

    #[test]
    fn blocks_close_with_what_is_in_them() {
        let css = "a { b: c; d(;{): e; @media x { f: g } } h: i";
        let tokens = scan(css);
        let mut seen = Vec::new();
        walk(&tokens, &mut |open, end| {
            let last = open.last().expect("the sheet is always open");
            let names: Vec<_> = last
                .declarations
                .iter()
                .filter_map(|range| Some(declaration(&tokens[range.clone()])?.name))
                .collect();
            seen.push((open.len(), written(trimmed(&tokens[last.prelude.clone()])), names.join(","), end));
        });
        let ends: Vec<_> = tokens.iter().enumerate().filter(|(_, token)| token.is_mark('}')).collect();
        assert_eq!(
            seen,
            [
                (3, "@media x".into(), "f".into(), ends[0].0),
                (2, "a".into(), "b".into(), ends[1].0),
                (1, String::new(), "h".into(), tokens.len()),
            ]
        );
    }

    #[test]
    fn declarations_are_taken_apart() {
        let tokens = scan(" /**/ C\\6flor : red /**/ blue ! important ");
        let declaration = declaration(&tokens).expect("it is one");
        assert_eq!(
            (declaration.name.as_str(), written(declaration.value).as_str(), declaration.important),
            ("color", "red   blue", true)
        );
        assert!(super::declaration(&scan("a b")).is_none());
        assert!(super::declaration(&scan("  ")).is_none());
    }
}
