//! Unique keys and who holds them.

use longshore_core::{JobId, JobSpec, QueueName, State, Timestamp, Unique};
use rusqlite::{Connection, OptionalExtension, params};

use crate::error::Tried;
use crate::names;
use crate::rows::read_id;
use crate::tx::Tx;

/// When the time of a key ends that is taken now.
pub(crate) fn window(unique: &Unique, now: Timestamp) -> Option<i64> {
    unique.ttl.map(|ttl| (now + ttl.0).as_millis())
}

/// What an insert with a unique key meets.
pub(crate) enum Meets {
    /// Nobody holds the key.
    Nobody,
    /// This job, which stays.
    Holder(i64),
    /// This job, which is to be removed; the key is then held until that time.
    Replaceable(i64, Option<i64>),
}

/// The place that holds a key, and until when.
fn held(
    conn: &Connection,
    queue: i64,
    key: &str,
    now: Timestamp,
) -> rusqlite::Result<Option<(i64, Option<i64>)>> {
    let mut find = conn.prepare_cached(
        "SELECT place, until FROM hold WHERE queue = ?1 AND key = ?2 AND (until IS NULL OR until > ?3)",
    )?;
    find.query_row(params![queue, key, now.as_millis()], |row| Ok((row.get(0)?, row.get(1)?))).optional()
}

pub(crate) fn id_at(conn: &Connection, place: i64) -> rusqlite::Result<Option<JobId>> {
    let mut find = conn.prepare_cached("SELECT id FROM job WHERE place = ?1")?;
    find.query_row([place], |row| Ok(read_id(row.get_ref(0)?)?)).optional()
}

/// The job that holds a key.
pub(crate) fn owner(
    conn: &Connection,
    queue: &QueueName,
    key: &str,
    now: Timestamp,
) -> rusqlite::Result<Option<JobId>> {
    let Some(queue) = names::find(conn, queue.as_str())? else { return Ok(None) };
    match held(conn, queue, key, now)? {
        Some((place, _)) => id_at(conn, place),
        None => Ok(None),
    }
}

impl Tx<'_> {
    /// Looks at the unique key of a job that is about to be inserted.
    pub(crate) fn meet(&mut self, spec: &JobSpec, unique: &Unique, now: Timestamp) -> Tried<Meets> {
        let queue = self.names.queue(self.conn, &spec.queue)?;
        let Some((place, until)) = held(self.conn, queue, &unique.key, now)? else {
            return Ok(Meets::Nobody);
        };
        let until_now = if unique.extend { window(unique, now) } else { until };
        if unique.replace && self.state_of(place)? == Some(State::Scheduled) {
            return Ok(Meets::Replaceable(place, until_now));
        }
        if until_now != until && until.is_some() {
            self.conn
                .prepare_cached("UPDATE hold SET until = ?3 WHERE queue = ?1 AND key = ?2")?
                .execute(params![queue, unique.key, until_now])?;
            self.set_expiry(place)?;
        }
        Ok(Meets::Holder(place))
    }

    /// Gives a key to a job until then, or until it has ended.
    pub(crate) fn take_key(
        &mut self,
        place: i64,
        queue: i64,
        unique: &Unique,
        until: Option<i64>,
    ) -> Tried<()> {
        let mut take = self.conn.prepare_cached(
            "INSERT INTO hold (queue, key, place, until) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (queue, key) DO NOTHING",
        )?;
        if take.execute(params![queue, unique.key, place, until])? > 0 {
            return Ok(());
        }
        // Somebody held it whose time is over.
        let mut find = self.conn.prepare_cached("SELECT place FROM hold WHERE queue = ?1 AND key = ?2")?;
        let before: i64 = find.query_row(params![queue, unique.key], |row| row.get(0))?;
        self.conn
            .prepare_cached("UPDATE hold SET place = ?3, until = ?4 WHERE queue = ?1 AND key = ?2")?
            .execute(params![queue, unique.key, place, until])?;
        Ok(self.set_expiry(before)?)
    }

    /// The other job that holds the key of this one.
    pub(crate) fn rival(
        &self,
        place: i64,
        queue: i64,
        key: &str,
        now: Timestamp,
    ) -> rusqlite::Result<Option<JobId>> {
        match held(self.conn, queue, key, now)? {
            Some((owner, _)) if owner != place => id_at(self.conn, owner),
            _ => Ok(None),
        }
    }

    /// Whether an ended job holds its key all the same.
    pub(crate) fn holds_key(&self, place: i64, now: Timestamp) -> rusqlite::Result<bool> {
        let mut find = self.conn.prepare_cached(
            "SELECT 1 FROM job CROSS JOIN hold ON hold.queue = job.queue AND hold.key = job.unique_key AND hold.place = job.place
             WHERE job.place = ?1 AND hold.until > ?2",
        )?;
        find.exists([place, now.as_millis()])
    }

    pub(crate) fn free_unique(
        &mut self,
        queue: &QueueName,
        key: &str,
        now: Timestamp,
    ) -> Tried<Option<JobId>> {
        let owner = owner(self.conn, queue, key, now)?;
        let queue = self.names.queue(self.conn, queue)?;
        let mut free =
            self.conn.prepare_cached("DELETE FROM hold WHERE queue = ?1 AND key = ?2 RETURNING place")?;
        let place: Option<i64> = free.query_row(params![queue, key], |row| row.get(0)).optional()?;
        if let Some(place) = place {
            self.set_expiry(place)?;
        }
        Ok(owner)
    }
}
