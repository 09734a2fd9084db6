use std::sync::Arc;
use std::time::Duration;

use longshore_core::Invalid;

/// Longest key, in bytes.
const KEY_MAX: usize = 1024;
/// Longest tag, in bytes.
const TAG_MAX: usize = 128;
/// Tags of one entry.
const TAGS_MAX: usize = 32;
/// Longest prefix, in bytes.
const PREFIX_MAX: usize = 64;
/// The largest `max_entry_bytes`, and the largest `max_bytes`.
const BYTES_MAX: usize = 1 << 30;

/// How much a cache holds, and for how long.
#[derive(Clone, Debug)]
pub struct CacheConfig {
    /// Stands before every key, so that caches share a Redis without seeing each other, and names the cache in metrics:
    /// letters, digits, `_`, `-` and `.`.
    pub prefix: String,
    /// How long an entry is good when the call does not say; none: for ever.
    pub default_ttl: Option<Duration>,
    /// Each lifetime is changed by chance by up to this share of itself, so that what came together does not go together.
    /// 0 to 0.5.
    pub ttl_jitter: f64,
    /// Values with more bytes of JSON than this are kept compressed.
    pub compress_above: Option<usize>,
    /// Longest value, in bytes of JSON.
    pub max_entry_bytes: usize,
    /// Entries kept in memory. What is used least goes first.
    pub max_entries: usize,
    /// Bytes kept in memory: keys, tags and values, and [`ENTRY_BYTES`](CacheConfig::ENTRY_BYTES) for each entry. An
    /// entry counts for at least `max_bytes / max_entries`.
    pub max_bytes: usize,
    /// How long callers wait for another one that loads the same value, before one of them loads in its place.
    pub load_wait: Duration,
    /// Stale values that are loaded anew at a time while they are still handed out.
    pub max_refreshes: usize,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            prefix: "cache".to_owned(),
            default_ttl: Some(Duration::from_secs(3600)),
            ttl_jitter: 0.0,
            compress_above: Some(16 * 1024),
            max_entry_bytes: 1024 * 1024,
            max_entries: 50_000,
            max_bytes: 64 * 1024 * 1024,
            load_wait: Duration::from_secs(10),
            max_refreshes: 64,
        }
    }
}

impl CacheConfig {
    /// What an entry in memory costs beside its key, its tags and its value.
    pub const ENTRY_BYTES: usize = 128;

    pub(super) fn check(&self) -> Result<(), Invalid> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        if !(1..=PREFIX_MAX).contains(&self.prefix.len()) || !self.prefix.bytes().all(is_plain) {
            let expected = format!("1 to {PREFIX_MAX} letters, digits, '_', '-' and '.'");
            return Err(Invalid::new("prefix", expected, &self.prefix));
        }
        if let Some(ttl) = self.default_ttl {
            check_above_zero("default_ttl", ttl)?;
        }
        if !(0.0..=0.5).contains(&self.ttl_jitter) {
            return Err(Invalid::new("ttl_jitter", "a number from 0 to 0.5", self.ttl_jitter));
        }
        if !(1..=BYTES_MAX).contains(&self.max_entry_bytes) {
            return Err(Invalid::new(
                "max_entry_bytes",
                format!("1 to {BYTES_MAX} bytes"),
                self.max_entry_bytes,
            ));
        }
        if self.max_entries == 0 {
            return Err(Invalid::new("max_entries", "a whole number above 0", 0));
        }
        let least = self.max_entry_bytes + KEY_MAX + TAGS_MAX * TAG_MAX + Self::ENTRY_BYTES;
        if !(least..=BYTES_MAX).contains(&self.max_bytes) {
            let expected =
                format!("{least} (one entry of max_entry_bytes, its key and its tags) to {BYTES_MAX} bytes");
            return Err(Invalid::new("max_bytes", expected, self.max_bytes));
        }
        check_above_zero("load_wait", self.load_wait)?;
        if self.max_refreshes == 0 {
            return Err(Invalid::new("max_refreshes", "a whole number above 0", 0));
        }
        Ok(())
    }
}

