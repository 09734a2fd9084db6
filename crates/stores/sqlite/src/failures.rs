//! Failed jobs in groups of those that are alike. Kept, not counted.

use longshore_core::{AttemptError, FailureGroup, Fingerprint, KindName, QueueName, Reason};
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

/// Counts a failed job in its group.
fn count(conn: &Connection, place: i64, queue: i64, group: &FailureGroup) -> rusqlite::Result<()> {
    let print = group.fingerprint.0 as i64;
    conn.prepare_cached("UPDATE ended SET print = ?3 WHERE queue = ?1 AND state = 5 AND place = ?2")?
        .execute([queue, place, print])?;
    conn.prepare_cached(
        "INSERT INTO failure (queue, print, kind, reason, message, jobs) VALUES (?1, ?2, ?3, ?4, ?5, 1)
         ON CONFLICT (queue, print) DO UPDATE SET jobs = jobs + 1",
    )?
    .execute(params![queue, print, group.kind.as_str(), group.reason.as_str(), group.message])?;
    Ok(())
}

/// Counts the jobs that failed before there were groups.
pub(crate) fn count_all(conn: &Connection) -> rusqlite::Result<()> {
    let (mut queue, mut place) = (0, 0);
    loop {
        let mut find = conn.prepare_cached(
            "SELECT e.queue, e.place, e.reason, n.text, d.errors FROM ended e JOIN job j ON j.place = e.place
             JOIN name n ON n.id = j.kind LEFT JOIN detail d ON d.place = e.place
             WHERE e.state = 5 AND (e.queue, e.place) > (?1, ?2) ORDER BY e.queue, e.place LIMIT 1000",
        )?;
        let rows = find.query_map([queue, place], |row| {
            let (reason, errors): (Option<String>, Option<String>) = (row.get(2)?, row.get(4)?);
            let reason = reason.and_then(|text| Reason::parse(&text)).unwrap_or(Reason::Error);
            let errors: Vec<AttemptError> =
                errors.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
            let kind = parsed(KindName::new(row.get::<_, String>(3)?))?;
            let group = FailureGroup::of(&kind, reason, errors.last().map(|error| &*error.message));
            Ok((row.get(0)?, row.get(1)?, group))
        })?;
        let rows: Vec<(i64, i64, FailureGroup)> = rows.collect::<rusqlite::Result<_>>()?;
        let Some(last) = rows.last() else { return Ok(()) };
        (queue, place) = (last.0, last.1);
        for (queue, place, group) in &rows {
            count(conn, *place, *queue, group)?;
        }
    }
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
        count(self.conn, place, queue, &FailureGroup::of(&kind, reason, error))?;
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
