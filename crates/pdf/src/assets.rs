use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Gives the bytes of an image or font by its relative name, or nothing.
///
/// The renderer asks only for plain relative names (`logo.png`, `img/logo.png`): no scheme, no leading
/// slash, no `..`, no backslash, `./`, query and fragment removed, percent signs left as they are. Anything
/// else in the document is refused before it gets here. Judging the asset root is the caller's work.
#[derive(Clone, Default)]
pub struct Assets(Option<Arc<Lookup>>);

type Lookup = dyn Fn(&str) -> Option<Vec<u8>> + Send + Sync;

impl Assets {
    /// No assets: every relative name is unknown.
    pub fn none() -> Self {
        Self(None)
    }

    /// Asks `lookup` for each name, once per render and name.
    pub fn from_fn(lookup: impl Fn(&str) -> Option<Vec<u8>> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(lookup)))
    }

    pub(crate) fn get(&self, name: &str) -> Option<Vec<u8>> {
        self.0.as_ref().and_then(|lookup| lookup(name))
    }
}

impl<N: Into<String>> FromIterator<(N, Vec<u8>)> for Assets {
    fn from_iter<I: IntoIterator<Item = (N, Vec<u8>)>>(files: I) -> Self {
        let files: BTreeMap<String, Vec<u8>> = files.into_iter().map(|(name, b)| (name.into(), b)).collect();
        Self::from_fn(move |name| files.get(name).cloned())
    }
}

impl fmt::Debug for Assets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Assets(..)" } else { "Assets::none()" })
    }
}

/// What an address in the document means to us.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Address<'a> {
    Data,
    Fragment,
    Relative(&'a str),
    Refused,
}

/// Sorts an address. Only `Relative` is looked up, and only `Data` is decoded.
pub(crate) fn judge(address: &str) -> Address<'_> {
    let address = address.trim();
    if address.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:")) {
        return Address::Data;
    }
    if address.starts_with('#') {
        return Address::Fragment;
    }
    let name = address.split(['?', '#']).next().unwrap_or_default();
    let name = name.trim_start_matches("./");
    let plain = !name.is_empty()
        && name.len() <= 1024
        && !name.contains([':', '\\'])
        && !name.chars().any(char::is_control)
        && name.split('/').all(|part| !part.is_empty() && part != "..");
    if plain { Address::Relative(name) } else { Address::Refused }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_relative_names_are_looked_up() {
        assert_eq!(judge("./img/logo.png?v=2#x"), Address::Relative("img/logo.png"));
        assert_eq!(judge(" DATA:image/png;base64,AA=="), Address::Data);
        assert_eq!(judge("#top"), Address::Fragment);
        for refused in
            ["http://a/b", "//a/b", "/etc/passwd", "file:///x", "../x", "a/../b", "a\\b", "", "C:/x", "a//b"]
        {
            assert_eq!(judge(refused), Address::Refused, "{refused}");
        }
    }
}
