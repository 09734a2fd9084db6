use std::time::Duration;

use clap::Args;
use longshore_core::{Backoff, BackoffForm, DurationText, Invalid, Options, Unique, parse_duration};
use serde::Serialize;

use crate::command::whole;

/// What is asked of a job beside its input, on its own and from a schedule alike.
#[derive(Args, Debug)]
pub(crate) struct OptionFlags {
    /// Tries in all; 4 is usual
    #[arg(long, value_name = "N", value_parser = whole::<u32>)]
    max_attempts: Option<u32>,
    /// Tries after the first one
    #[arg(long, value_name = "N", value_parser = whole::<u32>, conflicts_with = "max_attempts")]
    max_retries: Option<u32>,
    /// The wait before each further try, as JSON: {"type": "fixed", "delay": "5s"}, or a number b for b, b², b³ … seconds
    #[arg(long, value_name = "JSON", value_parser = parse_backoff)]
    backoff: Option<Backoff>,
    /// The longest time of one try, such as 5m, or none
    #[arg(long, value_name = "DURATION", value_parser = parse_timeout, allow_hyphen_values = true)]
    timeout: Option<Timeout>,
    /// A word to find the job by; may be given several times
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// How long the job may wait in all, such as 1h, before it expires
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, allow_hyphen_values = true)]
    ttl: Option<Duration>,
    /// How long the record stays after the end
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    retention: Option<Duration>,
    /// How long the result stays after the end
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    result_retention: Option<Duration>,
    /// What the job counts as under limits with a key
    #[arg(long, value_name = "KEY")]
    limit_key: Option<String>,
    /// Whose job it is
    #[arg(long)]
    pub(crate) owner: Option<String>,
    /// Be the only job of the queue with this key, until it has ended
    #[arg(long, value_name = "KEY")]
    unique: Option<String>,
    /// Be it for so long instead, whatever becomes of the job
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, requires = "unique")]
    unique_ttl: Option<Duration>,
    /// Take the place of the job that holds the key, while that one is scheduled
    #[arg(long, requires = "unique")]
    replace: bool,
    /// Make the time of the key begin anew if another job holds it
    #[arg(long, requires = "unique_ttl")]
    extend: bool,
}

/// What was really given, as HTTP takes it.
#[derive(Serialize)]
pub(crate) struct GivenOptions<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_attempts: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_retries: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backoff: Option<&'a Backoff>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[expect(clippy::option_option, reason = "three cases: not given, none, a time")]
    timeout: Option<Option<DurationText>>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    tags: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<DurationText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retention: Option<DurationText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result_retention: Option<DurationText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unique: Option<Unique>,
}

#[derive(Clone, Copy, Debug)]
struct Timeout(Option<Duration>);

fn parse_timeout(text: &str) -> Result<Timeout, Invalid> {
    if text == "none" { Ok(Timeout(None)) } else { parse_duration(text).map(|limit| Timeout(Some(limit))) }
}

fn parse_backoff(text: &str) -> Result<Backoff, String> {
    // As over HTTP, null is no wait at all.
    serde_json::from_str::<BackoffForm>(if text == "null" { "0" } else { text })
        .map(|form| form.0)
        .map_err(|error| format!("expected a backoff as JSON, got {error}"))
}

impl OptionFlags {
    /// The options of the job; what is not given is as usual.
    pub(crate) fn options(&self, usual: Options) -> Result<Options, Invalid> {
        let attempts = self.max_retries.map(Options::attempts_with).transpose()?.or(self.max_attempts);
        Ok(Options {
            max_attempts: attempts.unwrap_or(usual.max_attempts),
            backoff: self.backoff.clone().unwrap_or(usual.backoff),
            timeout: self.timeout.map_or(usual.timeout, |timeout| timeout.0.map(DurationText)),
            tags: self.tags.clone(),
            ttl: self.ttl.map(DurationText).or(usual.ttl),
            retention: self.retention.map(DurationText),
            result_retention: self.result_retention.map(DurationText),
            limit_key: self.limit_key.clone(),
            unique: self.unique(),
            ..Options::default()
        })
    }

    fn unique(&self) -> Option<Unique> {
        self.unique.clone().map(|key| Unique {
            ttl: self.unique_ttl.map(DurationText),
            extend: self.extend,
            replace: self.replace,
            ..Unique::new(key)
        })
    }

    /// What of them was given.
    pub(crate) fn given(&self) -> GivenOptions<'_> {
        GivenOptions {
            max_attempts: self.max_attempts,
            max_retries: self.max_retries,
            backoff: self.backoff.as_ref(),
            timeout: self.timeout.map(|timeout| timeout.0.map(DurationText)),
            tags: &self.tags,
            ttl: self.ttl.map(DurationText),
            retention: self.retention.map(DurationText),
            result_retention: self.result_retention.map(DurationText),
            limit_key: self.limit_key.as_deref(),
            owner: self.owner.as_deref(),
            unique: self.unique(),
        }
    }
}
