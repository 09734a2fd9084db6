//! Templates by name. Looked up when they are needed, so that a new one is there without a restart.

use std::fs;
use std::path::{Path, PathBuf};

use longshore_core::Invalid;

use crate::folder::{is_plain_name, plain_file, plain_path};

const FILE: &str = "template.html";
const NAME_BYTES_MAX: usize = 128;
/// Names shown when one is unknown.
const SHOWN: usize = 20;

/// A template that was found.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// Its name.
    pub(super) name: String,
    /// The folder for its style sheets and for what it includes.
    pub(super) folder: PathBuf,
    /// Its file in that folder.
    pub(super) file: String,
    /// Whether the folder is the template's own, so that all files in it are its images and fonts.
    pub(super) owns_folder: bool,
}

/// Finds a template by its name.
pub(super) fn find(root: &Path, name: &str) -> Result<Found, Invalid> {
    let refused = |got: String| Invalid::new("template_name", expected(root), got).code("unknown_template");
    let plain = is_plain_name(name) && name.len() <= NAME_BYTES_MAX && !name.contains("..");
    if !plain {
        return Err(refused(format!("{name:?}, which is not a plain name")));
    }
    if plain_file(root, &format!("{name}/{FILE}")).is_some()
        && let Some(folder) = plain_path(root, name)
    {
        return Ok(Found { name: name.to_owned(), folder, file: FILE.to_owned(), owns_folder: true });
    }
    let file = format!("{name}.html");
    match (plain_file(root, &file), root.canonicalize()) {
        (Some(_), Ok(folder)) => Ok(Found { name: name.to_owned(), folder, file, owns_folder: false }),
        _ => Err(refused(format!("{name:?}"))),
    }
}

fn expected(root: &Path) -> String {
    let names = names(root);
    if names.is_empty() {
        return "the name of a template, but the template folder has none".to_owned();
    }
    let more = if names.len() > SHOWN { ", ..." } else { "" };
    format!("one of {}{more}", names[..names.len().min(SHOWN)].join(", "))
}

/// The names of all templates, sorted.
pub(super) fn names(root: &Path) -> Vec<String> {
    let entries = fs::read_dir(root).into_iter().flatten().filter_map(Result::ok);
    let mut names: Vec<String> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let name = name.strip_suffix(".html").map(str::to_owned).unwrap_or(name);
            let is_one = is_plain_name(&name)
                && (plain_file(root, &format!("{name}/{FILE}")).is_some()
                    || plain_file(root, &format!("{name}.html")).is_some());
            is_one.then_some(name)
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}
