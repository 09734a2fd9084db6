use std::time::Duration;

use bytes::Bytes;
use longshore_core::limiter::{Permit, Rule, Tally};
use longshore_core::{Doc, Expect, LogEntry, Put, Timestamp, Wake};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::error::Tried;
use crate::names;
use crate::rows::time;
use crate::tx::Tx;

/// Log entries that one append may push out on top of as many as it adds.
const TRIMMED_MAX: i64 = 1_000;

fn read_doc(row: &Row<'_>) -> rusqlite::Result<Doc> {
    Ok(Doc {
        key: row.get(0)?,
        version: row.get::<_, i64>(1)? as u64,
        expires_at: time(row.get(2)?),
        value: Bytes::from(row.get::<_, Vec<u8>>(3)?),
    })
}

/// The stored document, expired or not.
fn stored(conn: &Connection, key: &str) -> rusqlite::Result<Option<Doc>> {
    conn.prepare_cached("SELECT key, version, expires_at, value FROM doc WHERE key = ?1")?
        .query_row([key], read_doc)
        .optional()
}

fn alive(doc: &Doc, now: Timestamp) -> bool {
    doc.expires_at.is_none_or(|over| over > now)
}

fn holds(doc: Option<&Doc>, expect: Expect) -> bool {
    match expect {
        Expect::Anything => true,
        Expect::Absent => doc.is_none(),
        Expect::Version(wanted) => doc.is_some_and(|doc| doc.version == wanted),
    }
}

pub(crate) fn get(conn: &Connection, key: &str, now: Timestamp) -> rusqlite::Result<Option<Doc>> {
    Ok(stored(conn, key)?.filter(|doc| alive(doc, now)))
}

pub(crate) fn list(
    conn: &Connection,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
    now: Timestamp,
) -> rusqlite::Result<Vec<Doc>> {
    let mut find = conn.prepare_cached(
        "SELECT key, version, expires_at, value FROM doc WHERE key >= ?1 AND (?2 IS NULL OR key > ?2)
         AND substr(key, 1, length(?1)) = ?1 AND (expires_at IS NULL OR expires_at > ?3) ORDER BY key LIMIT ?4",
    )?;
    let docs = find.query_map(params![prefix, after, now.as_millis(), limit as i64], read_doc)?;
    docs.collect()
}

pub(crate) fn log_read(
    conn: &Connection,
    log: &str,
    after: u64,
    limit: usize,
) -> rusqlite::Result<Vec<LogEntry>> {
    let Some(log) = names::find(conn, log)? else { return Ok(Vec::new()) };
    let mut find = conn.prepare_cached(
        "SELECT position, value FROM log WHERE log = ?1 AND position > ?2 ORDER BY position LIMIT ?3",
    )?;
    let entries = find.query_map(params![log, after as i64, limit as i64], |row| {
        Ok(LogEntry { position: row.get::<_, i64>(0)? as u64, value: Bytes::from(row.get::<_, Vec<u8>>(1)?) })
    })?;
    entries.collect()
}

pub(crate) fn log_end(conn: &Connection, log: &str) -> rusqlite::Result<u64> {
    let Some(log) = names::find(conn, log)? else { return Ok(0) };
    let end: Option<i64> = conn
        .prepare_cached("SELECT position FROM log_end WHERE log = ?1")?
        .query_row([log], |row| row.get(0))
        .optional()?;
    Ok(end.unwrap_or(0) as u64)
}

