use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::limiter::{Rule, Tally};
use crate::limits::{LIMIT_CONCURRENCY_MAX, LIMIT_KEY_BYTES_MAX, LIMIT_RATE_MAX, LIMITS_MAX};
use crate::{DurationText, Invalid, JobId, JobSpec, Json, KindName, Timestamp, check_duration};

/// How many jobs of a queue or of a kind may run at once, and how many may start in a time, over all nodes together.
///
/// With a `key` it counts for each value of the key apart: for each tenant, each host. The value is the job's own
/// `limit_key`, or what stands at that place of its args.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limit {
    /// `args.tenant`, `args.to.host`, or `args` itself; none counts all jobs together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Jobs that run at once, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// Starts per interval on average; 0 lets none start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<u32>,
    /// The interval of the rate; a second if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<DurationText>,
    /// Starts at once out of a full bucket, from 1; as many as the rate if not given. With 1 the starts are evenly spaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burst: Option<u32>,
}

/// What a rate says about a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// There is no rate.
    Free,
    /// Starts are counted by this rule.
    By(Rule),
    /// Nothing starts.
    Never,
}

impl Limit {
    /// Checks every number, and the form of the key.
    pub fn check(&self) -> Result<(), Invalid> {
        if let Some(key) = &self.key {
            check_path(key)?;
        }
        let count = |field: &str, value: Option<u32>, from: u32, most: u32| match value {
            Some(value) if !(from..=most).contains(&value) => {
                Err(Invalid::new(field, format!("a whole number from {from} to {most}, or none"), value))
            }
            _ => Ok(()),
        };
        count("concurrency", self.concurrency, 1, LIMIT_CONCURRENCY_MAX)?;
        count("rate", self.rate, 0, LIMIT_RATE_MAX)?;
        count("burst", self.burst, 1, LIMIT_RATE_MAX)?;
        if let Some(interval) = self.interval {
            if interval.0.is_zero() {
                return Err(Invalid::new("interval", "a duration above zero", "0"));
            }
            check_duration("interval", interval.0)?;
        }
        if self.concurrency.is_none() && self.rate.is_none() {
            return Err(Invalid::new("", "a concurrency, a rate, or both", "neither"));
        }
        if self.rate.is_none() && (self.interval.is_some() || self.burst.is_some()) {
            return Err(Invalid::new("rate", "a number of starts beside interval and burst", "none"));
        }
        Ok(())
    }

    /// Checks the limits of one queue or kind: each of them, their number, and that a key is named once.
    pub fn check_all(limits: &[Self]) -> Result<(), Invalid> {
        if limits.len() > LIMITS_MAX {
            let expected = format!("at most {LIMITS_MAX} limits");
            return Err(Invalid::new("limits", expected, limits.len()).code("too_many"));
        }
        let mut keys = HashSet::new();
        for (index, limit) in limits.iter().enumerate() {
            limit.check().map_err(|error| error.below(&format!("limits[{index}]")))?;
            if !keys.insert(&limit.key) {
                let key = limit.key.as_deref().unwrap_or("null");
                return Err(Invalid::new(format!("limits[{index}].key"), "each key once", key));
            }
        }
        Ok(())
    }

    /// How starts are counted.
    pub fn pace(&self) -> Pace {
        match self.rate {
            None => Pace::Free,
            Some(0) => Pace::Never,
            Some(rate) => Pace::By(Rule::Smooth {
                rate,
                interval: self.interval.map_or(Duration::from_secs(1), |interval| interval.0),
                burst: self.burst.unwrap_or(rate),
            }),
        }
    }
}

fn check_path(path: &str) -> Result<(), Invalid> {
    let mut parts = path.split('.');
    let right = path.len() <= LIMIT_KEY_BYTES_MAX
        && parts.next() == Some("args")
        && parts.all(|part| !part.is_empty() && !part.chars().any(char::is_control));
    if right {
        return Ok(());
    }
    Err(Invalid::new("key", "null, args, or a place in the args such as args.tenant", format!("{path:?}")))
}

/// The limits of a kind, in every queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindInfo {
    /// Its name.
    pub name: KindName,
    /// What counts for its jobs.
    pub limits: Vec<Limit>,
}

/// Jobs that are named as filling a limit.
pub const HOLDERS_MAX: usize = 10;

/// A limit that has no room for a job that is ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hold {
    /// The kind whose limit it is; none if it is the queue's.
    pub kind: Option<String>,
    /// The place in the args that it counts by; none counts all jobs together.
    pub key: Option<String>,
    /// The value there.
    pub value: Option<String>,
    /// How many may run at once, if that is what holds it up.
    pub concurrency: Option<u32>,
    /// How many run now.
    pub running: u32,
    /// Some of them.
    pub held_by: Vec<JobId>,
    /// The rate, if that is what holds it up: starts per interval.
    pub rate: Option<u32>,
    /// When that has room again; none with a rate of 0.
    pub next_at: Option<Timestamp>,
}

