//! The pages that explain the house know every room and every word in it.

use std::collections::BTreeSet;

use super::Complaint;
use super::house::House;
use super::markdown::{rows, section};

/// Every crate has a line in the rooms of ARCHITECTURE.md.
pub(super) fn rooms(house: &House) -> Vec<Complaint> {
    let page = "ARCHITECTURE.md";
    let Some(text) = house.text(page) else { return vec![missing(page, "the shape of the house")] };
    let Some(rooms) = section(text, "rooms") else {
        return vec![Complaint::new(
            page,
            "no heading speaks of rooms",
            "list the crates below `## The rooms`",
        )];
    };
    let named: BTreeSet<&str> = rooms.lines().filter_map(first_word).flat_map(parts).collect();
    house
        .crates
        .iter()
        .filter_map(|krate| krate.folder.rsplit('/').next())
        .filter(|room| !named.contains(room))
        .map(|room| {
            Complaint::new(
                page,
                format!("the rooms know nothing of `{room}`"),
                format!("add a line that begins with `{room}/` and says what the crate is for"),
            )
        })
        .collect()
}

/// The words of each table in GLOSSARY.md are sorted, and no word is explained twice.
pub(super) fn glossary(house: &House) -> Vec<Complaint> {
    let page = "GLOSSARY.md";
    let Some(text) = house.text(page) else { return vec![missing(page, "one word for each concept")] };
    let mut complaints = Vec::new();
    let mut seen = BTreeSet::new();
    let tables = rows(text);
    if tables.is_empty() {
        complaints.push(Complaint::new(page, "there is no table", "begin one with `| word | means |`"));
    }
    for table in tables {
        let words: Vec<(usize, String)> = table
            .iter()
            .map(|row| (row.line, row.cells[0].trim_matches(['`', '*']).to_lowercase()))
            .collect();
        for pair in words.windows(2).filter(|pair| pair[0].1 > pair[1].1) {
            complaints.push(Complaint::new(
                format!("{page}:{}", pair[1].0),
                format!("`{}` stands after `{}`", pair[1].1, pair[0].1),
                "sort the table by its first column",
            ));
        }
        for (line, word) in words {
            if !seen.insert(word.clone()) {
                complaints.push(Complaint::new(
                    format!("{page}:{line}"),
                    format!("`{word}` is explained twice"),
                    "keep one row: one word, one meaning",
                ));
            }
        }
    }
    complaints
}

fn missing(page: &str, what: &str) -> Complaint {
    Complaint::new(page, "does not exist", format!("write it: {what}"))
}

/// The first word of a line, without the lines of a drawn tree or the bars of a table.
fn first_word(line: &str) -> Option<&str> {
    line.trim_start_matches(|c: char| !c.is_alphanumeric()).split_whitespace().next()
}

fn parts(word: &str) -> impl Iterator<Item = &str> {
    word.split(|c: char| !c.is_alphanumeric() && c != '-' && c != '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOMS: &str = "\
# The house\n\n## The rooms\n\n```\nlongshore/\n├─ crates/\n│  ├─ clock/   time\n\
│  ├─ stores/{memory,sqlite}\n└─ xtask/   chores\n```\n\n## Later\n\ncore is told of elsewhere\n";

    fn house(page: &str, text: &str) -> House {
        House::of(&[(page, text)])
    }

    #[test]
    fn a_crate_without_a_line_is_named() {
        let house = house("ARCHITECTURE.md", ROOMS)
            .with("longshore-clock", "crates/clock", &[])
            .with("longshore-sqlite", "crates/stores/sqlite", &[])
            .with("xtask", "xtask", &[])
            .with("longshore-core", "crates/core", &[]);
        let found: Vec<_> = rooms(&house).into_iter().map(|complaint| complaint.found).collect();
        assert_eq!(found, ["the rooms know nothing of `core`"]);
    }

    #[test]
    fn a_page_that_is_missing_is_a_complaint() {
        assert_eq!(rooms(&House::default())[0].found, "does not exist");
        assert_eq!(glossary(&House::default())[0].found, "does not exist");
        assert!(rooms(&house("ARCHITECTURE.md", "# Nothing\n"))[0].found.contains("no heading"));
        assert_eq!(glossary(&house("GLOSSARY.md", "# Words\n"))[0].found, "there is no table");
    }

    #[test]
    fn words_are_sorted_and_explained_once() {
        let head = "| word | means |\n|---|---|\n";
        let found = |rows: &str| -> Vec<String> {
            let complaints = glossary(&house("GLOSSARY.md", &format!("{head}{rows}")));
            complaints
                .into_iter()
                .map(|complaint| format!("{} {}", complaint.place, complaint.found))
                .collect()
        };
        assert_eq!(found("| args | … |\n| `job` | … |\n"), [] as [&str; 0]);
        assert_eq!(found("| job | … |\n| args | … |\n"), ["GLOSSARY.md:4 `args` stands after `job`"]);
        assert_eq!(found("| job | … |\n| **Job** | … |\n"), ["GLOSSARY.md:4 `job` is explained twice"]);
    }
}
