//! Files end with a newline, and lines end with what can be seen.

use super::Complaint;
use super::house::House;

/// Folders that keep what others wrote, byte for byte.
const VERBATIM: &[&str] = &["fixtures", "golden", "snapshots", "transcripts"];

/// Every text file ends with a newline; Rust, Markdown and TOML have no tabs and no blanks at the end of a line.
pub(super) fn check(house: &House) -> Vec<Complaint> {
    let ends = house.texts().filter_map(|(path, text)| {
        let open = !text.is_empty() && !text.ends_with('\n') && !verbatim(path);
        open.then(|| Complaint::new(path, "the last line has no newline", "end it with one"))
    });
    let lines =
        house.texts_of(&["rs", "md", "toml"]).filter(|(path, _)| !verbatim(path)).flat_map(|(path, text)| {
            text.split_terminator('\n').enumerate().filter_map(move |(number, line)| {
                let place = format!("{path}:{}", number + 1);
                if line.contains('\t') {
                    Some(Complaint::new(place, "a tab", "use blanks, and `\\t` in a string"))
                } else if line.ends_with(char::is_whitespace) {
                    Some(Complaint::new(place, "blanks at the end of the line", "take them away"))
                } else {
                    None
                }
            })
        });
    ends.chain(lines).collect()
}

fn verbatim(path: &str) -> bool {
    path.split('/').any(|part| VERBATIM.contains(&part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        let complaints = check(&House::of(&[(path, text)]));
        complaints.into_iter().map(|complaint| format!("{} {}", complaint.place, complaint.found)).collect()
    }

    #[test]
    fn a_file_that_does_not_end_is_found() {
        assert_eq!(found("a.sql", "select 1"), ["a.sql the last line has no newline"]);
        assert_eq!(found("a.sql", ""), [] as [&str; 0]);
    }

    #[test]
    fn tabs_and_blanks_are_found_with_their_line() {
        assert_eq!(found("a.rs", "//\n\tlet\n"), ["a.rs:2 a tab"]);
        assert_eq!(found("a.md", "one \ntwo\n"), ["a.md:1 blanks at the end of the line"]);
        assert_eq!(found("a.toml", "a = 1\r\n"), ["a.toml:1 blanks at the end of the line"]);
        assert_eq!(found("Makefile", "all:\n\tcargo build\n"), [] as [&str; 0]);
    }

    #[test]
    fn what_others_wrote_stays_as_it_is() {
        assert_eq!(found("crates/a/tests/fixtures/answer.md", "one \ntwo"), [] as [&str; 0]);
    }
}
