//! The configuration: defaults, then `longshore.toml`, then variables, then flags; all mistakes told at once.

mod bytes;
mod guard;
mod kind;
mod layer;
mod mistake;
mod nearest;
mod queue;
mod settings;
mod value;

pub(crate) use layer::{Flag, Sources};
pub(crate) use mistake::Mistakes;
pub(crate) use queue::QueueSettings;
pub(crate) use settings::Settings;
pub(crate) use value::{Origin, Value};

use std::collections::BTreeMap;
use std::time::Duration;

use kind::{KEYS, TABLES, Tables};
use mistake::Mistake;

/// The defaults and the manual.
pub(crate) const MANUAL: &str = include_str!("../../config.default.toml");

/// What is set, and where it comes from.
type Values = BTreeMap<&'static str, (Value, Origin)>;

/// A number among what was checked before.
fn count(values: &Values, key: &str) -> Option<u64> {
    match values.get(key) {
        Some((Value::Count(count), _)) => Some(*count),
        _ => None,
    }
}

/// A duration among what was checked before.
fn duration(values: &Values, key: &str) -> Option<Duration> {
    match values.get(key) {
        Some((Value::Duration(duration), _)) => Some(*duration),
        _ => None,
    }
}

/// Every key with its value and where that comes from.
#[derive(Debug)]
pub(crate) struct Effective {
    keys: Values,
    /// What is set of single queues and kinds: by the name of the tables and their own.
    named: BTreeMap<(&'static str, String), Values>,
}

impl Effective {
    /// Reads all layers, the weakest first, so that the strongest one stays.
    pub(crate) fn read(sources: &Sources) -> Result<Self, Mistakes> {
        let mut mistakes = Vec::new();
        let (mut values, mut named) = (BTreeMap::new(), BTreeMap::new());
        for (name, raw, origin) in layer::all(sources, &mut mistakes) {
            let table = table_of(&name);
            if let Some(Err(error)) = table.map(|(tables, own, _)| (tables.check)(own)) {
                mistakes.push(Mistake::new(&name, origin, error.expected, error.got));
                continue;
            }
            let (keys, short) =
                table.map_or((KEYS, name.as_str()), |(tables, _, short)| (tables.keys, short));
            let Some(key) = keys.iter().find(|key| key.name == short) else {
                mistakes.push(Mistake::unknown(&name, short, keys, &raw, origin));
                continue;
            };
            match key.kind.read(&raw) {
                Ok(value) => {
                    let values = match table {
                        None => &mut values,
                        Some((tables, own, _)) => {
                            named.entry((tables.name, own.to_owned())).or_insert_with(BTreeMap::new)
                        }
                    };
                    values.insert(key.name, (value, origin));
                }
                Err(expected) => mistakes.push(Mistake::new(&name, origin, expected, raw.shown())),
            }
        }
        for ((table, own), values) in &named {
            mistakes.extend(alone(table, own, values));
        }
        if mistakes.is_empty() { Ok(Self { keys: values, named }) } else { Err(Mistakes(mistakes)) }
    }

    /// In the order of the manual, and then what is set of single queues and kinds.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (String, &Value, &Origin)> {
        let keys = KEYS.iter().filter_map(|key| self.keys.get_key_value(key.name));
        let keys = keys.map(|(key, (value, origin))| ((*key).to_owned(), value, origin));
        keys.chain(TABLES.iter().flat_map(move |tables| {
            self.all(tables.name).flat_map(move |(own, values)| {
                let keys = tables.keys.iter().filter_map(|key| values.get_key_value(key.name));
                keys.map(move |(key, (value, origin))| {
                    (format!("{}.{own}.{key}", tables.name), value, origin)
                })
            })
        }))
    }

    /// The tables of one sort, by their own names.
    fn all(&self, table: &str) -> impl Iterator<Item = (&str, &Values)> {
        let ours = self.named.iter().filter(move |((name, _), _)| *name == table);
        ours.map(|((_, own), values)| (own.as_str(), values))
    }

    fn value(&self, name: &str) -> &Value {
        &self.keys.get(name).expect("the manual has a value for every key").0
    }
}

/// The tables, the name and the key of what is set in a table. Names may have dots in them, keys have none.
fn table_of(name: &str) -> Option<(&'static Tables, &str, &str)> {
    TABLES.iter().find_map(|tables| {
        let (own, short) = name.strip_prefix(tables.name)?.strip_prefix('.')?.rsplit_once('.')?;
        Some((tables, own, short))
    })
}

/// Keys that say nothing by themselves.
fn alone(table: &str, own: &str, values: &Values) -> Vec<Mistake> {
    let Some(tables) = TABLES.iter().find(|tables| tables.name == table) else { return Vec::new() };
    let lonely = tables.beside.iter().filter_map(|(keys, others)| {
        let (key, (value, origin)) = keys.iter().find_map(|key| values.get_key_value(key))?;
        let name = format!("{table}.{own}.{key}");
        let expected = format!("a {} beside it", others.join(" or a "));
        let is_lonely = !others.iter().any(|other| values.contains_key(other));
        is_lonely.then(|| Mistake::new(&name, origin.clone(), expected, value.to_string()))
    });
    lonely.collect()
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
        let shown: Vec<String> = defaults.rows().map(|(name, ..)| name).collect();
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
    fn every_key_works_by_file_and_by_variable_and_says_what_it_expects() {
        let defaults = Effective::read(&Sources::default()).unwrap();
        for line in MANUAL.lines().filter(|line| line.contains(" = ") && !line.starts_with('#')) {
            let (key, text) = line.split_once(" = ").unwrap();
            let (value, _) = &defaults.keys[key];
            let file = Sources { file: Some(("own.toml".into(), line.to_owned())), ..Sources::default() };
            let by_file = Effective::read(&file).unwrap();
            assert_eq!(by_file.keys[key], (value.clone(), Origin::File("own.toml".into(), 1)), "{key}");
            // Lists are JSON in a variable; texts stand without quotes.
            let text = if text.starts_with('[') { text } else { text.trim_matches('"') };
            let name = format!("LONGSHORE_{}", key.to_uppercase());
            let variable =
                Sources { environment: vec![(name.clone(), text.to_owned())], ..Sources::default() };
            let by_variable = Effective::read(&variable).unwrap();
            assert_eq!(by_variable.keys[key], (value.clone(), Origin::Variable(name.clone())), "{key}");
            // Without the beginning it is somebody else's variable.
            let plain =
                Sources { environment: vec![(key.to_uppercase(), "junk".into())], ..Sources::default() };
            assert_eq!(Effective::read(&plain).unwrap().keys[key].1, Origin::Default);
            if !matches!(value, Value::Text(_) | Value::Secret(_)) {
                let junk = Sources { environment: vec![(name, "[{junk".into())], ..Sources::default() };
                let told = read(&junk);
                assert!(told.contains(&format!("{key} (LONGSHORE_")) && told.contains("expected"), "{told}");
            }
        }
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
