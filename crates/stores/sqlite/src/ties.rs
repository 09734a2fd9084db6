//! What ties a job to others: edges to parents and children, a unique key, a deadline. A job without ties pays nothing
//! for them.

use longshore_core::{ParentEnd, State, Timestamp, Wake};
use rusqlite::{OptionalExtension, params};

use crate::rows::read_state;
use crate::tx::Tx;

/// Bits of `ties`: it has edges.
pub(crate) const EDGES: i64 = 1;
/// It was inserted with a unique key.
pub(crate) const KEY: i64 = 2;
/// It has a deadline.
pub(crate) const DEADLINE: i64 = 4;
/// While it runs: buckets count it.
pub(crate) const LIMITS: i64 = 8;

/// The end of a removed record, where others have the number of their state.
const REMOVED: i64 = 7;

pub(crate) fn read_end(number: i64) -> ParentEnd {
    if number == REMOVED { ParentEnd::Removed } else { ParentEnd::Ended(read_state(number)) }
}

fn end_number(end: ParentEnd) -> i64 {
    match end {
        ParentEnd::Ended(state) => state as i64,
        ParentEnd::Removed => REMOVED,
    }
}

impl Tx<'_> {
    pub(crate) fn ties(&self, place: i64) -> rusqlite::Result<i64> {
        let mut find = self.conn.prepare_cached("SELECT ties FROM job WHERE place = ?1")?;
        Ok(find.query_row([place], |row| row.get(0)).optional()?.unwrap_or(0))
    }

    /// From now on its deadline counts, if it has one: it waits.
    pub(crate) fn enter_expiring(&mut self, place: i64) -> rusqlite::Result<()> {
        self.conn
            .prepare_cached(
                "INSERT OR IGNORE INTO expiring (deadline_at, place)
                 SELECT deadline_at, place FROM job WHERE place = ?1 AND deadline_at IS NOT NULL",
            )?
            .execute([place])?;
        self.wake(Wake::Due);
        Ok(())
    }

    pub(crate) fn leave_expiring(&mut self, place: i64) -> rusqlite::Result<()> {
        self.conn
            .prepare_cached(
                "DELETE FROM expiring WHERE place = ?1 AND deadline_at = (SELECT deadline_at FROM job WHERE place = ?1)",
            )?
            .execute([place])?;
        Ok(())
    }

    /// What the end of a tied job means for its key, its relatives, and how long it stays.
    pub(crate) fn tied_end(&mut self, place: i64, ties: i64, state: State) -> rusqlite::Result<()> {
        if ties & KEY != 0 {
            self.conn
                .prepare_cached(
                    "DELETE FROM hold WHERE (queue, key) = (SELECT queue, unique_key FROM job WHERE place = ?1)
                     AND place = ?1 AND until IS NULL",
                )?
                .execute([place])?;
        }
        if ties & EDGES != 0 {
            self.mark(place, ParentEnd::Ended(state))?;
        }
        if ties & (KEY | EDGES) != 0 { self.set_expiry(place) } else { Ok(()) }
    }

    /// What the removal of a tied record means. To be called while the record is there.
    pub(crate) fn tied_removal(&mut self, place: i64, ties: i64) -> rusqlite::Result<()> {
        if ties & KEY != 0 {
            self.conn
                .prepare_cached(
                    "DELETE FROM hold WHERE (queue, key) = (SELECT queue, unique_key FROM job WHERE place = ?1)
                     AND place = ?1",
                )?
                .execute([place])?;
        }
        if ties & EDGES != 0 {
            self.mark(place, ParentEnd::Removed)?;
        }
        Ok(())
    }

    /// Notes that a job of a flow has ended. A removed record cannot complete any more, but one that had completed did.
    pub(crate) fn mark(&mut self, place: i64, end: ParentEnd) -> rusqlite::Result<()> {
        let mut find =
            self.conn.prepare_cached("SELECT 1 FROM edge WHERE parent = ?1 OR child = ?1 LIMIT 1")?;
        if !find.exists([place])? {
            return Ok(());
        }
        self.conn
            .prepare_cached(
                "INSERT INTO mark (place, ended, after) VALUES (?1, ?2, 0)
                 ON CONFLICT (place) DO UPDATE SET ended = excluded.ended, after = 0 WHERE ended <> ?3",
            )?
            .execute(params![place, end_number(end), State::Completed as i64])?;
        self.wake(Wake::Settle);
        Ok(())
    }

    /// Decides anew when an ended job and its result go: after their retention, but not before children and unique key
    /// allow it.
    pub(crate) fn set_expiry(&mut self, place: i64) -> rusqlite::Result<()> {
        let mut find = self.conn.prepare_cached(
            "SELECT job.queue, job.retention, job.result_retention, ended.state, ended.finished_at,
                    (SELECT until FROM hold WHERE hold.queue = job.queue AND hold.key = job.unique_key AND hold.place = job.place),
                    EXISTS (SELECT 1 FROM edge WHERE parent = job.place)
             FROM job JOIN ended ON ended.queue = job.queue AND ended.state IN (4, 5, 6) AND ended.place = job.place
             WHERE job.place = ?1",
        )?;
        let read = |row: &rusqlite::Row<'_>| {
            let wishes = crate::tx::Wishes { retention: row.get(1)?, result_retention: row.get(2)? };
            let (queue, state, finished_at): (i64, i64, i64) = (row.get(0)?, row.get(3)?, row.get(4)?);
            Ok((queue, wishes, state, finished_at, row.get::<_, Option<i64>>(5)?, row.get::<_, bool>(6)?))
        };
        let found = find.query_row([place], read).optional()?;
        let Some((queue, wishes, state, finished_at, until, needed)) = found else { return Ok(()) };
        let over = self.expires_at(queue, read_state(state), wishes, Timestamp::from_millis(finished_at))?;
        let expires_at = if needed { i64::MAX } else { over.max(until.unwrap_or(0)) };
        self.conn
            .prepare_cached(
                "UPDATE ended SET expires_at = ?4 WHERE queue = ?1 AND state = ?2 AND place = ?3",
            )?
            .execute([queue, state, place, expires_at])?;
        let result_over =
            wishes.result_retention.filter(|_| !needed).map(|own| finished_at.saturating_add(own));
        self.conn
            .prepare_cached(
                "UPDATE detail SET result_expires_at = ?2 WHERE place = ?1 AND result IS NOT NULL",
            )?
            .execute(params![place, result_over])?;
        Ok(())
    }
}
