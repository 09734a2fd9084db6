//! The repository knows nothing of the machine it was written on.

use super::Complaint;
use super::house::{House, line_of};

/// Folders below the root of a machine where people keep their work.
const HOMES: &[&str] = &["root", "work", "home", "Users"];

/// No text file names an absolute path of somebody's machine.
pub(super) fn check(house: &House) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for (path, text) in house.texts() {
        for home in HOMES {
            let start = format!("/{home}/");
            for (at, _) in text.match_indices(&start).filter(|(at, _)| begins(text, *at)) {
                complaints.push(Complaint::new(
                    format!("{path}:{}", line_of(text, at)),
                    format!("`{start}…` is a path of one machine"),
                    "use a path from the repository, a temporary folder or an argument",
                ));
            }
        }
    }
    complaints
}

/// Whether a path begins here, rather than going on.
fn begins(text: &str, at: usize) -> bool {
    !text[..at].ends_with(|c: char| c.is_alphanumeric() || "._-~}*/".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_a_machine_is_named_with_its_line() {
        for home in HOMES {
            let text = format!("a\nopen(\"/{home}/me/file\")\n");
            let complaints = check(&House::of(&[("a.py", &text)]));
            assert_eq!(complaints[0].place, "a.py:2", "{home}");
        }
    }

    #[test]
    fn a_folder_of_that_name_further_down_is_fine() {
        let text = HOMES.iter().map(|home| format!("src/{home}/a ./{home}/b $X}}/{home}/c\n"));
        assert_eq!(check(&House::of(&[("a.md", &text.collect::<String>())])), []);
    }
}
