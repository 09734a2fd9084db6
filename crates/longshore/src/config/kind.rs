//! Every key, and what it takes.

use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;
use longshore_core::limits::{DURATION_MAX, LIMIT_RATE_MAX};
use longshore_core::{Invalid, KindName, Priority, QueueName, parse_duration};

use super::bytes;
use super::value::{Raw, Value};

/// What a key takes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// The URL of a store.
    Store,
    /// The URL of a server, or none.
    Url,
    /// Something that is not shown.
    Secret,
    /// An address and a port; `optional` allows none.
    Address { optional: bool },
    /// A path; `optional` allows an empty one.
    Path { optional: bool },
    /// A whole number in a range.
    Count { min: u64, max: u64 },
    /// A size in a range.
    Bytes { min: u64, max: u64 },
    /// A size up to the one that cannot be passed; "none" is that one.
    BytesOrNone { max: u64 },
    /// A time that is at least that long.
    Duration { min: Duration },
    /// A priority.
    Priority,
    /// Names of queues.
    Queues,
    /// Networks, as an address and the length of its prefix.
    Networks,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A part of a whole, above 0 and at most 1.
    Share,
    /// A level or a filter of logs.
    Level,
}

/// A key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
}

const fn key(name: &'static str, kind: Kind) -> Key {
    Key { name, kind }
}

const fn duration(min_ms: u64) -> Kind {
    Kind::Duration { min: Duration::from_millis(min_ms) }
}

/// All keys, in the order of the manual.
pub(super) const KEYS: &[Key] = &[
    key("store", Kind::Store),
    key("api", Kind::Url),
    key("api_token", Kind::Secret),
    key("listen", Kind::Address { optional: false }),
    key("worker_concurrency", Kind::Count { min: 1, max: 10_000 }),
    key("worker_queues", Kind::Queues),
    key("lease", duration(1_000)),
    key("scan_interval", Kind::Duration { min: longshore_core::limits::SCAN_INTERVAL_MIN }),
    key("max_stalls", Kind::Count { min: 1, max: 1_000 }),
    key("stop_deadline", duration(0)),
    key("cancel_grace", duration(0)),
    key("worker_ttl", Kind::Duration { min: longshore_core::limits::WORKER_TTL_MIN }),
    key("blocking_threads", Kind::Count { min: 1, max: 100_000 }),
    key("templates", Kind::Path { optional: false }),
    key("files", Kind::Path { optional: false }),
    key("asset_root", Kind::Path { optional: true }),
    key("pdf_threads", Kind::Count { min: 0, max: 1_024 }),
    key("pdf_time_max", duration(1)),
    key("pdf_html_max", Kind::Bytes { min: 1_024, max: 7 << 20 }),
    key("pdf_pages_max", Kind::Count { min: 1, max: 100_000 }),
    key("pdf_output_max", Kind::Bytes { min: 1_024, max: 1 << 30 }),
    key("pdf_result_retention", duration(0)),
    key("max_body_bytes", Kind::Bytes { min: 1_024, max: 1 << 30 }),
    key("max_job_payload_bytes", Kind::BytesOrNone { max: longshore_core::limits::ARGS_BYTES_MAX as u64 }),
    key("max_result_bytes", Kind::BytesOrNone { max: longshore_core::limits::RESULT_BYTES_MAX as u64 }),
    key("sse_streams_max", Kind::Count { min: 0, max: 1_000_000 }),
    key("connections_max", Kind::Count { min: 1, max: 1_000_000 }),
    key("metrics_listen", Kind::Address { optional: true }),
    key("identity", Kind::OneOf(&["auto", "on", "off"])),
    key("metrics_networks", Kind::Networks),
    key("log_level", Kind::Level),
    key("log_format", Kind::OneOf(&["text", "json"])),
    key("otlp_endpoint", Kind::Url),
    key("otlp_sample_ratio", Kind::Share),
    key("retention_completed", duration(0)),
    key("retention_failed", duration(0)),
    key("retention_cancelled", duration(0)),
    key("retention_most", Kind::Count { min: 0, max: longshore_core::limits::ENDED_JOBS_MAX }),
];

