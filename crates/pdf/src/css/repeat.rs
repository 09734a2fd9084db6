use super::scan::{Token, scan};

/// Properties that show a picture once.
const SINGLE: [&str; 4] = ["content", "list-style", "list-style-image", "cursor"];

/// Whether the picture of a declaration is repeated, as backgrounds are unless each layer says otherwise.
///
/// Given are the tokens from the name of the property to the end of the sheet at most.
pub(super) fn is_repeated(declaration: &[Token<'_>]) -> bool {
    let Some(property) = declaration.iter().find(|token| !token.is_blank()) else { return true };
    let property = property.content().to_ascii_lowercase();
    !SINGLE.contains(&property.as_str()) && !each_layer_is_single(declaration)
}

/// Whether a sheet may repeat a background whose own declaration says that it shall not be.
pub(crate) fn repeats(css: &str) -> bool {
    let tokens = scan(css);
    tokens.iter().enumerate().any(|(place, token)| {
        let name = token.content().to_ascii_lowercase();
        name.starts_with("background-repeat") && !each_layer_is_single(&tokens[place..])
    })
}

fn each_layer_is_single(declaration: &[Token<'_>]) -> bool {
    let (mut depth, mut layers, mut single) = (0_usize, 1, 0);
    for token in declaration {
        match token.text {
            ";" | "}" | "{" if depth == 0 => break,
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            "," if depth == 0 => layers += 1,
            _ if depth == 0 && token.is_word("no-repeat") => single += 1,
            _ => {}
        }
    }
    single >= layers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_layer_has_to_be_single() {
        for (css, expected) in [
            ("background: url(a)", true),
            ("background: url(a) no-repeat; x: y", false),
            ("background: url(a); background-repeat: no-repeat", true),
            ("background: url(a) no-repeat, url(b)", true),
            ("background: rgb(1,2,3) url(a) no-repeat", false),
            ("content: url(a)", false),
            ("--a: url(a)", true),
        ] {
            assert_eq!(is_repeated(&scan(css)), expected, "{css}");
        }
    }

    #[test]
    fn a_repeat_in_another_place_is_found() {
        assert!(!repeats("a{background-repeat:no-repeat;background:url(x) no-repeat}"));
        assert!(repeats("a{background-repeat:repeat}"));
        assert!(repeats("a{b\\61 ckground-Repeat-x:var(--a)}"));
    }
}
