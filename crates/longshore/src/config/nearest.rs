//! What somebody who mistyped a name may have meant.

/// The candidate that is fewest edits away, if it is close enough to be meant.
pub(crate) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let scored = candidates.map(|candidate| (distance(name, candidate), candidate));
    let (edits, candidate) = scored.min_by_key(|(edits, _)| *edits)?;
    (edits <= name.len().min(candidate.len()).div_ceil(3)).then_some(candidate)
}

/// Insertions, removals and replacements that turn one text into the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_mistake_is_recognised_and_a_stranger_is_not() {
        let keys = ["lease", "listen", "log_level"];
        assert_eq!(nearest("leese", keys.into_iter()), Some("lease"));
        assert_eq!(nearest("loglevel", keys.into_iter()), Some("log_level"));
        assert_eq!(nearest("redis_url", keys.into_iter()), None);
    }
}