/// The keys of one queue, in the order of the manual.
pub(super) const QUEUE_KEYS: &[Key] = &[
    key("concurrency", Kind::Count { min: 1, max: 10_000 }),
    key("rate_limit", Kind::Count { min: 0, max: LIMIT_RATE_MAX as u64 }),
    key("rate_interval", duration(1)),
    key("rate_burst", Kind::Count { min: 1, max: LIMIT_RATE_MAX as u64 }),
    key("rate_scope", Kind::OneOf(&["queue", "worker"])),
    key("scan_interval", Kind::Duration { min: longshore_core::limits::SCAN_INTERVAL_MIN }),
    key("retention_completed", duration(0)),
    key("retention_failed", duration(0)),
    key("retention_cancelled", duration(0)),
    key("retention_most", Kind::Count { min: 0, max: longshore_core::limits::ENDED_JOBS_MAX }),
    key("priority", Kind::Priority),
    key("max_attempts", Kind::Count { min: 1, max: longshore_core::limits::ATTEMPTS_MAX as u64 }),
    key("timeout", duration(1)),
    key("ttl", duration(1)),
];

/// The keys of one kind of job, in the order of the manual.
pub(super) const KIND_KEYS: &[Key] = &[
    key("breaker_failures", Kind::Count { min: 1, max: 1_000_000 }),
    key("breaker_error_rate", Kind::Share),
    key("breaker_window", duration(1)),
    key("breaker_open", duration(1)),
    key("retry_budget", Kind::Count { min: 1, max: 1_000_000 }),
    key("retry_budget_window", duration(1)),
    key("rate_limit", Kind::Count { min: 1, max: LIMIT_RATE_MAX as u64 }),
    key("rate_interval", duration(1)),
    key("rate_burst", Kind::Count { min: 1, max: LIMIT_RATE_MAX as u64 }),
    key("max_concurrent", Kind::Count { min: 1, max: 10_000 }),
];

