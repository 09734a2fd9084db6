//! Sizes as people write them.

const UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

/// Reads `16MiB`, `500 kB` or a number of bytes.
pub(super) fn parse(text: &str) -> Option<u64> {
    let text = text.trim();
    let (number, factor) = UNITS
        .iter()
        .find_map(|(unit, factor)| text.strip_suffix(unit).map(|number| (number.trim_end(), *factor)))
        .unwrap_or((text, 1));
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// Writes a size the way [`parse`] reads it.
pub(super) fn format(bytes: u64) -> String {
    let whole = UNITS.iter().find(|(_, factor)| bytes >= *factor && bytes.is_multiple_of(*factor));
    match whole {
        Some((unit, factor)) if *factor > 1 => format!("{}{unit}", bytes / factor),
        _ => bytes.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_they_are_written() {
        for (text, bytes) in
            [("16MiB", 16 << 20), ("500 kB", 500_000), ("1GiB", 1 << 30), ("77", 77), ("3B", 3)]
        {
            assert_eq!(parse(text), Some(bytes), "{text}");
            assert_eq!(parse(&format(bytes)), Some(bytes));
        }
        for text in ["", "MiB", "1.5MiB", "-1", "99999999999GiB", "1 mib"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