impl Hold {
    /// What holds up a job of this bucket: nothing if its limit has room.
    pub fn of(bucket: &Bucket, limit: &Limit, running: u32, starts: &Tally, now: Timestamp) -> Option<Self> {
        let full = limit.concurrency.filter(|most| running >= *most);
        let (rate, next_at) = match limit.pace() {
            Pace::Free => (None, None),
            Pace::Never => (Some(0), None),
            Pace::By(rule) => match rule.room(starts, now) {
                (0, wait) => (limit.rate, Some(now + wait)),
                _ => (None, None),
            },
        };
        (full.is_some() || rate.is_some()).then(|| Self {
            kind: bucket.kind.clone(),
            key: limit.key.clone(),
            value: limit.key.as_ref().map(|_| bucket.value.clone()),
            concurrency: full,
            running,
            held_by: Vec::new(),
            rate,
            next_at,
        })
    }
}

/// The bucket of a whole queue.
pub fn whole() -> Bucket {
    Bucket { kind: None, path: String::new(), value: String::new() }
}

/// One thing that a limit counts: all jobs of a queue or kind, or those with one value of a key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Bucket {
    /// The kind whose limit it is; none if it is the queue's.
    pub kind: Option<String>,
    /// The place in the args; empty for all jobs together.
    pub path: String,
    /// The value there, as text.
    pub value: String,
}

/// The buckets that a job counts in, but for that of its whole queue: the keys of its queue, then what its kind says.
/// A job without a value counts under the empty one.
pub fn buckets(spec: &JobSpec, queue: &[Limit], kind: &[Limit]) -> Vec<Bucket> {
    let bucket = |kind: Option<&KindName>, limit: &Limit| Bucket {
        kind: kind.map(|kind| kind.as_str().to_owned()),
        path: limit.key.clone().unwrap_or_default(),
        value: limit.key.as_deref().and_then(|path| key_value(spec, path)).unwrap_or_default(),
    };
    let of_queue = queue.iter().filter(|limit| limit.key.is_some()).map(|limit| bucket(None, limit));
    of_queue.chain(kind.iter().map(|limit| bucket(Some(&spec.kind), limit))).collect()
}

/// Refuses a job that has no value for a key, or a value that is too long.
pub fn check_keys(spec: &JobSpec, queue: &[Limit], kind: &[Limit]) -> Result<(), Invalid> {
    for path in queue.iter().chain(kind).filter_map(|limit| limit.key.as_deref()) {
        let field = if spec.options.limit_key.is_some() { "limit_key" } else { path };
        let expected = format!(
            "a value of at most {LIMIT_KEY_BYTES_MAX} bytes that jobs are limited by, or a limit_key"
        );
        match key_value(spec, path) {
            Some(value) if value.len() <= LIMIT_KEY_BYTES_MAX => {}
            Some(value) => {
                return Err(
                    Invalid::new(field, expected, format!("{} bytes", value.len())).code("invalid_limit_key")
                );
            }
            None => return Err(Invalid::new(field, expected, "nothing").code("invalid_limit_key")),
        }
    }
    Ok(())
}

/// The text by which a job is counted under a key: its own `limit_key`, or what stands in its args.
fn key_value(spec: &JobSpec, path: &str) -> Option<String> {
    if let Some(own) = &spec.options.limit_key {
        return Some(own.clone());
    }
    let mut here: Box<RawValue> = serde_json::from_str(spec.args.as_str()).ok()?;
    for part in path.split('.').skip(1) {
        let mut members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(here.get()).ok()?;
        here = members.remove(part)?;
    }
    match here.get() {
        "null" => None,
        text if text.starts_with('"') => serde_json::from_str(text).ok(),
        text => Some(Json::parse(text).ok()?.as_str().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{JobId, QueueName};

    fn job(args: &str) -> JobSpec {
        let kind = KindName::new("mail").unwrap();
        JobSpec::new(JobId::from_u128(1), QueueName::default(), kind, Json::parse(args).unwrap())
    }

    #[test]
    fn a_key_is_found_in_the_args() {
        let spec = job(r#"{"tenant": "acme", "to": {"host": "b.example", "port": 25}, "none": null}"#);
        let value = |path: &str| key_value(&spec, path);
        assert_eq!(value("args.tenant").as_deref(), Some("acme"));
        assert_eq!(value("args.to.port").as_deref(), Some("25"));
        assert_eq!(value("args.none"), None);
        assert_eq!(value("args.to.host.name"), None);
        assert_eq!(key_value(&job("7"), "args").as_deref(), Some("7"));
    }

    #[test]
    fn limits_that_limit_nothing_or_make_no_sense_are_refused() {
        let wrong = [
            Limit::default(),
            Limit { concurrency: Some(0), ..Limit::default() },
            Limit { rate: Some(1), burst: Some(0), ..Limit::default() },
            Limit { rate: Some(1), interval: Some(DurationText(Duration::ZERO)), ..Limit::default() },
            Limit { concurrency: Some(1), burst: Some(2), ..Limit::default() },
            Limit { concurrency: Some(1), key: Some("tenant".to_owned()), ..Limit::default() },
            Limit { concurrency: Some(1), key: Some("args..x".to_owned()), ..Limit::default() },
        ];
        for limit in wrong {
            assert!(limit.check().is_err(), "{limit:?}");
        }
        let one = Limit { concurrency: Some(1), ..Limit::default() };
        assert!(one.check().is_ok() && Limit::check_all(&[one.clone(), one]).is_err());
    }
}
