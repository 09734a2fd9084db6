use std::sync::Arc;
use std::time::Duration;

use longshore_clock::Timestamp;

use crate::cache::backend::{Found, Life};
use crate::cache::body::Body;

/// How an entry is written: this, then flags, then until when it is fresh (milliseconds since 1970, 8 bytes, little-endian),
/// then the number of its tags, each with its length before it, then the value.
const VERSION: u8 = 1;
const HEAD: usize = 11;

const PACKED: u8 = 1;
/// The entry outlives its freshness, so the reader's clock decides; otherwise Redis does.
const OUTLIVES: u8 = 2;
/// The entry never ends.
const FOR_EVER: u8 = 4;

/// An entry as another process wrote it.
pub(super) struct Written {
    pub(super) found: Found,
    /// How long it is fresh yet; none for ever.
    pub(super) fresh_for: Option<Duration>,
    pub(super) tags: Vec<Arc<str>>,
}

pub(super) fn write(body: &Body, life: Life, tags: &[Arc<str>], now: Timestamp) -> Vec<u8> {
    let fresh_until = life.ttl.map_or(0, |ttl| now.as_millis().saturating_add(millis(ttl) as i64));
    let mut bytes = Vec::with_capacity(HEAD + body.bytes.len());
    let flags = [(body.packed, PACKED), (!life.stale.is_zero(), OUTLIVES), (life.ttl.is_none(), FOR_EVER)];
    bytes.push(VERSION);
    bytes.push(flags.iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| flag).sum());
    bytes.extend_from_slice(&fresh_until.to_le_bytes());
    // Both numbers fit: a policy is checked before.
    bytes.push(tags.len() as u8);
    for tag in tags {
        bytes.push(tag.len() as u8);
        bytes.extend_from_slice(tag.as_bytes());
    }
    bytes.extend_from_slice(&body.bytes);
    bytes
}

/// Reads what [`write`] wrote; none if it was not that.
pub(super) fn read(bytes: &[u8], now: Timestamp) -> Option<Written> {
    let (&[version, flags], rest) = bytes.split_first_chunk()?;
    let (fresh_until, rest) = rest.split_first_chunk()?;
    let (&count, mut rest) = rest.split_first()?;
    if version != VERSION {
        return None;
    }
    let mut tags = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        let (&length, after) = rest.split_first()?;
        let (tag, after) = after.split_at_checked(usize::from(length))?;
        tags.push(std::str::from_utf8(tag).ok()?.into());
        rest = after;
    }
    let body = Body { packed: flags & PACKED != 0, bytes: rest.into() };
    if flags & FOR_EVER != 0 {
        return Some(Written { found: Found { body, stale_for: None }, fresh_for: None, tags });
    }
    let left = i64::from_le_bytes(*fresh_until).saturating_sub(now.as_millis());
    let span = |millis: i64| Duration::from_millis(millis.max(0) as u64);
    let stale_for = (flags & OUTLIVES != 0 && left <= 0).then(|| span(left.saturating_neg()));
    Some(Written { found: Found { body, stale_for }, fresh_for: Some(span(left)), tags })
}

pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1)
}
