use std::path::PathBuf;

use longshore_core::Invalid;

/// What an answered write survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Synchronous {
    /// A power failure: every commit is synced to the disk before it is answered.
    #[default]
    Full,
    /// `kill -9`. A power failure may take the last moments, but leaves the file sound.
    Normal,
}

impl Synchronous {
    pub(crate) const fn pragma(self) -> &'static str {
        match self {
            Self::Full => "FULL",
            Self::Normal => "NORMAL",
        }
    }
}

/// Where the file is and how it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqliteConfig {
    /// The database file. Created if it does not exist; its folder must exist.
    pub path: PathBuf,
    /// What an answered write survives.
    pub synchronous: Synchronous,
}

impl SqliteConfig {
    /// A file with the default settings.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), synchronous: Synchronous::default() }
    }

    /// Reads `sqlite:path.db` or `sqlite:path.db?synchronous=normal`.
    pub fn from_url(url: &str) -> Result<Self, Invalid> {
        let wrong =
            |got: &str| Invalid::new("store", "sqlite:PATH or sqlite:PATH?synchronous=full|normal", got);
        let rest = url.strip_prefix("sqlite:").ok_or_else(|| wrong(url))?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        // Both sqlite:path and sqlite://path are in use for a path.
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() {
            return Err(wrong(url));
        }
        let mut config = Self::new(path);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            config.synchronous = match &*pair.to_ascii_lowercase() {
                "synchronous=full" => Synchronous::Full,
                "synchronous=normal" => Synchronous::Normal,
                _ => return Err(wrong(pair)),
            };
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_a_path_and_a_durability() {
        let config = SqliteConfig::from_url("sqlite:a/b.db?synchronous=normal").unwrap();
        assert_eq!((config.path.to_str(), config.synchronous), (Some("a/b.db"), Synchronous::Normal));
        assert_eq!(SqliteConfig::from_url("sqlite:///tmp/x.db").unwrap().path.to_str(), Some("/tmp/x.db"));
        assert_eq!(
            SqliteConfig::from_url("sqlite:x?synchronous=NORMAL").unwrap().synchronous,
            Synchronous::Normal
        );
        for url in ["sqlite:", "sqlite:x?journal=off", "redis://x"] {
            assert!(SqliteConfig::from_url(url).is_err(), "{url}");
        }
    }
}