impl Tx<'_> {
    pub(crate) fn doc_put(
        &mut self,
        key: &str,
        value: &Bytes,
        expect: Expect,
        ttl: Option<Duration>,
        now: Timestamp,
    ) -> Tried<Put> {
        let stored = stored(self.conn, key)?;
        let current = stored.filter(|doc| alive(doc, now));
        if !holds(current.as_ref(), expect) {
            return Ok(Put::Conflict(current));
        }
        let expires_at = ttl.map(|ttl| (now + ttl).as_millis());
        // From the one counter of the store, so that the version of a key rises over its removal.
        let version = self.next()? as u64;
        self.conn
            .prepare_cached(
                "INSERT INTO doc (key, version, expires_at, value) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (key) DO UPDATE
                 SET version = excluded.version, expires_at = excluded.expires_at, value = excluded.value",
            )?
            .execute(params![key, version as i64, expires_at, &value[..]])?;
        Ok(Put::Written(version))
    }

    pub(crate) fn doc_delete(&mut self, key: &str, expect: Expect, now: Timestamp) -> Tried<bool> {
        let current = get(self.conn, key, now)?;
        let goes = current.is_some() && holds(current.as_ref(), expect);
        if goes {
            self.conn.prepare_cached("DELETE FROM doc WHERE key = ?1")?.execute([key])?;
        }
        Ok(goes)
    }

    pub(crate) fn log_append(&mut self, name: &str, entries: &[Bytes], keep: usize) -> Tried<u64> {
        let end = log_end(self.conn, name)? as i64;
        let log = names::intern(self.conn, name)?;
        let mut append =
            self.conn.prepare_cached("INSERT INTO log (log, position, value) VALUES (?1, ?2, ?3)")?;
        for (position, entry) in (end + 1..).zip(entries) {
            append.execute(params![log, position, &entry[..]])?;
        }
        let end = end + entries.len() as i64;
        self.trim(
            log,
            end.saturating_sub(i64::try_from(keep).unwrap_or(i64::MAX)),
            entries.len() as i64 + TRIMMED_MAX,
        )?;
        if entries.is_empty() {
            return Ok(end as u64);
        }
        self.conn
            .prepare_cached("INSERT INTO log_end (log, position) VALUES (?1, ?2) ON CONFLICT (log) DO UPDATE SET position = excluded.position")?
            .execute([log, end])?;
        self.wake(Wake::Log(name.to_owned()));
        Ok(end as u64)
    }

    /// Removes the entries of a log up to a position, the oldest first and a bounded number of them.
    fn trim(&self, log: i64, up_to: i64, limit: i64) -> rusqlite::Result<()> {
        let mut trim = self.conn.prepare_cached(
            "DELETE FROM log WHERE log = ?1 AND position IN
             (SELECT position FROM log WHERE log = ?1 AND position <= ?2 ORDER BY position LIMIT ?3)",
        )?;
        trim.execute([log, up_to, limit])?;
        Ok(())
    }

    pub(crate) fn limit(&mut self, key: &str, rule: Rule, cost: u32, now: Timestamp) -> Tried<Permit> {
        rule.check()?;
        let mut find = self.conn.prepare_cached("SELECT value FROM tally WHERE key = ?1")?;
        let text: Option<String> = find.query_row([key], |row| row.get(0)).optional()?;
        let mut tally: Tally = text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let permit = rule.take(&mut tally, cost, now);
        let idle_at = (now + rule.idle_after() * 2).as_millis();
        self.conn
            .prepare_cached(
                "INSERT INTO tally (key, idle_at, value) VALUES (?1, ?2, ?3)
                 ON CONFLICT (key) DO UPDATE SET idle_at = excluded.idle_at, value = excluded.value",
            )?
            .execute(params![key, idle_at, serde_json::to_string(&tally).unwrap_or_default()])?;
        Ok(permit)
    }

    /// Removes expired documents and idle tallies; tells how many documents went.
    pub(crate) fn prune_records(&mut self, limit: usize, now: Timestamp) -> Tried<usize> {
        let docs = self
            .conn
            .prepare_cached("DELETE FROM doc WHERE key IN (SELECT key FROM doc WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)")?
            .execute(params![now.as_millis(), limit as i64])?;
        self.conn
            .prepare_cached(
                "DELETE FROM tally WHERE key IN (SELECT key FROM tally WHERE idle_at <= ?1 LIMIT 1000)",
            )?
            .execute([now.as_millis()])?;
        Ok(docs)
    }
}
