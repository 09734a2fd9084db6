//! The end of an attempt: what of it is kept.

use longshore_core::limits::ERRORS_KEPT;
use longshore_core::{AttemptError, JobError, Json, Reason, State, Timestamp, WorkerId};
use rusqlite::{Connection, OptionalExtension, params};

use crate::error::Tried;
use crate::names::{self, parsed};
use crate::ties::{EDGES, KEY};
use crate::tx::{Tx, Wishes};

/// A row of `running`.
pub(crate) struct Attempt {
    pub(crate) place: i64,
    pub(crate) nonce: Option<i64>,
    pub(crate) queue: i64,
    pub(crate) worker: i64,
    pub(crate) started_at: i64,
    /// Which attempt it is, from 1.
    pub(crate) number: i64,
    pub(crate) stalls: i64,
    pub(crate) wishes: Wishes,
    pub(crate) cancel: bool,
    pub(crate) ties: i64,
    buckets: Option<String>,
    progress: (Option<i64>, Option<String>, Option<String>),
}

impl Attempt {
    /// The attempt at this place; with a nonce, only if that claim holds it.
    pub(crate) fn held(conn: &Connection, place: i64, nonce: Option<i64>) -> rusqlite::Result<Option<Self>> {
        let mut find = conn.prepare_cached(
            "SELECT nonce, queue, worker, started_at, attempt, stalls, retention, result_retention, cancel, percent, message, data, ties, buckets
             FROM running WHERE place = ?1 AND (?2 IS NULL OR nonce = ?2)",
        )?;
        let read = |row: &rusqlite::Row<'_>| {
            Ok(Self {
                place,
                nonce: row.get(0)?,
                queue: row.get(1)?,
                worker: row.get(2)?,
                started_at: row.get(3)?,
                number: row.get(4)?,
                stalls: row.get(5)?,
                wishes: Wishes { retention: row.get(6)?, result_retention: row.get(7)? },
                cancel: row.get(8)?,
                progress: (row.get(9)?, row.get(10)?, row.get(11)?),
                ties: row.get(12)?,
                buckets: row.get(13)?,
            })
        };
        find.query_row(params![place, nonce], read).optional()
    }
}

impl Tx<'_> {
    /// The attempt runs no more; where its job goes comes next.
    pub(crate) fn stop_running(&mut self, attempt: &Attempt) -> Tried<()> {
        self.conn.prepare_cached("DELETE FROM running WHERE place = ?1")?.execute([attempt.place])?;
        self.count(attempt.queue, State::Running, -1);
        if let Some(buckets) = &attempt.buckets {
            self.count_stop(attempt.queue, buckets)?;
        }
        self.left_running(attempt.queue)
    }

    /// Writes the history row of a job that ran, and keeps its progress beside it.
    pub(crate) fn end(
        &mut self,
        attempt: &Attempt,
        state: State,
        reason: Option<Reason>,
        way: Option<i64>,
        now: Timestamp,
    ) -> rusqlite::Result<State> {
        let expires_at = self.expires_at(attempt.queue, state, attempt.wishes, now)?;
        self.conn
            .prepare_cached(
                "INSERT INTO ended (queue, state, place, attempt, stalls, started_at, finished_at, expires_at, reason, worker, nonce, way)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            )?
            .execute(params![
                attempt.queue,
                state as i64,
                attempt.place,
                attempt.number,
                attempt.stalls,
                attempt.started_at,
                now.as_millis(),
                expires_at,
                reason.map(Reason::as_str),
                attempt.worker,
                attempt.nonce.filter(|_| way.is_some()),
                way
            ])?;
        if attempt.progress != (None, None, None) {
            let (percent, message, data) = &attempt.progress;
            self.conn
                .prepare_cached(
                    "INSERT INTO detail (place, percent, message, data) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (place) DO UPDATE
                     SET percent = excluded.percent, message = excluded.message, data = excluded.data",
                )?
                .execute(params![attempt.place, percent, message, data])?;
        }
        if attempt.ties & (EDGES | KEY) != 0 {
            self.tied_end(attempt.place, attempt.ties, state)?;
        }
        self.count(attempt.queue, state, 1);
        Ok(state)
    }

    /// Keeps the error of an attempt on its job, the newest few.
    pub(crate) fn keep_error(
        &mut self,
        attempt: &Attempt,
        error: &JobError,
        reason: Reason,
        now: Timestamp,
    ) -> Tried<()> {
        let mut find = self.conn.prepare_cached("SELECT errors FROM detail WHERE place = ?1")?;
        let kept: Option<Option<String>> = find.query_row([attempt.place], |row| row.get(0)).optional()?;
        let mut errors: Vec<AttemptError> =
            kept.flatten().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let started_at = Timestamp::from_millis(attempt.started_at);
        errors.push(AttemptError {
            attempt: attempt.number as u32,
            reason,
            message: error.message.clone(),
            trace: error.trace.clone(),
            worker: parsed(WorkerId::new(names::text(self.conn, attempt.worker)?))?,
            started_at,
            duration_ms: now.since(started_at).as_millis() as u64,
        });
        let surplus = errors.len().saturating_sub(ERRORS_KEPT);
        errors.drain(..surplus);
        let text = serde_json::to_string(&errors).unwrap_or_default();
        self.conn
            .prepare_cached("INSERT INTO detail (place, errors) VALUES (?1, ?2) ON CONFLICT (place) DO UPDATE SET errors = excluded.errors")?
            .execute(params![attempt.place, text])?;
        Ok(())
    }
}

/// Keeps what the handler returned.
pub(crate) fn keep_result(
    conn: &Connection,
    attempt: &Attempt,
    result: &Json,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let expires_at = attempt.wishes.result_retention.map(|stays| now.as_millis().saturating_add(stays));
    conn.prepare_cached(
        "INSERT INTO detail (place, result, result_expires_at) VALUES (?1, ?2, ?3) ON CONFLICT (place) DO UPDATE
         SET result = excluded.result, result_expires_at = excluded.result_expires_at",
    )?
    .execute(params![attempt.place, result.as_str(), expires_at])?;
    Ok(())
}