/// How long a value is good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ttl {
    /// As long as the configuration says.
    #[default]
    Default,
    /// This long.
    For(Duration),
    /// Until it is invalidated, or its place is needed.
    Never,
}

/// How one value is kept. A duration stands for a policy with this lifetime, `None` for one that never ends, and `()` for
/// the default.
#[derive(Clone, Debug, Default)]
pub struct CachePolicy {
    pub(super) ttl: Ttl,
    pub(super) negative_ttl: Option<Duration>,
    pub(super) stale_while_revalidate: Duration,
    pub(super) stale_if_error: Duration,
    pub(super) tags: Vec<Arc<str>>,
}

impl CachePolicy {
    /// A policy with this lifetime.
    pub fn ttl(ttl: impl Into<Ttl>) -> Self {
        Self { ttl: ttl.into(), ..Self::default() }
    }

    /// One more tag, by which the value can be invalidated together with others.
    #[must_use]
    pub fn tag(mut self, tag: &str) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// For this long after its end a value is still handed out, while it is loaded anew.
    #[must_use]
    pub fn stale_while_revalidate(mut self, time: Duration) -> Self {
        self.stale_while_revalidate = time;
        self
    }

    /// For this long after its end a value is still handed out when loading it anew fails.
    #[must_use]
    pub fn stale_if_error(mut self, time: Duration) -> Self {
        self.stale_if_error = time;
        self
    }

    /// That there is nothing (a loaded value that is `null` in JSON) is remembered for this long at most, and never handed out
    /// past that; not at all if it is zero.
    #[must_use]
    pub fn negative_ttl(mut self, time: Duration) -> Self {
        self.negative_ttl = Some(time);
        self
    }

    pub(super) fn check(&self) -> Result<(), Invalid> {
        if let Ttl::For(ttl) = self.ttl {
            check_above_zero("ttl", ttl)?;
        }
        let others = [
            ("negative_ttl", self.negative_ttl.unwrap_or_default()),
            ("stale_while_revalidate", self.stale_while_revalidate),
            ("stale_if_error", self.stale_if_error),
        ];
        for (field, time) in others {
            longshore_core::check_duration(field, time)?;
        }
        if self.tags.len() > TAGS_MAX {
            return Err(Invalid::new("tags", format!("at most {TAGS_MAX}"), self.tags.len()));
        }
        self.tags.iter().try_for_each(|tag| check_text("tag", tag, TAG_MAX))
    }
}

impl From<Duration> for Ttl {
    fn from(time: Duration) -> Self {
        Self::For(time)
    }
}

impl From<Option<Duration>> for Ttl {
    fn from(time: Option<Duration>) -> Self {
        time.map_or(Self::Never, Self::For)
    }
}

impl<T: Into<Ttl>> From<T> for CachePolicy {
    fn from(ttl: T) -> Self {
        Self::ttl(ttl)
    }
}

impl From<()> for Ttl {
    fn from((): ()) -> Self {
        Self::Default
    }
}

pub(super) fn check_key(key: &str) -> Result<(), Invalid> {
    check_text("key", key, KEY_MAX)
}

pub(super) fn check_tag(tag: &str) -> Result<(), Invalid> {
    check_text("tag", tag, TAG_MAX)
}

fn check_text(field: &str, text: &str, max: usize) -> Result<(), Invalid> {
    if text.is_empty() || text.len() > max || text.chars().any(char::is_control) {
        let expected = format!("1 to {max} bytes without control characters");
        let got = if text.len() > max { format!("{} bytes", text.len()) } else { format!("{text:?}") };
        return Err(Invalid::new(field, expected, got));
    }
    Ok(())
}

pub(super) fn check_above_zero(field: &str, time: Duration) -> Result<(), Invalid> {
    if time.is_zero() {
        return Err(Invalid::new(field, "a duration above zero", "0"));
    }
    longshore_core::check_duration(field, time)
}
