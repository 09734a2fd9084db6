//! Claims: the way from ready to running.

use std::sync::{Arc, OnceLock};

use longshore_core::{Claim, Claimed, Claims, LaneWant, Lease, LeaseToken, QueueName, State, Timestamp};
use rusqlite::{OptionalExtension, params};

use crate::error::Tried;
use crate::lanes::{LaneRow, Spot, is_first, read_buckets, read_spot};
use crate::rows::{SPEC, SPEC_COLUMNS, read_spec};
use crate::ties::DEADLINE;
use crate::tx::Tx;

impl Tx<'_> {
    pub(crate) fn claim(&mut self, claim: &Claim, now: Timestamp) -> Tried<Claims> {
        claim.check()?;
        self.open_due(now)?;
        let wanted: usize = claim.lanes.iter().map(|lane| lane.limit).sum();
        let mut claims =
            Claims { jobs: Vec::with_capacity(wanted.min(1_024)), next: None, limited: Vec::new() };
        let nonce = self.chance.bits();
        for lane in &claim.lanes {
            let next = self.claim_lane(claim, lane, nonce, now, &mut claims)?;
            claims.next = claims.next.into_iter().chain(next).min();
        }
        Ok(claims)
    }

    /// Claims from one queue; tells when a rate will have room for more, if one had not enough.
    fn claim_lane(
        &mut self,
        claim: &Claim,
        lane: &LaneWant,
        nonce: u64,
        now: Timestamp,
        claims: &mut Claims,
    ) -> Tried<Option<Timestamp>> {
        let queue = self.names.queue(self.conn, &lane.queue)?;
        let settings = self.queue(queue)?;
        if settings.paused || lane.limit == 0 {
            return Ok(None);
        }
        let limited = !settings.settings.limits.is_empty() || !self.kind_limits()?.is_empty();
        if limited {
            claims.limited.push(lane.queue.clone());
        }
        let wanted = if limited { lane.limit.min(lane.slots) } else { lane.limit };
        let room = if limited { wanted.min(self.gate(queue, now)?.room) } else { wanted };
        let overdue = "SELECT 1 FROM expiring WHERE deadline_at <= ?1 LIMIT 1";
        let careful = self.conn.prepare_cached(overdue)?.exists([now.as_millis()])?;
        let want = Want {
            queue,
            name: &lane.queue,
            limit: room as i64,
            nonce,
            worker: self.names.worker(self.conn, &claim.worker)?,
            until: now + claim.lease,
            now,
        };
        let claimed = &mut claims.jobs;
        let before = claimed.len();
        if settings.lanes || self.has_lanes(queue)? {
            self.claim_lanes(&want, claimed)?;
        } else if careful {
            self.claim_alive(&want, claimed)?;
        } else if room > 0 {
            self.claim_front(&want, claimed)?;
        }
        let given = claimed.len() - before;
        self.count(queue, State::Ready, -(given as i64));
        self.count(queue, State::Running, given as i64);
        if !limited {
            return Ok(None);
        }
        self.pass_gate(queue, given, now)?;
        if given == wanted {
            return Ok(None);
        }
        let gate = self.gate(queue, now)?.next.filter(|next| *next > now);
        let gate = if gate.is_some() && self.has_ready(queue)? { gate } else { None };
        Ok(gate.into_iter().chain(self.next_opening(queue)?).min())
    }

    /// One by one out of the open lanes, past what limits hold up. Jobs that were lined up under older limits are brought
    /// where they belong on the way.
    fn claim_lanes(&mut self, want: &Want<'_>, claimed: &mut Vec<Claimed>) -> Tried<()> {
        let settings = self.queue(want.queue)?;
        let has_lanes = self.has_lanes(want.queue)?;
        let mut given = 0;
        while given < want.limit {
            let lane = self.first_open(want.queue)?;
            let plain = self.first_plain(want.queue)?;
            let (place, lane) = match (plain, lane) {
                (None, None) => break,
                (Some(plain), lane) if is_first(Some(plain), lane.as_ref().map(|lane| lane.head)) => {
                    if has_lanes {
                        self.sort_one(want.queue, plain.2)?;
                        continue;
                    }
                    (plain.2, None)
                }
                (_, Some(lane)) if lane.era < settings.era || !has_lanes => {
                    self.sort_one(want.queue, lane.head.2)?;
                    continue;
                }
                (_, lane) => {
                    let Some(lane) = lane else { break };
                    (lane.head.2, Some(lane))
                }
            };
            if self.is_overdue(place, want.now)? {
                // It stands aside, and the keeper ends it.
                self.leave_ready(want.queue, place)?;
                continue;
            }
            if let Some(lane) = &lane
                && let Some(bucket) = self.holds_up(want.queue, lane, want.now)?
            {
                self.close_lane(want.queue, lane, bucket)?;
                continue;
            }
            self.lease_one(want, place, lane.as_ref(), claimed)?;
            given += 1;
        }
        Ok(())
    }

    fn first_plain(&self, queue: i64) -> rusqlite::Result<Option<Spot>> {
        let mut find = self.conn.prepare_cached(
            "SELECT priority, turn, place FROM ready WHERE queue = ?1 ORDER BY priority, turn, place LIMIT 1",
        )?;
        find.query_row([queue], |row| read_spot(row, 0)).optional()
    }

    fn is_overdue(&self, place: i64, now: Timestamp) -> rusqlite::Result<bool> {
        let mut find =
            self.conn.prepare_cached("SELECT 1 FROM job WHERE place = ?1 AND deadline_at <= ?2")?;
        find.exists([place, now.as_millis()])
    }

    /// Leases the first job of a lane, and counts its start.
    fn lease_one(
        &mut self,
        want: &Want<'_>,
        place: i64,
        lane: Option<&LaneRow>,
        claimed: &mut Vec<Claimed>,
    ) -> Tried<()> {
        let conn = self.conn;
        let mut find = conn.prepare_cached(one_job())?;
        let mut rows = find.query([place])?;
        let Some(row) = rows.next()? else { return Ok(()) };
        let (_, ties) = self.read_claimed(row, want, claimed)?;
        drop(rows);
        let buckets = lane.map(|lane| read_buckets(&lane.buckets)).unwrap_or_default();
        self.count_start(want.queue, &buckets, want.now)?;
        self.leave_ready(want.queue, place)?;
        self.lease(want, place)?;
        if !buckets.is_empty() {
            self.set_running_buckets(place, &buckets)?;
        }
        if ties & DEADLINE != 0 {
            self.leave_expiring(place)?;
        }
        Ok(())
    }

    /// Three statements for the whole batch: lease the beginning of the line, read it, and cut it off.
    fn claim_front(&mut self, want: &Want<'_>, claimed: &mut Vec<Claimed>) -> Tried<()> {
        let conn = self.conn;
        let leased = conn
            .prepare_cached(
                "INSERT INTO running (place, nonce, until, lease, worker, started_at, queue, attempt, stalls, retention, result_retention, ties)
                 SELECT job.place, ?3, ?4, ?4 - ?6, ?5, ?6, ?1, job.attempt + 1, job.stalls, job.retention, job.result_retention, job.ties
                 FROM ready CROSS JOIN job ON job.place = ready.place
                 WHERE ready.queue = ?1 ORDER BY ready.priority, ready.turn, ready.place LIMIT ?2",
            )?
            .execute(params![
                want.queue,
                want.limit,
                want.nonce as i64,
                want.until.as_millis(),
                want.worker,
                want.now.as_millis()
            ])?;
        if leased == 0 {
            return Ok(());
        }
        let mut last = None;
        let mut mortal = Vec::new();
        let mut next = conn.prepare_cached(next_ready())?;
        let mut rows = next.query(params![want.queue, want.limit])?;
        while let Some(row) = rows.next()? {
            let (line, ties) = self.read_claimed(row, want, claimed)?;
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
            .execute(params![want.queue, priority, turn, place])?;
        }
        mortal.into_iter().try_for_each(|place| Ok(self.leave_expiring(place)?))
    }

    /// One by one, past jobs whose time to live is over: the keeper ends those.
    fn claim_alive(&mut self, want: &Want<'_>, claimed: &mut Vec<Claimed>) -> Tried<()> {
        let conn = self.conn;
        let mut lines = Vec::new();
        let mut next = conn.prepare_cached(next_alive())?;
        let mut rows = next.query(params![want.queue, want.limit, want.now.as_millis()])?;
        while let Some(row) = rows.next()? {
            lines.push(self.read_claimed(row, want, claimed)?);
        }
        drop(rows);
        for (line, ties) in lines {
            self.leave_ready(want.queue, line.2)?;
            self.lease(want, line.2)?;
            if ties & DEADLINE != 0 {
                self.leave_expiring(line.2)?;
            }
        }
        Ok(())
    }

    /// Leases one job.
    fn lease(&mut self, want: &Want<'_>, place: i64) -> Tried<()> {
        self.conn
            .prepare_cached(
                "INSERT INTO running (place, nonce, until, lease, worker, started_at, queue, attempt, stalls, retention, result_retention, ties)
                 SELECT place, ?2, ?3, ?3 - ?5, ?4, ?5, queue, attempt + 1, stalls, retention, result_retention, ties FROM job WHERE place = ?1",
            )?
            .execute(params![
                place,
                want.nonce as i64,
                want.until.as_millis(),
                want.worker,
                want.now.as_millis()
            ])?;
        Ok(())
    }

    /// Reads a row of [`next_ready`]: where the job stood in line, and its ties.
    fn read_claimed(
        &mut self,
        row: &rusqlite::Row<'_>,
        want: &Want<'_>,
        claimed: &mut Vec<Claimed>,
    ) -> rusqlite::Result<(Spot, i64)> {
        let at = |column: usize| SPEC_COLUMNS + column;
        let (conn, names) = (self.conn, &mut *self.names);
        let spec = read_spec(row, |_| Ok(want.name.clone()), |kind| names.kind_name(conn, kind))?;
        let place: i64 = row.get(at(0))?;
        let line = (spec.priority.get(), row.get(at(4))?, place);
        claimed.push(Claimed {
            lease: Lease { token: LeaseToken::new(place as u64, want.nonce), until: want.until },
            spec: Arc::new(spec),
            attempt: row.get::<_, u32>(at(1))? + 1,
            stalls: row.get(at(2))?,
            created_at: Timestamp::from_millis(row.get(at(3))?),
        });
        Ok((line, row.get(at(5))?))
    }
}

