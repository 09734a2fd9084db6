//! Style sheets: those that a request names, and those that a document of a template folder links to.

use std::path::{Path, PathBuf};

use longshore_core::Invalid;

use super::config::PdfLimits;
use crate::folder::{is_plain_name, plain_file};

/// A style sheet as `(name, text)`.
pub(super) type Sheet = (String, String);

/// Finds the style sheets that a request names, without reading them.
pub(super) fn check(
    folders: &[PathBuf],
    names: &[String],
    limits: &PdfLimits,
) -> Result<Vec<PathBuf>, Invalid> {
    if names.len() > limits.css_files {
        return Err(Invalid::new("css_files", format!("at most {} names", limits.css_files), names.len())
            .code("too_many"));
    }
    let found = names.iter().enumerate().map(|(index, name)| {
        find(folders, name, limits).map_err(|(expected, got)| {
            Invalid::new(format!("css_files[{index}]"), expected, got).code("unknown_css_file")
        })
    });
    found.collect()
}

fn is_css(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("css"))
}

fn find(folders: &[PathBuf], name: &str, limits: &PdfLimits) -> Result<PathBuf, (String, String)> {
    if !is_plain_name(name) || name.contains("..") || !is_css(name) {
        return Err(("a plain file name that ends in .css".to_owned(), format!("{name:?}")));
    }
    let path = folders.iter().find_map(|folder| plain_file(folder, name));
    let path = path.ok_or_else(|| {
        (
            "the name of a style sheet beside the template or in the asset folder".to_owned(),
            format!("{name:?}"),
        )
    })?;
    let size = path.metadata().map_or(0, |meta| meta.len());
    if size > limits.css_bytes as u64 {
        return Err((
            format!("at most {} bytes in one style sheet", limits.css_bytes),
            format!("{size} bytes in {name:?}"),
        ));
    }
    Ok(path)
}

/// Reads the style sheets of a request, and those in `own` that the document or one of its sheets links to.
pub(super) fn read(
    folders: &[PathBuf],
    names: &[String],
    own: Option<&Path>,
    html: &str,
    limits: &PdfLimits,
) -> Result<Vec<Sheet>, Invalid> {
    let mut sheets = Vec::new();
    for (name, path) in names.iter().zip(check(folders, names, limits)?) {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Invalid::new("css_files", "style sheets in UTF-8", format!("{name:?}: {}", error.kind()))
        })?;
        sheets.push((name.clone(), text));
    }
    // What is linked comes before what is asked for, and brings its own links along.
    let mut linked: Vec<Sheet> = Vec::new();
    let mut candidates = own.map(names_in).unwrap_or_default();
    candidates.retain(|name| !names.contains(name));
    loop {
        let texts =
            || std::iter::once(html).chain(sheets.iter().chain(&linked).map(|(_, text)| text.as_str()));
        let Some(index) = candidates.iter().position(|name| texts().any(|text| links_to(text, name))) else {
            break;
        };
        let name = candidates.swap_remove(index);
        let path = own.and_then(|folder| find(&[folder.to_owned()], &name, limits).ok());
        if let Some(text) = path.and_then(|path| std::fs::read_to_string(path).ok()) {
            linked.push((name, text));
        }
        if linked.len() >= limits.css_files {
            break;
        }
    }
    linked.append(&mut sheets);
    Ok(linked)
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.retain(|name| is_css(name));
    names.sort_unstable();
    names
}

/// Whether a text has the name where an address stands: between quotes, brackets or an equals sign.
fn links_to(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].trim_end_matches("./").chars().next_back();
        let after = text[at + name.len()..].chars().next();
        before.is_some_and(|c| matches!(c, '"' | '\'' | '(' | '='))
            && after.is_some_and(|c| matches!(c, '"' | '\'' | ')' | '>' | '?' | '#' | ' '))
    })
}

/// A document with its style sheets inside, for whoever opens it without them.
pub(super) fn inline(html: &str, sheets: &[Sheet]) -> String {
    if sheets.is_empty() {
        return html.to_owned();
    }
    let mut styles = String::new();
    for (_, text) in sheets {
        // `</` has no meaning in CSS outside of texts, and there the backslash changes nothing.
        styles.push_str(&format!("<style>\n{}\n</style>\n", text.replace("</", "<\\/")));
    }
    let lower = html.to_ascii_lowercase();
    let at = lower.find("</head>").or_else(|| lower.find("<body")).unwrap_or(0);
    format!("{}{styles}{}", &html[..at], &html[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_told_from_prose() {
        for text in ["<link href=\"a.css\">", "<link href=a.css>", "@import './a.css';", "@import url(a.css)"]
        {
            assert!(links_to(text, "a.css"), "{text}");
        }
        for text in ["see a.css", "<link href=\"data.css\">", "<link href=\"x/a.css\">", "a.css"] {
            assert!(!links_to(text, "a.css"), "{text}");
        }
    }

    #[test]
    fn sheets_go_to_the_end_of_the_head_and_cannot_leave_it() {
        let sheets = [("a.css".to_owned(), "p::after{content:'</style>'}".to_owned())];
        let html = inline("<html><HEAD><title>x</title></HEAD><body>é", &sheets);
        assert!(
            html.contains("</title><style>\np::after{content:'<\\/style>'}\n</style>\n</HEAD>"),
            "{html}"
        );
    }
}
