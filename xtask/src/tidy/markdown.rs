//! As much of Markdown as the rules need.

/// A row of a table.
pub(super) struct Row<'a> {
    pub(super) line: usize,
    pub(super) cells: Vec<&'a str>,
}

/// What stands below the first heading that has this word, up to the next heading of the same level or above.
pub(super) fn section<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let mut found: Option<(usize, usize)> = None;
    for (at, line, fenced) in lines(text) {
        let level = line.chars().take_while(|&c| c == '#').count();
        if fenced || level == 0 {
            continue;
        }
        match found {
            None if line.to_lowercase().contains(word) => found = Some((at + line.len(), level)),
            Some((start, depth)) if level <= depth => return Some(&text[start..at]),
            _ => {}
        }
    }
    found.map(|(start, _)| &text[start..])
}

/// The rows of every table, without head and rule.
pub(super) fn rows(text: &str) -> Vec<Vec<Row<'_>>> {
    let mut tables: Vec<Vec<Row<'_>>> = vec![Vec::new()];
    for (number, (_, line, fenced)) in lines(text).enumerate() {
        let inside = line.trim().strip_prefix('|').filter(|_| !fenced);
        if let (Some(inside), Some(table)) = (inside, tables.last_mut()) {
            let cells = inside.trim_end_matches('|').split('|').map(str::trim).collect();
            table.push(Row { line: number + 1, cells });
        } else if tables.last().is_some_and(|table| !table.is_empty()) {
            tables.push(Vec::new());
        }
    }
    tables
        .into_iter()
        .map(|table| table.into_iter().skip(2).collect())
        .filter(|t: &Vec<_>| !t.is_empty())
        .collect()
}

/// Every link with the byte where its target begins. Code is left out.
pub(super) fn links(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (start, line, fenced) in lines(text) {
        if fenced {
            continue;
        }
        if let Some((_, target)) =
            line.split_once("]: ").filter(|_| line.starts_with('[') && !line.starts_with("[^"))
        {
            found.push((start, target));
        }
        let mut code = false;
        for (at, c) in line.char_indices() {
            code ^= c == '`';
            if !code && line[at..].starts_with("](") {
                let rest = &line[at + 2..];
                found.push((start + at + 2, rest.split_once(')').map_or(rest, |(target, _)| target)));
            }
        }
    }
    found
}

/// Every line with the byte where it begins and whether it stands in a fenced block.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str, bool)> {
    let mut at = 0;
    let mut fence: Option<&str> = None;
    text.split_inclusive('\n').map(move |whole| {
        let (start, line) = (at, whole.trim_end_matches(['\n', '\r']));
        at += whole.len();
        let mark = ["```", "~~~"].into_iter().find(|mark| line.trim_start().starts_with(mark));
        let fenced = fence.is_some() || mark.is_some();
        match (fence, mark) {
            (None, Some(_)) => fence = mark,
            (Some(open), Some(close)) if open == close => fence = None,
            _ => {}
        }
        (start, line, fenced)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_ends_at_the_next_heading_of_its_level() {
        let text = "# A\n## The rooms\none\n### more\n```\n# not a heading\n```\ntwo\n## B\nthree\n";
        let rooms = section(text, "rooms").unwrap();
        assert!(rooms.contains("one") && rooms.contains("two") && !rooms.contains("three"));
        assert_eq!(section(text, "garden"), None);
    }

    #[test]
    fn rows_are_found_table_by_table() {
        let text = "| a | b |\n|---|---|\n| c | d |\n\ntext\n\n| e |\n|---|\n| f |\n| g |\n";
        let tables = rows(text);
        assert_eq!(tables.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2]);
        assert_eq!((tables[0][0].line, tables[0][0].cells.as_slice()), (3, ["c", "d"].as_slice()));
    }

    #[test]
    fn links_are_found_and_code_is_not() {
        let text = "[a](x.md) `[b](y.md)` ![c](z.png)\n```\n[d](w.md)\n```\n[e]: v.md\n[^f]: a note\n";
        let targets: Vec<_> = links(text).into_iter().map(|(_, target)| target).collect();
        assert_eq!(targets, ["x.md", "z.png", "v.md"]);
    }
}
