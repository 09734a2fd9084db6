use unicode_normalization::UnicodeNormalization;

/// Longest name, in bytes, its extension included.
const NAME_BYTES_MAX: usize = 128;

/// A name from outside as the name of a file, with this extension (no dot); nothing if no character of it can stay.
///
/// Compatible forms become one (NFKC), folders go, blanks become `_`; of the rest only letters, digits, `.`, `_` and `-`
/// stay. No dot at either end, no `..`, no device name of Windows, at most 128 bytes. An extension `pdf`, `html` or `htm`
/// gives way to the wanted one, any other stays in front of it.
///
/// ```
/// use longshore_services::safe_name;
///
/// assert_eq!(safe_name("../../Monthly report.PDF", "pdf").as_deref(), Some("Monthly_report.pdf"));
/// assert_eq!(safe_name("...", "pdf"), None);
/// ```
pub fn safe_name(name: &str, extension: &str) -> Option<String> {
    let name: String = name.nfkc().collect();
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default().trim();
    let mut kept = String::with_capacity(last.len());
    for c in last.chars() {
        match c {
            _ if c.is_control() => {}
            _ if c.is_whitespace() => kept.push('_'),
            '.' if kept.ends_with('.') => {}
            '.' | '_' | '-' => kept.push(c),
            _ if c.is_alphanumeric() => kept.push(c),
            _ => {}
        }
    }
    let stem = without_extension(kept.trim_matches('.'));
    let room = NAME_BYTES_MAX.saturating_sub(extension.len() + 2);
    let stem = stem[..stem.floor_char_boundary(room)].trim_end_matches('.');
    if !stem.chars().any(char::is_alphanumeric) {
        return None;
    }
    let guard = if is_device(stem) { "_" } else { "" };
    Some(format!("{guard}{stem}.{extension}"))
}

fn without_extension(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((stem, extension))
            if ["pdf", "html", "htm"].iter().any(|known| extension.eq_ignore_ascii_case(known)) =>
        {
            stem.trim_end_matches('.')
        }
        _ => name,
    }
}

/// Names that Windows takes for devices, whatever their extension.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().to_ascii_uppercase();
    let numbered = |prefix: &str| {
        stem.strip_prefix(prefix)
            .is_some_and(|rest| rest.len() == 1 && rest.bytes().all(|b| b.is_ascii_digit()))
    };
    ["CON", "PRN", "AUX", "NUL"].contains(&stem.as_str()) || numbered("COM") || numbered("LPT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_what_could_harm() {
        for (name, safe) in [
            ("report", "report.pdf"),
            ("report.pdf", "report.pdf"),
            ("report.HTML", "report.pdf"),
            ("report.exe", "report.exe.pdf"),
            ("../../etc/passwd", "passwd.pdf"),
            ("..\\..\\boot.ini", "boot.ini.pdf"),
            ("a..b", "a.b.pdf"),
            (".hidden", "hidden.pdf"),
            (" two  words . ", "two__words_.pdf"),
            ("con", "_con.pdf"),
            ("Lpt1.x", "_Lpt1.x.pdf"),
            ("ﬁne\u{202e}fdp.", "finefdp.pdf"),
            ("Übersicht\r\n<2>", "Übersicht2.pdf"),
            ("\u{ff0e}\u{ff0e}\u{ff0f}up", "up.pdf"),
        ] {
            assert_eq!(safe_name(name, "pdf").as_deref(), Some(safe), "{name:?}");
        }
        for empty in ["", "...", "/", "a/", "\u{200b}", "___", "\0"] {
            assert_eq!(safe_name(empty, "pdf"), None, "{empty:?}");
        }
    }

    #[test]
    fn long_names_are_cut_at_a_character() {
        for name in ["é".repeat(500), "a".repeat(500), format!("{}.pdf", "字".repeat(90))] {
            let safe = safe_name(&name, "html").unwrap();
            assert!(safe.len() <= NAME_BYTES_MAX && safe.split('.').nth(1) == Some("html"), "{safe}");
        }
    }
}
