//! Nothing half done stays: no notes to oneself, no tests that are switched off, no lint silenced without a reason.

use super::Complaint;
use super::house::{House, line_of};

/// What marks unfinished work. Each is written in two parts, so that this list does not find itself.
const MARKS: &[(&str, &str)] = &[
    (concat!("to", "do!"), "write it, or take the way to it out"),
    (concat!("unim", "plemented!"), "write it, or take the way to it out"),
    (concat!("FIX", "ME"), "mend it, or open an issue and say what is true today"),
    (concat!("X", "XX"), "mend it, or open an issue and say what is true today"),
    (concat!("#[", "ignore"), "make the test pass, or take it out; a test that does not run proves nothing"),
    (concat!("db", "g!"), "take it out, or write a tracing event"),
];

/// No marks of unfinished work in Rust files, and every silenced lint has a reason.
pub(super) fn check(house: &House) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for (path, text) in house.texts_of(&["rs"]) {
        for (mark, mend) in MARKS {
            for at in words(text, mark) {
                complaints.push(Complaint::new(
                    format!("{path}:{}", line_of(text, at)),
                    format!("`{mark}`"),
                    *mend,
                ));
            }
        }
        for (at, level) in silenced(text) {
            complaints.push(Complaint::new(
                format!("{path}:{}", line_of(text, at)),
                format!("`{level}` without a reason"),
                "write `#[expect(lint, reason = \"…\")]`",
            ));
        }
    }
    complaints
}

/// Where a word stands by itself.
fn words<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).map(|(at, _)| at).filter(move |&at| {
        let before = text[..at].ends_with(part) && word.starts_with(part);
        let after = text[at + word.len()..].starts_with(part) && word.ends_with(part);
        !before && !after
    })
}

/// The attributes that silence a lint and do not say why.
fn silenced(text: &str) -> Vec<(usize, &'static str)> {
    let mut found = Vec::new();
    for level in ["allow", "expect"] {
        for (at, _) in text.match_indices(&format!("[{level}(")) {
            let attribute = text[at..].split_once(")]").map_or(&text[at..], |(attribute, _)| attribute);
            if text[..at].ends_with(['#', '!']) && !attribute.contains("reason = ") {
                found.push((at, level));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let complaints = check(&House::of(&[("a.rs", text)]));
        complaints.into_iter().map(|complaint| format!("{} {}", complaint.place, complaint.found)).collect()
    }

    #[test]
    fn every_mark_is_found_with_its_line() {
        for (mark, _) in MARKS {
            assert_eq!(found(&format!("//\n{mark}\n")), [format!("a.rs:2 `{mark}`")]);
        }
    }

    #[test]
    fn a_mark_inside_a_word_is_none() {
        assert_eq!(found(&format!("mktemp {}{}", MARKS[3].0, MARKS[3].0)), [] as [&str; 0]);
        assert_eq!(found(&format!("my_{}", MARKS[0].0)), [] as [&str; 0]);
    }

    #[test]
    fn a_silenced_lint_needs_a_reason() {
        for level in ["allow", "expect"] {
            assert_eq!(
                found(&format!("#[{level}(dead_code)]\n")),
                [format!("a.rs:1 `{level}` without a reason")]
            );
            assert_eq!(found(&format!("#![{level}(\n    dead_code\n)]\n")).len(), 1);
            assert_eq!(
                found(&format!("#[{level}(dead_code, reason = \"made by a macro\")]\n")),
                [] as [&str; 0]
            );
        }
    }
}
