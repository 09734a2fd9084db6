//! Says what is wrong with JSON or a query in our own words: field, expected, got.

use longshore_core::Invalid;

/// Turns the error of a deserialiser at `path` (`.` is the top) into a refusal that names the field.
pub(crate) fn explain(path: &str, error: &str) -> Invalid {
    let error = without_place(error);
    let at = known_part(path);
    let inside = |name: &str| match at {
        "" => name.to_owned(),
        at if at == name || at.ends_with(&format!(".{name}")) => at.to_owned(),
        at => format!("{at}.{name}"),
    };
    let here = || if at.is_empty() { "body".to_owned() } else { at.to_owned() };
    if let Some((name, expected)) = quoted(error, "unknown field ") {
        let expected = expected.replace("there are no fields", "no field at all");
        return Invalid::new(inside(name), expected.replace('`', ""), "an unknown field")
            .code("unknown_field");
    }
    if let Some((name, _)) = quoted(error, "missing field ") {
        return Invalid::new(inside(name), "a value", "nothing").code("missing_field");
    }
    if let Some((name, _)) = quoted(error, "duplicate field ") {
        return Invalid::new(inside(name), "one value", "several").code("duplicate_field");
    }
    if let Some((name, expected)) = quoted(error, "unknown variant ") {
        return Invalid::new(here(), expected.replace('`', ""), format!("{name:?}"));
    }
    for known in ["invalid type: ", "invalid value: ", "invalid length "] {
        if let Some((got, expected)) =
            error.strip_prefix(known).and_then(|rest| rest.rsplit_once(", expected "))
        {
            return Invalid::new(here(), plain(expected), plain(got));
        }
    }
    // Our own words, told through the deserialiser.
    let ours = error.strip_prefix("expected ").or_else(|| Some(error.split_once(": expected ")?.1));
    if let Some((expected, got)) = ours.and_then(|words| words.split_once(", got ")) {
        return Invalid::new(here(), expected, got).code(code_of(at));
    }
    if error == "number out of range" {
        return Invalid::new(here(), "a number that 64 bits can hold", "a larger one");
    }
    // What is left are words of ours about what a value may be.
    Invalid::new(here(), error.strip_prefix("expected ").unwrap_or(error), "something else")
}

/// What is wrong with a value whose words are ours, by the field it stands in. The deserialiser keeps only the words.
fn code_of(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("id") => "invalid_id",
        Some("queue" | "kind" | "name") => "invalid_name",
        Some(parent) if parent.starts_with("depends_on[") => "invalid_id",
        Some("cron") => "invalid_cron",
        Some("timezone") => "invalid_timezone",
        _ => "invalid",
    }
}

/// Text that is no JSON at all.
pub(crate) fn not_json(path: &str, error: &serde_json::Error) -> Invalid {
    let text = error.to_string();
    if without_place(&text) == "number out of range" {
        return explain(path, &text);
    }
    let field = Some(known_part(path)).filter(|path| !path.is_empty()).unwrap_or("body");
    let (line, column) = (error.line(), error.column());
    let got = format!("a mistake in line {line}, column {column}: {}", without_place(&text));
    Invalid::new(field, "one JSON text", got).code("invalid_json")
}

/// The path as far as it was read; where it is unclear it ends with a question mark.
fn known_part(path: &str) -> &str {
    path.trim_end_matches(['.', '?'])
}

fn without_place(error: &str) -> &str {
    error.rsplit_once(" at line ").map_or(error, |(error, _)| error)
}

/// The name between backquotes after `beginning`, and what was expected instead.
fn quoted<'a>(error: &'a str, beginning: &str) -> Option<(&'a str, &'a str)> {
    let (name, rest) = error.strip_prefix(beginning)?.strip_prefix('`')?.split_once('`')?;
    Some((name, rest.trim_start_matches(", ").trim_start_matches("expected ")))
}

/// The words of the deserialiser as callers say them.
fn plain(words: &str) -> &str {
    match words {
        "sequence" | "a sequence" => "an array",
        "map" | "a map" => "an object",
        "a string" => "a text",
        "a boolean" => "true or false",
        "u32" | "u64" | "usize" => "a whole number, not negative",
        words => {
            let of_sort = |sort: &str| words.strip_prefix(sort);
            let value = ["string ", "integer ", "floating point ", "boolean "].into_iter().find_map(of_sort);
            value.unwrap_or(words).trim_matches('`')
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_field_expected_and_got() {
        for (path, error, said) in [
            (
                "[3]",
                "unknown field `colour`, expected one of `kind`, `queue` at line 1 column 9",
                "[3].colour: expected one of kind, queue, got an unknown field",
            ),
            (
                "a",
                "unknown field `b`, there are no fields",
                "a.b: expected no field at all, got an unknown field",
            ),
            (".", "missing field `kind` at line 1 column 2", "kind: expected a value, got nothing"),
            (".", "duplicate field `kind`", "kind: expected one value, got several"),
            (
                "tags",
                "invalid type: map, expected a sequence at line 1 column 2",
                "tags: expected an array, got an object",
            ),
            (
                "[0].queue",
                "queue: expected 1 to 128 bytes, got \", got \" at line 1 column 7",
                "[0].queue: expected 1 to 128 bytes, got \", got \"",
            ),
            (
                "priority",
                "number out of range",
                "priority: expected a number that 64 bits can hold, got a larger one",
            ),
            (".", "what is this", "body: expected what is this, got something else"),
        ] {
            let told = explain(path, error).to_string();
            assert_eq!(told, said);
        }
    }
}