/// A set of tables with names of their own, such as `[queues.NAME]`.
pub(super) struct Tables {
    pub(super) name: &'static str,
    /// The variable that has the same as JSON.
    pub(super) variable: &'static str,
    pub(super) keys: &'static [Key],
    pub(super) check: fn(&str) -> Result<(), Invalid>,
    /// Keys that say nothing without one of others.
    pub(super) beside: &'static [(&'static [&'static str], &'static [&'static str])],
    pub(super) example: &'static str,
}

/// All of them.
pub(super) const TABLES: &[Tables] = &[
    Tables {
        name: "queues",
        variable: "LONGSHORE_QUEUES",
        keys: QUEUE_KEYS,
        check: |name| QueueName::new(name).map(drop),
        beside: &[(&["rate_interval", "rate_burst", "rate_scope"], &["rate_limit"])],
        example: "JSON such as {\"mail\": {\"concurrency\": 3}}",
    },
    Tables {
        name: "kinds",
        variable: "LONGSHORE_KINDS",
        keys: KIND_KEYS,
        check: |name| KindName::new(name).map(drop),
        beside: &[
            (&["rate_interval", "rate_burst"], &["rate_limit"]),
            (&["breaker_window"], &["breaker_error_rate"]),
            (&["breaker_open"], &["breaker_failures", "breaker_error_rate"]),
            (&["retry_budget_window"], &["retry_budget"]),
        ],
        example: "JSON such as {\"page.fetch\": {\"max_concurrent\": 3}}",
    },
];

impl Kind {
    /// Reads a value, or says what was expected.
    pub(super) fn read(self, raw: &Raw) -> Result<Value, String> {
        let value = match raw {
            Raw::Text(text) if text.contains(char::REPLACEMENT_CHARACTER) => None,
            Raw::Text(text) => self.text(text.trim()),
            Raw::List(list) => self.list(list),
            Raw::Other(_) => None,
        };
        value.ok_or_else(|| self.expected())
    }

    fn list(self, list: &[String]) -> Option<Value> {
        let right = |text: &String| match self {
            Self::Queues => QueueName::new(text).is_ok(),
            Self::Networks => text.parse::<IpNet>().is_ok(),
            _ => false,
        };
        (matches!(self, Self::Queues | Self::Networks) && list.iter().all(right))
            .then(|| Value::Names(list.to_vec()))
    }

    fn text(self, text: &str) -> Option<Value> {
        let plain = || Value::Text(text.to_owned());
        match self {
            Self::Store => (text == "memory:"
                || text.strip_prefix("sqlite:").is_some_and(|path| !path.is_empty()))
            .then(plain),
            Self::Url => {
                let rest = text.strip_prefix("http://").or(text.strip_prefix("https://"));
                // A password in it would be shown wherever the address is.
                let fits = |rest: &str| !rest.is_empty() && !rest.contains('@');
                (text.is_empty() || rest.is_some_and(fits)).then(plain)
            }
            Self::Secret => Some(Value::Secret(text.to_owned())),
            Self::Address { optional: true } if text.is_empty() => Some(plain()),
            Self::Address { .. } => {
                text.parse::<SocketAddr>().ok().map(|address| Value::Text(address.to_string()))
            }
            Self::Path { optional } => (optional || !text.is_empty()).then(plain),
            Self::Count { min, max } => {
                text.parse().ok().filter(|count| (min..=max).contains(count)).map(Value::Count)
            }
            Self::Bytes { min, max } => {
                bytes::parse(text).filter(|size| (min..=max).contains(size)).map(Value::Bytes)
            }
            Self::BytesOrNone { max } if text == "none" => Some(Value::Bytes(max)),
            Self::BytesOrNone { max } => Self::Bytes { min: 2, max }.text(text),
            Self::Duration { min } => {
                parse_duration(text).ok().filter(|duration| *duration >= min).map(Value::Duration)
            }
            Self::Priority => text.parse::<Priority>().ok().map(|_| plain()),
            Self::Queues | Self::Networks if text.starts_with('[') => {
                self.list(&serde_json::from_str::<Vec<String>>(text).ok()?)
            }
            Self::Queues | Self::Networks if text.is_empty() => Some(Value::Names(Vec::new())),
            // A bare number in a file is no list, and no name that anybody would mean.
            Self::Queues if text.bytes().all(|byte| byte.is_ascii_digit()) => None,
            Self::Queues | Self::Networks => {
                self.list(&text.split(',').map(|name| name.trim().to_owned()).collect::<Vec<_>>())
            }
            Self::OneOf(words) => words.contains(&text).then(plain),
            Self::Share => {
                text.parse().ok().filter(|share: &f64| *share > 0.0 && *share <= 1.0).map(Value::Share)
            }
            Self::Level => is_level(text).then(plain),
        }
    }

    fn expected(self) -> String {
        match self {
            Self::Store => "memory: or sqlite:PATH".to_owned(),
            Self::Url => {
                "a URL such as http://127.0.0.1:7070 without a name and a password, or an empty text"
                    .to_owned()
            }
            Self::Secret => "a text".to_owned(),
            Self::Address { .. } => "an address and a port such as 127.0.0.1:7070".to_owned(),
            Self::Path { .. } => "a path".to_owned(),
            Self::Count { min, max } => format!("a whole number from {min} to {max}"),
            Self::Bytes { min, max } => {
                format!("a size such as 16MiB, from {} to {}", bytes::format(min), bytes::format(max))
            }
            Self::BytesOrNone { max } => {
                format!("a size such as 1MiB, from 2B to {}, or none", bytes::format(max))
            }
            Self::Duration { min } => {
                let [least, most] = [min, DURATION_MAX].map(longshore_core::format_duration);
                format!("a duration such as 300ms, 30s or 5m, from {least} to {most}")
            }
            Self::Priority => "a number, or high, normal or low".to_owned(),
            Self::Queues => "a list of queue names such as mail,pdf".to_owned(),
            Self::Networks => "a list of networks such as 10.0.0.0/8,::1/128".to_owned(),
            Self::OneOf(words) => words.join(" or "),
            Self::Share => "a number above 0 and at most 1".to_owned(),
            Self::Level => {
                "error, warn, info, debug, trace, or a filter such as info,longshore=debug".to_owned()
            }
        }
    }
}

/// A level, or several parts `target=level` with commas between them.
fn is_level(text: &str) -> bool {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    text.split(',').all(|part| {
        let level = part.rsplit_once('=').map_or(part, |(_, level)| level);
        LEVELS.contains(&level.trim().to_lowercase().as_str())
    })
}
