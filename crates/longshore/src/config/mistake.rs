use std::fmt;

use super::kind::Key;
use super::layer::{PREFIX, variable};
use super::nearest::nearest;
use super::value::{Origin, Raw};

/// One thing that is wrong with the configuration.
#[derive(Debug)]
pub(crate) struct Mistake {
    key: String,
    origin: Option<Origin>,
    expected: String,
    got: String,
    hint: Option<String>,
}

/// Everything that is wrong with it.
#[derive(Debug)]
pub(crate) struct Mistakes(pub(super) Vec<Mistake>);

impl Mistake {
    pub(super) fn new(
        key: &str,
        origin: Origin,
        expected: impl Into<String>,
        got: impl Into<String>,
    ) -> Self {
        Self {
            key: key.to_owned(),
            origin: Some(origin),
            expected: expected.into(),
            got: got.into(),
            hint: None,
        }
    }

    /// A key that does not exist.
    pub(super) fn unknown(name: &str, short: &str, keys: &[Key], raw: &Raw, origin: Origin) -> Self {
        let keys = || keys.iter().map(|key| key.name);
        if let Origin::Variable(given) = &origin
            && short == name
        {
            let short = given.strip_prefix(PREFIX).unwrap_or(given).to_lowercase();
            let hint = nearest(&short, keys()).map(variable);
            let (key, got) = (given.clone(), given.clone());
            return Self { key, origin: None, expected: "a known variable".into(), got, hint };
        }
        let hint = nearest(short, keys()).map(ToOwned::to_owned);
        // A whole table is shown by its name, whatever stands in it.
        let expected = if matches!(raw, Raw::Other("table")) {
            "a known key, and no tables but [queues.NAME] and [kinds.NAME], with a NAME that has dots in quotes"
        } else {
            "a known key"
        };
        Self { hint, ..Self::new(name, origin, expected, name) }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)?;
        if let Some(origin) = &self.origin {
            write!(f, " ({origin})")?;
        }
        write!(f, ": expected {}, got {}", self.expected, self.got)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, "; did you mean {hint}?"))
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        write!(f, "{count} {} in the configuration", if count == 1 { "mistake" } else { "mistakes" })?;
        self.0.iter().try_for_each(|mistake| write!(f, "\n  {mistake}"))
    }
}

impl std::error::Error for Mistakes {}
