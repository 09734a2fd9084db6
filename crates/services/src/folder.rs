use std::path::{Component, Path, PathBuf};

/// A plain file below `root` by its relative name, or nothing: no way out, no symlink on the way below the root.
///
/// The root itself may be a symlink; whoever configured it meant it.
pub(crate) fn plain_file(root: &Path, relative: &str) -> Option<PathBuf> {
    let path = plain_path(root, relative)?;
    path.metadata().ok()?.is_file().then_some(path)
}

/// The same for anything that exists.
pub(crate) fn plain_path(root: &Path, relative: &str) -> Option<PathBuf> {
    let relative = Path::new(relative);
    let plain = relative.components().all(|part| matches!(part, Component::Normal(_)));
    if !plain || relative.as_os_str().is_empty() {
        return None;
    }
    let path = root.canonicalize().ok()?.join(relative);
    // A symlink anywhere below the root makes the real path another one.
    (path.canonicalize().ok()? == path).then_some(path)
}

/// Whether a text can be one part of a path on every system: no separators, no hidden files, nothing odd.
pub(crate) fn is_plain_name(name: &str) -> bool {
    (1..=255).contains(&name.len())
        && !name.starts_with('.')
        && !name.chars().any(|c| c.is_control() || matches!(c, '/' | '\\' | ':'))
}
