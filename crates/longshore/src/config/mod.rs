//! The configuration: defaults, then `longshore.toml`, then variables, then flags; all mistakes told at once.

mod bytes;
mod kind;
mod layer;
mod mistake;
mod nearest;
mod settings;
mod value;

pub(crate) use layer::{Flag, Sources};
pub(crate) use mistake::Mistakes;
pub(crate) use settings::Settings;
pub(crate) use value::{Origin, Value};

use std::collections::BTreeMap;

use kind::KEYS;
use mistake::Mistake;

/// The defaults and the manual.
pub(crate) const MANUAL: &str = include_str!("../../config.default.toml");

/// Every key with its value and where that comes from.
#[derive(Debug)]
pub(crate) struct Effective(BTreeMap<&'static str, (Value, Origin)>);

impl Effective {
    /// Reads all layers, the weakest first, so that the strongest one stays.
    pub(crate) fn read(sources: &Sources) -> Result<Self, Mistakes> {
        let mut mistakes = Vec::new();
        let mut values = BTreeMap::new();
        for (name, raw, origin) in layer::all(sources, &mut mistakes) {
            let Some(key) = KEYS.iter().find(|key| key.name == name) else {
                mistakes.push(Mistake::unknown(&name, &raw, origin));
                continue;
            };
            match key.kind.read(&raw) {
                Ok(value) => drop(values.insert(key.name, (value, origin))),
                Err(expected) => mistakes.push(Mistake::new(key.name, origin, expected, raw.shown())),
            }
        }
        if mistakes.is_empty() { Ok(Self(values)) } else { Err(Mistakes(mistakes)) }
    }

    /// In the order of the manual.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (&'static str, &Value, &Origin)> {
        KEYS.iter().filter_map(|key| self.0.get(key.name).map(|(value, origin)| (key.name, value, origin)))
    }

    fn value(&self, name: &str) -> &Value {
        &self.0.get(name).expect("the manual has a value for every key").0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(sources: &Sources) -> String {
        Effective::read(sources).unwrap_err().to_string()
    }

    #[test]
    fn the_manual_has_every_key_in_order_and_says_what_it_means() {
        let defaults = Effective::read(&Sources::default()).unwrap();
        let shown: Vec<&str> = defaults.rows().map(|(name, ..)| name).collect();
        assert_eq!(shown.len(), KEYS.len());
        let keys =
            MANUAL.lines().filter_map(|line| line.split_once(" = ")).filter(|(key, _)| !key.starts_with('#'));
        assert_eq!(keys.map(|(key, _)| key).collect::<Vec<_>>(), shown);
        let undocumented = MANUAL.split("\n\n").find(|part| !part.starts_with('#'));
        assert_eq!(undocumented, None);
    }

    #[test]
    fn a_stronger_layer_wins_and_is_named() {
        let sources = Sources {
            file: Some(("here.toml".into(), "lease = \"1m\"\nscan_interval = 2".into())),
            environment: vec![("LONGSHORE_LEASE".into(), "2m".into()), ("PATH".into(), "x".into())],
            flags: vec![Flag::new("store", "--store", "memory:")],
        };
        let effective = Effective::read(&sources).unwrap();
        let row = |key| {
            effective.rows().find(|row| row.0 == key).map(|row| format!("{} {}", row.1, row.2)).unwrap()
        };
        assert_eq!(row("lease"), "2m LONGSHORE_LEASE");
        assert_eq!(row("scan_interval"), "2s here.toml:2");
        assert_eq!(row("store"), "memory: --store");
        assert_eq!(row("files"), "longshore-files default");
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let sources = Sources {
            file: Some(("a.toml".into(), "lease = \"soon\"\n\nleese = 3\nworker_queues = 4".into())),
            environment: vec![
                ("LONGSHORE_LISEN".into(), "x".into()),
                ("LONGSHORE_LOG_FORMAT".into(), "xml".into()),
            ],
            flags: vec![Flag::new("worker_concurrency", "--concurrency", "0")],
        };
        let told = read(&sources);
        for part in [
            "6 mistakes in the configuration",
            "lease (a.toml:1): expected a duration",
            "got soon",
            "leese (a.toml:3): expected a known key, got leese; did you mean lease?",
            "worker_queues (a.toml:4): expected a list of queue names",
            "LONGSHORE_LISEN: expected a known variable, got LONGSHORE_LISEN; did you mean LONGSHORE_LISTEN?",
            "log_format (LONGSHORE_LOG_FORMAT): expected text or json, got xml",
            "worker_concurrency (--concurrency): expected a whole number from 1 to 10000, got 0",
        ] {
            assert!(told.contains(part), "{part}\nin\n{told}");
        }
    }

    #[test]
    fn the_promised_name_of_the_time_limit_is_accepted_and_ours_goes_before_it() {
        let alias = ("ASYNC_PDF_MAX_GENERATION_TIME".to_owned(), "120".to_owned());
        let mut sources = Sources { environment: vec![alias], ..Sources::default() };
        assert_eq!(Settings::of(&Effective::read(&sources).unwrap()).pdf_time_max.as_secs(), 120);
        sources.environment.push(("LONGSHORE_PDF_TIME_MAX".into(), "9".into()));
        assert_eq!(Settings::of(&Effective::read(&sources).unwrap()).pdf_time_max.as_secs(), 9);
    }

    #[test]
    fn a_file_that_is_no_toml_is_one_mistake() {
        let sources = Sources { file: Some(("a.toml".into(), "store = ".into())), ..Sources::default() };
        assert!(read(&sources).contains("a.toml:1"), "{}", read(&sources));
    }
}
