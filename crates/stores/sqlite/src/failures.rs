//! Failed jobs in groups of those that are alike. Kept, not counted.

use longshore_core::{FailureGroup, Fingerprint, KindName, QueueName, Reason};
use rusqlite::{Connection, OptionalExtension, params};

use crate::error::Tried;
use crate::names::{self, parsed};
use crate::tx::Tx;

/// The groups of a queue, the largest first.
pub(crate) fn list(
    conn: &Connection,
    queue: &QueueName,
    limit: usize,
) -> rusqlite::Result<Vec<FailureGroup>> {
    let Some(queue) = names::find(conn, queue.as_str())? else { return Ok(Vec::new()) };
    let mut find =
        conn.prepare_cached("SELECT print, kind, reason, message, jobs FROM failure WHERE queue = ?1")?;
    let rows = find.query_map([queue], |row| {
        let reason: String = row.get(2)?;
        Ok(FailureGroup {
            fingerprint: Fingerprint(row.get::<_, i64>(0)? as u64),
            kind: parsed(KindName::new(row.get::<_, String>(1)?))?,
            reason: Reason::parse(&reason).unwrap_or(Reason::Error),
            message: row.get(3)?,
            jobs: row.get::<_, i64>(4)? as u64,
        })
    })?;
    let mut groups = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    groups.sort_by_key(|group| (std::cmp::Reverse(group.jobs), group.fingerprint));
    groups.truncate(limit);
    Ok(groups)
}

impl Tx<'_> {
    /// Counts a job that has just failed.
    pub(crate) fn count_failure(
        &mut self,
        place: i64,
        queue: i64,
        reason: Reason,
        error: Option<&str>,
    ) -> Tried<()> {
        let kind = self.spec_at(place)?.kind;
        let group = FailureGroup::of(&kind, reason, error);
        let print = group.fingerprint.0 as i64;
        self.conn
            .prepare_cached("UPDATE ended SET print = ?3 WHERE queue = ?1 AND state = 5 AND place = ?2")?
            .execute([queue, place, print])?;
        self.conn
            .prepare_cached(
                "INSERT INTO failure (queue, print, kind, reason, message, jobs) VALUES (?1, ?2, ?3, ?4, ?5, 1)
                 ON CONFLICT (queue, print) DO UPDATE SET jobs = jobs + 1",
            )?
            .execute(params![queue, print, kind.as_str(), reason.as_str(), group.message])?;
        Ok(())
    }

    /// A failed job is about to leave.
    pub(crate) fn uncount_failure(&mut self, place: i64, queue: i64) -> Tried<()> {
        let mut find = self
            .conn
            .prepare_cached("SELECT print FROM ended WHERE queue = ?1 AND state = 5 AND place = ?2")?;
        let print: Option<Option<i64>> = find.query_row([queue, place], |row| row.get(0)).optional()?;
        let Some(print) = print.flatten() else { return Ok(()) };
        self.conn
            .prepare_cached("UPDATE failure SET jobs = jobs - 1 WHERE queue = ?1 AND print = ?2")?
            .execute([queue, print])?;
        self.conn
            .prepare_cached("DELETE FROM failure WHERE queue = ?1 AND print = ?2 AND jobs <= 0")?
            .execute([queue, print])?;
        Ok(())
    }
}