/// What is wanted of one queue, in the numbers of this file.
struct Want<'a> {
    queue: i64,
    name: &'a QueueName,
    limit: i64,
    nonce: u64,
    worker: i64,
    until: Timestamp,
    now: Timestamp,
}

/// What a worker needs to know of a job.
const CLAIMED: &str = "job.place, job.attempt, job.stalls, job.created_at, job.turn, job.ties";

fn next_where(condition: &str) -> String {
    format!(
        "SELECT {SPEC}, {CLAIMED} FROM ready CROSS JOIN job ON job.place = ready.place
         WHERE ready.queue = ?1 {condition} ORDER BY ready.priority, ready.turn, ready.place LIMIT ?2"
    )
}

/// The next ready jobs of a queue.
fn next_ready() -> &'static str {
    static SQL: OnceLock<String> = OnceLock::new();
    SQL.get_or_init(|| next_where(""))
}

/// The same, without those whose time to live is over.
fn next_alive() -> &'static str {
    static SQL: OnceLock<String> = OnceLock::new();
    SQL.get_or_init(|| next_where("AND (job.deadline_at IS NULL OR job.deadline_at > ?3)"))
}

fn one_job() -> &'static str {
    static SQL: OnceLock<String> = OnceLock::new();
    SQL.get_or_init(|| format!("SELECT {SPEC}, {CLAIMED} FROM job WHERE place = ?1"))
}
