//! What the rules look at: the files of the repository and the crates of the workspace, read once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::step::cargo;

/// The files and crates of the repository.
#[derive(Debug, Default)]
pub struct House {
    files: BTreeMap<String, Option<String>>,
    pub(super) crates: Vec<Crate>,
}

/// A crate of the workspace, as cargo sees it.
#[derive(Clone, Debug, Default)]
pub(super) struct Crate {
    pub(super) name: String,
    /// Its folder, from the root.
    pub(super) folder: String,
    pub(super) needs: Vec<Dependency>,
}

/// A dependency of a crate of ours.
#[derive(Clone, Debug, Default)]
pub(super) struct Dependency {
    pub(super) name: String,
    /// Whether only tests, examples and benches see it.
    pub(super) dev: bool,
    pub(super) default_features: bool,
    pub(super) features: Vec<String>,
}

impl House {
    /// Reads the repository at `root`: what git tracks or would track.
    pub fn open(root: &Path) -> anyhow::Result<Self> {
        let mut files = BTreeMap::new();
        for path in paths(root)? {
            // A file that is tracked but deleted is on its way out.
            if let Ok(bytes) = fs::read(root.join(&path)) {
                files.insert(path, text(bytes));
            }
        }
        Ok(Self { files, crates: crates(root)? })
    }

    /// The text of a file; none when it does not exist or is not text.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path)?.as_deref()
    }

    /// Every text file, by path.
    pub(super) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().filter_map(|(path, text)| Some((path.as_str(), text.as_deref()?)))
    }

    /// Every text file with one of these endings.
    pub(super) fn texts_of(&self, endings: &[&str]) -> impl Iterator<Item = (&str, &str)> {
        self.texts()
            .filter(move |(path, _)| path.rsplit_once('.').is_some_and(|(_, end)| endings.contains(&end)))
    }

    /// Whether there is a file or a folder at this path.
    pub(super) fn has(&self, path: &str) -> bool {
        let folder = format!("{path}/");
        path.is_empty()
            || self.files.contains_key(path)
            || self.files.range(folder.clone()..).next().is_some_and(|(next, _)| next.starts_with(&folder))
    }
}

#[cfg(test)]
impl House {
    /// A sample of files.
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), Some((*text).to_owned()))).collect();
        Self { files, crates: Vec::new() }
    }

    /// With a crate that has these dependencies, all of them normal.
    pub(super) fn with(mut self, name: &str, folder: &str, needs: &[&str]) -> Self {
        let needs =
            needs.iter().map(|&name| Dependency { name: name.to_owned(), ..Dependency::default() }).collect();
        self.crates.push(Crate { name: name.to_owned(), folder: folder.to_owned(), needs });
        self
    }
}

/// The number of the line in which a byte of a text stands.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

fn text(bytes: Vec<u8>) -> Option<String> {
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

fn paths(root: &Path) -> anyhow::Result<BTreeSet<String>> {
    let git = Command::new("git")
        // A clone that belongs to another user is read all the same.
        .args(["-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output();
    match git {
        Ok(git) if git.status.success() => {
            let list = String::from_utf8(git.stdout).context("a path in the repository is not UTF-8")?;
            Ok(list.split_terminator('\0').map(str::to_owned).collect())
        }
        // Without git, as in an unpacked archive: everything but what is built.
        _ => {
            let mut found = BTreeSet::new();
            walk(root, "", &mut found)?;
            Ok(found)
        }
    }
}

fn walk(root: &Path, folder: &str, found: &mut BTreeSet<String>) -> anyhow::Result<()> {
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
        if entry.file_type()?.is_file() {
            found.insert(path);
        } else if entry.file_type()?.is_dir() && path != "target" && path != ".git" {
            walk(root, &path, found)?;
        }
    }
    Ok(())
}

fn crates(root: &Path) -> anyhow::Result<Vec<Crate>> {
    let output = cargo()
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(root)
        .output()
        .context("could not start `cargo metadata`")?;
    ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let root = metadata["workspace_root"].as_str().context("cargo metadata named no workspace_root")?;
    let packages = metadata["packages"].as_array().context("cargo metadata named no packages")?;
    packages.iter().map(|package| read_crate(root, package)).collect()
}

fn read_crate(root: &str, package: &Value) -> anyhow::Result<Crate> {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let manifest = word(&package["manifest_path"]);
    let folder = Path::new(&manifest).parent().context("a manifest without a folder")?;
    let needs = package["dependencies"].as_array().context("a package without dependencies")?;
    Ok(Crate {
        name: word(&package["name"]),
        folder: folder.strip_prefix(root)?.to_string_lossy().into_owned(),
        needs: needs
            .iter()
            .map(|need| Dependency {
                name: word(&need["name"]),
                dev: need["kind"] == "dev",
                default_features: need["uses_default_features"] == true,
                features: need["features"].as_array().into_iter().flatten().map(word).collect(),
            })
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_its_own_repository() {
        let house = House::open(crate::root()).unwrap();
        assert!(house.text("xtask/src/tidy/house.rs").is_some());
        assert!(house.has("xtask/src") && house.has("Cargo.toml") && !house.has("xtask/sr"));
        let core = house.crates.iter().find(|krate| krate.name == "longshore-core").unwrap();
        assert_eq!(core.folder, "crates/core");
        assert!(core.needs.iter().any(|need| need.name == "serde" && !need.dev));
        assert!(core.needs.iter().any(|need| need.dev));
    }

    #[test]
    fn without_git_what_is_built_is_left_out() {
        let mut found = BTreeSet::new();
        walk(crate::root(), "", &mut found).unwrap();
        assert!(found.contains("xtask/src/tidy/house.rs"));
        assert!(!found.iter().any(|path| path.starts_with("target/") || path.starts_with(".git/")));
    }

    #[test]
    fn what_is_not_text_has_none() {
        assert_eq!(text(vec![0xff, 0xfe]), None);
        assert_eq!(text(b"a\0b".to_vec()), None);
        assert_eq!(text(b"ab".to_vec()).as_deref(), Some("ab"));
    }
}
