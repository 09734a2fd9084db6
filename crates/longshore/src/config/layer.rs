//! Where settings come from.

use longshore_core::Fields;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::MANUAL;
use super::kind::{KEYS, TABLES, Tables};
use super::mistake::Mistake;
use super::value::{Origin, Raw};

/// What every variable of ours begins with.
pub(super) const PREFIX: &str = "LONGSHORE_";
/// Names that were promised to users of other systems.
const ALIASES: &[(&str, &str)] =
    &[("ASYNC_PDF_MAX_GENERATION_TIME", "pdf_time_max"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "otlp_endpoint")];
/// Variables of ours that are not settings.
const OTHERS: &[&str] = &["LONGSHORE_CONFIG", "LONGSHORE_CACHE_URL"];

/// A setting made on the command line.
#[derive(Clone, Debug)]
pub(crate) struct Flag {
    key: &'static str,
    name: &'static str,
    text: String,
}

impl Flag {
    pub(crate) fn new(key: &'static str, name: &'static str, text: impl Into<String>) -> Self {
        Self { key, name, text: text.into() }
    }
}

/// Everything that is said about settings, besides the defaults.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    /// The name of the file and its text.
    pub(crate) file: Option<(String, String)>,
    /// All variables, also those of others.
    pub(crate) environment: Vec<(String, String)>,
    /// What flags say.
    pub(crate) flags: Vec<Flag>,
}

type Said = (String, Raw, Origin);

/// The variable of a key.
pub(super) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.to_uppercase())
}

/// What all layers say, the weakest first.
pub(super) fn all(sources: &Sources, mistakes: &mut Vec<Mistake>) -> Vec<Said> {
    let mut said = file(MANUAL, mistakes, |_| Origin::Default);
    if let Some((name, text)) = &sources.file {
        said.extend(file(text, mistakes, |line| Origin::File(name.clone(), line)));
    }
    said.extend(environment(&sources.environment));
    for tables in TABLES {
        said.extend(named(tables, &sources.environment, mistakes));
    }
    said.extend(
        sources
            .flags
            .iter()
            .map(|flag| (flag.key.to_owned(), Raw::Text(flag.text.clone()), Origin::Flag(flag.name))),
    );
    said
}

fn environment(variables: &[(String, String)]) -> Vec<Said> {
    let said = |key: &str, name: &str, text: &str| {
        (key.to_owned(), Raw::Text(text.to_owned()), Origin::Variable(name.to_owned()))
    };
    let aliased = variables.iter().filter_map(|(name, text)| {
        let (alias, key) = ALIASES.iter().find(|(alias, _)| alias == name)?;
        Some(said(key, alias, text))
    });
    let ours = variables.iter().filter_map(|(name, text)| {
        let known =
            |name: &str| OTHERS.contains(&name) || TABLES.iter().any(|tables| tables.variable == name);
        let short = name.strip_prefix(PREFIX).filter(|_| !known(name))?;
        // Only the exact spelling is a key, so that LONGSHORE_lease is not taken for one and ignored elsewhere.
        let key =
            KEYS.iter().find(|key| key.name.to_uppercase() == short).map_or(name.as_str(), |key| key.name);
        Some(said(key, name, text))
    });
    aliased.chain(ours).collect()
}

/// What the environment says of single queues or kinds: `{"mail": {"concurrency": 3}}`.
fn named(tables: &Tables, variables: &[(String, String)], mistakes: &mut Vec<Mistake>) -> Vec<Said> {
    type Named = Fields<Fields<serde_json::Value>>;
    let Some((name, text)) = variables.iter().find(|(name, _)| name == tables.variable) else {
        return Vec::new();
    };
    let origin = Origin::Variable(name.clone());
    match serde_json::from_str::<Named>(text) {
        Ok(Fields(named)) => named
            .into_iter()
            .flat_map(|(own, Fields(keys))| {
                keys.into_iter().map(move |(key, value)| (format!("{}.{own}.{key}", tables.name), value))
            })
            .map(|(key, value)| (key, json(&value), origin.clone()))
            .collect(),
        Err(error) => {
            mistakes.push(Mistake::new(tables.name, origin, tables.example, error.to_string()));
            Vec::new()
        }
    }
}

fn json(value: &serde_json::Value) -> Raw {
    match value {
        serde_json::Value::String(text) => Raw::Text(text.clone()),
        serde_json::Value::Number(_) | serde_json::Value::Bool(_) => Raw::Text(value.to_string()),
        _ => Raw::Other("table"),
    }
}

fn file(text: &str, mistakes: &mut Vec<Mistake>, origin: impl Fn(usize) -> Origin) -> Vec<Said> {
    let line = |at: usize| 1 + text[..at.min(text.len())].matches('\n').count();
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let at = error.span().map_or(1, |span| line(span.start));
        mistakes.push(Mistake::new("the file", origin(at), "TOML", error.message()));
    }
    let mut said: Vec<(usize, Said)> = Vec::new();
    let mut say = |above: &str, key: &Spanned<DeString<'_>>, value: &Spanned<DeValue<'_>>| {
        let at = line(key.span().start);
        said.push((at, (format!("{above}{}", key.get_ref()), raw(value.get_ref()), origin(at))));
    };
    for (key, value) in table.get_ref() {
        let is_ours = |name: &str| TABLES.iter().any(|tables| tables.name == name);
        let Some(named) = value.get_ref().as_table().filter(|_| is_ours(key.get_ref())) else {
            say("", key, value);
            continue;
        };
        let table = key.get_ref();
        for (own, value) in named {
            match value.get_ref().as_table() {
                None => say(&format!("{table}."), own, value),
                Some(keys) => {
                    keys.iter()
                        .for_each(|(key, value)| say(&format!("{table}.{}.", own.get_ref()), key, value));
                }
            }
        }
    }
    said.sort_by_key(|(at, _)| *at);
    said.into_iter().map(|(_, said)| said).collect()
}

fn raw(value: &DeValue<'_>) -> Raw {
    if let DeValue::Array(items) = value {
        let texts = items.iter().map(|item| scalar(item.get_ref())).collect::<Option<Vec<_>>>();
        return texts.map_or(Raw::Other("list of something else"), Raw::List);
    }
    scalar(value).map_or(Raw::Other(value.type_str()), Raw::Text)
}

fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.clone().into_owned()),
        DeValue::Integer(number) => {
            Some(i128::from_str_radix(number.as_str(), number.radix()).ok()?.to_string())
        }
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Boolean(yes) => Some(yes.to_string()),
        _ => None,
    }
}
