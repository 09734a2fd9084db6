use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Bound;
use std::time::Duration;

use bytes::Bytes;
use longshore_core::limiter::{Permit, Rule, Tally};
use longshore_core::{Doc, Expect, LogEntry, Put, Timestamp};

/// Documents, logs and limiters.
#[derive(Default)]
pub(crate) struct Shelf {
    docs: BTreeMap<String, Doc>,
    logs: HashMap<String, Log>,
    tallies: HashMap<String, (Tally, Timestamp)>,
    /// Counts all writes, so that the version of a key rises over its removal.
    writes: u64,
}

#[derive(Default)]
struct Log {
    end: u64,
    entries: VecDeque<Bytes>,
}

fn expired(doc: &Doc, now: Timestamp) -> bool {
    doc.expires_at.is_some_and(|over| over <= now)
}

impl Shelf {
    pub(crate) fn get(&self, key: &str, now: Timestamp) -> Option<&Doc> {
        self.docs.get(key).filter(|doc| !expired(doc, now))
    }

    fn holds(&self, key: &str, expect: Expect, now: Timestamp) -> bool {
        let version = self.get(key, now).map(|doc| doc.version);
        match expect {
            Expect::Anything => true,
            Expect::Absent => version.is_none(),
            Expect::Version(wanted) => version == Some(wanted),
        }
    }

    pub(crate) fn put(
        &mut self,
        key: &str,
        value: Bytes,
        expect: Expect,
        ttl: Option<Duration>,
        now: Timestamp,
    ) -> Put {
        if !self.holds(key, expect, now) {
            return Put::Conflict(self.get(key, now).cloned());
        }
        self.writes += 1;
        let version = self.writes;
        let doc = Doc { key: key.to_owned(), value, version, expires_at: ttl.map(|ttl| now + ttl) };
        self.docs.insert(key.to_owned(), doc);
        Put::Written(version)
    }

    pub(crate) fn delete(&mut self, key: &str, expect: Expect, now: Timestamp) -> bool {
        let goes = self.get(key, now).is_some() && self.holds(key, expect, now);
        if goes {
            self.docs.remove(key);
        }
        goes
    }

    pub(crate) fn list(&self, prefix: &str, after: Option<&str>, limit: usize, now: Timestamp) -> Vec<Doc> {
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        self.docs
            .range::<str, _>((start, Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
            .filter(|(_, doc)| !expired(doc, now))
            .map(|(_, doc)| doc.clone())
            .take(limit)
            .collect()
    }

    pub(crate) fn append(&mut self, log: &str, entries: Vec<Bytes>, keep: usize) -> u64 {
        let log = self.logs.entry(log.to_owned()).or_default();
        log.end += entries.len() as u64;
        log.entries.extend(entries);
        let surplus = log.entries.len().saturating_sub(keep);
        log.entries.drain(..surplus);
        log.end
    }

    pub(crate) fn read(&self, log: &str, after: u64, limit: usize) -> Vec<LogEntry> {
        let Some(log) = self.logs.get(log) else { return Vec::new() };
        let first = log.end - log.entries.len() as u64 + 1;
        let skip = (after + 1).saturating_sub(first) as usize;
        let numbered = log.entries.iter().zip(first..).skip(skip).take(limit);
        numbered.map(|(value, position)| LogEntry { position, value: value.clone() }).collect()
    }

    pub(crate) fn end(&self, log: &str) -> u64 {
        self.logs.get(log).map_or(0, |log| log.end)
    }

    pub(crate) fn limit(&mut self, key: &str, rule: Rule, cost: u32, now: Timestamp) -> Permit {
        let (tally, idle_at) = self.tallies.entry(key.to_owned()).or_default();
        *idle_at = now + rule.idle_after() * 2;
        rule.take(tally, cost, now)
    }

    /// Removes expired documents and idle tallies; tells how many documents went, and when the next one expires.
    pub(crate) fn prune(&mut self, limit: usize, now: Timestamp) -> (usize, Option<Timestamp>) {
        let over: Vec<String> = self
            .docs
            .values()
            .filter(|doc| expired(doc, now))
            .take(limit)
            .map(|doc| doc.key.clone())
            .collect();
        for key in &over {
            self.docs.remove(key);
        }
        self.tallies.retain(|_, (_, idle_at)| *idle_at > now);
        let first = self.docs.values().filter_map(|doc| doc.expires_at).min();
        (over.len(), crate::keep::next(now, first))
    }
}
