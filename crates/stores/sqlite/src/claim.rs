//! Claims: the way from ready to running.

use std::sync::{Arc, OnceLock};

use longshore_core::{Claim, Claimed, LaneWant, Lease, LeaseToken, QueueName, State, Timestamp};
use rusqlite::params;

use crate::error::Tried;
use crate::rows::{SPEC, SPEC_COLUMNS, read_spec};
use crate::ties::DEADLINE;
use crate::tx::Tx;

impl Tx<'_> {
    pub(crate) fn claim(&mut self, claim: &Claim, now: Timestamp) -> Tried<Vec<Claimed>> {
        claim.check()?;
        let wanted: usize = claim.lanes.iter().map(|lane| lane.limit).sum();
        let mut claimed = Vec::with_capacity(wanted.min(1_024));
        let nonce = self.chance.bits();
        for lane in claim.lanes.iter().filter(|lane| lane.limit > 0) {
            self.claim_lane(claim, lane, nonce, now, &mut claimed)?;
        }
        Ok(claimed)
    }

    fn claim_lane(
        &mut self,
        claim: &Claim,
        lane: &LaneWant,
        nonce: u64,
        now: Timestamp,
        claimed: &mut Vec<Claimed>,
    ) -> Tried<()> {
        let queue = self.names.queue(self.conn, &lane.queue)?;
        if self.queue(queue)?.paused {
            return Ok(());
        }
        let overdue = "SELECT 1 FROM expiring WHERE deadline_at <= ?1 LIMIT 1";
        let careful = self.conn.prepare_cached(overdue)?.exists([now.as_millis()])?;
        let lease = Lane {
            queue,
            name: &lane.queue,
            limit: lane.limit as i64,
            nonce,
            worker: self.names.worker(self.conn, &claim.worker)?,
            until: now + claim.lease,
            now,
        };
        let before = claimed.len();
        if careful {
            self.claim_alive(&lease, claimed)?
        } else {
            self.claim_front(&lease, claimed)?
        }
        let count = (claimed.len() - before) as i64;
        self.count(queue, State::Ready, -count);
        self.count(queue, State::Running, count);
        Ok(())
    }

    /// Three statements for the whole batch: lease the beginning of the line, read it, and cut it off.
    fn claim_front(&mut self, lane: &Lane<'_>, claimed: &mut Vec<Claimed>) -> Tried<()> {
        let conn = self.conn;
        let leased = conn
            .prepare_cached(
                "INSERT INTO running (place, nonce, until, worker, started_at, queue, attempt, stalls, retention, result_retention, ties)
                 SELECT job.place, ?3, ?4, ?5, ?6, ?1, job.attempt + 1, job.stalls, job.retention, job.result_retention, job.ties
                 FROM ready CROSS JOIN job ON job.place = ready.place
                 WHERE ready.queue = ?1 ORDER BY ready.priority, ready.turn, ready.place LIMIT ?2",
            )?
            .execute(params![
                lane.queue,
                lane.limit,
                lane.nonce as i64,
                lane.until.as_millis(),
                lane.worker,
                lane.now.as_millis()
            ])?;
        if leased == 0 {
            return Ok(());
        }
        let mut last = None;
        let mut mortal = Vec::new();
        let mut next = conn.prepare_cached(next_ready())?;
        let mut rows = next.query(params![lane.queue, lane.limit])?;
        while let Some(row) = rows.next()? {
            let (line, ties) = self.read_claimed(row, lane, claimed)?;
            if ties & DEADLINE != 0 {
                mortal.push(line.2);
            }
            last = Some(line);
        }
        drop(rows);
        if let Some((priority, turn, place)) = last {
            conn.prepare_cached(
                "DELETE FROM ready WHERE queue = ?1 AND (priority, turn, place) <= (?2, ?3, ?4)",
            )?
            .execute(params![lane.queue, priority, turn, place])?;
        }
        mortal.into_iter().try_for_each(|place| Ok(self.leave_expiring(place)?))
    }

    /// One by one, past jobs whose time to live is over: the keeper ends those.
    fn claim_alive(&mut self, lane: &Lane<'_>, claimed: &mut Vec<Claimed>) -> Tried<()> {
        let conn = self.conn;
        let mut lines = Vec::new();
        let mut next = conn.prepare_cached(next_alive())?;
        let mut rows = next.query(params![lane.queue, lane.limit, lane.now.as_millis()])?;
        while let Some(row) = rows.next()? {
            lines.push(self.read_claimed(row, lane, claimed)?);
        }
        drop(rows);
        for (line, ties) in lines {
            self.lease(lane, line)?;
            if ties & DEADLINE != 0 {
                self.leave_expiring(line.2)?;
            }
        }
        Ok(())
    }

    /// Leases one job that stands in line.
    fn lease(&mut self, lane: &Lane<'_>, (priority, turn, place): Line) -> Tried<()> {
        self.conn
            .prepare_cached(
                "INSERT INTO running (place, nonce, until, worker, started_at, queue, attempt, stalls, retention, result_retention, ties)
                 SELECT place, ?2, ?3, ?4, ?5, queue, attempt + 1, stalls, retention, result_retention, ties FROM job WHERE place = ?1",
            )?
            .execute(params![place, lane.nonce as i64, lane.until.as_millis(), lane.worker, lane.now.as_millis()])?;
        self.conn
            .prepare_cached(
                "DELETE FROM ready WHERE queue = ?1 AND priority = ?2 AND turn = ?3 AND place = ?4",
            )?
            .execute(params![lane.queue, priority, turn, place])?;
        Ok(())
    }

    /// Reads a row of [`next_ready`]: where the job stood in line, and its ties.
    fn read_claimed(
        &mut self,
        row: &rusqlite::Row<'_>,
        lane: &Lane<'_>,
        claimed: &mut Vec<Claimed>,
    ) -> rusqlite::Result<(Line, i64)> {
        let at = |column: usize| SPEC_COLUMNS + column;
        let (conn, names) = (self.conn, &mut *self.names);
        let spec = read_spec(row, |_| Ok(lane.name.clone()), |kind| names.kind_name(conn, kind))?;
        let place: i64 = row.get(at(0))?;
        let line = (spec.priority.get(), row.get(at(4))?, place);
        claimed.push(Claimed {
            lease: Lease { token: LeaseToken::new(place as u64, lane.nonce), until: lane.until },
            spec: Arc::new(spec),
            attempt: row.get::<_, u32>(at(1))? + 1,
            stalls: row.get(at(2))?,
            created_at: Timestamp::from_millis(row.get(at(3))?),
        });
        Ok((line, row.get(at(5))?))
    }
}

/// Where a ready job stands: priority, turn, place.
type Line = (f64, i64, i64);

/// One lane of a claim, in the numbers of this file.
struct Lane<'a> {
    queue: i64,
    name: &'a QueueName,
    limit: i64,
    nonce: u64,
    worker: i64,
    until: Timestamp,
    now: Timestamp,
}

fn next_where(condition: &str) -> String {
    format!(
        "SELECT {SPEC}, job.place, job.attempt, job.stalls, job.created_at, ready.turn, job.ties
         FROM ready CROSS JOIN job ON job.place = ready.place
         WHERE ready.queue = ?1 {condition} ORDER BY ready.priority, ready.turn, ready.place LIMIT ?2"
    )
}

/// The next ready jobs of a queue with what a worker needs to know of them.
fn next_ready() -> &'static str {
    static SQL: OnceLock<String> = OnceLock::new();
    SQL.get_or_init(|| next_where(""))
}

/// The same, without those whose time to live is over.
fn next_alive() -> &'static str {
    static SQL: OnceLock<String> = OnceLock::new();
    SQL.get_or_init(|| next_where("AND (job.deadline_at IS NULL OR job.deadline_at > ?3)"))
}
