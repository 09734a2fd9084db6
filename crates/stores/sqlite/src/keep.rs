use std::sync::Arc;

use longshore_core::life::Move;
use longshore_core::{
    Expect, Fire, Fired, JobError, JobSpec, Kept, Moved, Put, Reason, State, Timestamp, Wake,
};
use rusqlite::{OptionalExtension, params};

use crate::error::Tried;
use crate::history::Attempt;
use crate::insert::waits;
use crate::rows::{SPEC, read_spec, read_state};
use crate::ties::DEADLINE;
use crate::tx::Tx;

/// When to be called next: at once if something is due already.
fn next(now: Timestamp, first: Option<i64>) -> Option<Timestamp> {
    first.map(|due| Timestamp::from_millis(due).max(now))
}

impl Tx<'_> {
    fn first(&self, sql: &str) -> rusqlite::Result<Option<i64>> {
        self.conn.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional().map(Option::flatten)
    }

    fn places(&self, sql: &str, now: Timestamp, limit: usize) -> rusqlite::Result<Vec<i64>> {
        let mut find = self.conn.prepare_cached(sql)?;
        let places = find.query_map(params![now.as_millis(), limit as i64], |row| row.get(0))?;
        places.collect()
    }

    pub(crate) fn promote(&mut self, limit: usize, now: Timestamp) -> Tried<Kept> {
        let mut kept = Kept::default();
        let due = self.places(
            "SELECT place FROM scheduled WHERE due_at <= ?1 ORDER BY due_at, place LIMIT ?2",
            now,
            limit,
        )?;
        for place in due {
            let turn = self.next()?;
            let mut update = self.conn.prepare_cached(
                "UPDATE job SET waits = ?2, due_at = NULL, reason = NULL, turn = ?3 WHERE place = ?1",
            )?;
            let mut find = self.conn.prepare_cached("SELECT queue, due_at FROM job WHERE place = ?1")?;
            let (queue, due_at): (i64, i64) =
                find.query_row([place], |row| Ok((row.get(0)?, row.get(1)?)))?;
            update.execute(params![place, waits(State::Ready), turn])?;
            self.conn
                .prepare_cached("DELETE FROM scheduled WHERE due_at = ?1 AND place = ?2")?
                .execute([due_at, place])?;
            self.enter_ready(place, queue, turn)?;
            self.count(queue, State::Scheduled, -1);
            self.count(queue, State::Ready, 1);
            kept.moved.push(self.moved(place, State::Scheduled, State::Ready, None, None)?);
        }
        kept.next = next(now, self.first("SELECT due_at FROM scheduled ORDER BY due_at LIMIT 1")?);
        Ok(kept)
    }

    pub(crate) fn reclaim(&mut self, limit: usize, stalls_max: u32, now: Timestamp) -> Tried<Kept> {
        let mut kept = Kept::default();
        // A clock that was set back must not keep the jobs of the dead.
        self.conn
            .prepare_cached("UPDATE running SET until = ?1 + 2 * lease WHERE until > ?1 + 2 * lease")?
            .execute([now.as_millis()])?;
        let lost = self.places(
            "SELECT place FROM running WHERE until <= ?1 ORDER BY until, place LIMIT ?2",
            now,
            limit,
        )?;
        for place in lost {
            let Some(attempt) = Attempt::held(self.conn, place, None)? else { continue };
            kept.moved.push(self.take_back(attempt, stalls_max, now)?);
        }
        // `running` is as small as the slots of all workers, so it needs no index by time.
        kept.next = next(now, self.first("SELECT min(until) FROM running")?);
        Ok(kept)
    }

    fn take_back(&mut self, mut attempt: Attempt, stalls_max: u32, now: Timestamp) -> Tried<Moved> {
        let place = attempt.place;
        let by_move = if attempt.cancel {
            Move::Cancel
        } else if attempt.stalls + 1 >= i64::from(stalls_max) {
            Move::Quarantine
        } else {
            Move::Reclaim
        };
        attempt.stalls += 1;
        self.stop_running(&attempt)?;
        self.conn
            .prepare_cached(
                "UPDATE job SET last_nonce = NULL, last_way = NULL, last_state = NULL WHERE place = ?1",
            )?
            .execute([place])?;
        self.wake(Wake::Cancel);
        match by_move {
            Move::Cancel => {
                self.end(&attempt, State::Cancelled, Some(Reason::ByOperator), None, now)?;
                Ok(self.moved(
                    place,
                    State::Running,
                    State::Cancelled,
                    Some(Reason::ByOperator),
                    Some(attempt.number),
                )?)
            }
            Move::Quarantine => {
                let error =
                    JobError::new(&format!("its lease was lost {} times by dying workers", attempt.stalls));
                self.keep_error(&attempt, &error, Reason::Stalled, now)?;
                self.end(&attempt, State::Failed, Some(Reason::Stalled), None, now)?;
                self.count_failure(place, attempt.queue, Reason::Stalled, Some(&error.message))?;
                Ok(self.moved(
                    place,
                    State::Running,
                    State::Failed,
                    Some(Reason::Stalled),
                    Some(attempt.number),
                )?)
            }
            _ => {
                self.conn
                    .prepare_cached(
                        "UPDATE job SET waits = ?2, attempt = ?3, stalls = ?4, worker = ?5, started_at = ?6, reason = NULL,
                         due_at = NULL WHERE place = ?1",
                    )?
                    .execute(params![
                        place,
                        waits(State::Ready),
                        attempt.number - 1,
                        attempt.stalls,
                        attempt.worker,
                        attempt.started_at
                    ])?;
                self.rejoin(place, attempt.queue)?;
                if attempt.ties & DEADLINE != 0 {
                    self.enter_expiring(place)?;
                }
                self.count(attempt.queue, State::Ready, 1);
                Ok(self.moved(place, State::Running, State::Ready, None, None)?)
            }
        }
    }

    pub(crate) fn moved(
        &mut self,
        place: i64,
        from: State,
        state: State,
        reason: Option<Reason>,
        attempt: Option<i64>,
    ) -> rusqlite::Result<Moved> {
        let spec = self.spec_at(place)?;
        let mut find = self.conn.prepare_cached(
            "SELECT job.attempt, created_at, coalesce(ended.started_at, job.started_at)
             FROM job
             LEFT JOIN ended ON ended.queue = job.queue AND ended.state IN (5, 6) AND ended.place = job.place
             WHERE job.place = ?1",
        )?;
        find.query_row([place], |row| {
            let counted: i64 = row.get(0)?;
            Ok(Moved {
                spec: Arc::new(spec),
                from,
                state,
                reason,
                attempt: attempt.unwrap_or(counted) as u32,
                created_at: Timestamp::from_millis(row.get(1)?),
                started_at: row.get::<_, Option<i64>>(2)?.map(Timestamp::from_millis),
            })
        })
    }

    /// What was asked for the job at a place.
    pub(crate) fn spec_at(&mut self, place: i64) -> rusqlite::Result<JobSpec> {
        let conn = self.conn;
        let names = std::cell::RefCell::new(&mut *self.names);
        let mut find = conn.prepare_cached(&format!("SELECT {SPEC} FROM job WHERE place = ?1"))?;
        find.query_row([place], |row| {
            let queue = |number| names.borrow_mut().queue_name(conn, number);
            read_spec(row, queue, |number| names.borrow_mut().kind_name(conn, number))
        })
    }

    pub(crate) fn expire(&mut self, limit: usize, now: Timestamp) -> Tried<Kept> {
        let mut kept = Kept::default();
        let over = self.places(
            "SELECT place FROM expiring WHERE deadline_at <= ?1 ORDER BY deadline_at, place LIMIT ?2",
            now,
            limit,
        )?;
        for place in over {
            let from = self.state_of(place)?.unwrap_or(State::Ready);
            self.end_waiting(place, from, State::Failed, Reason::Expired, now)?;
            kept.moved.push(self.moved(place, from, State::Failed, Some(Reason::Expired), None)?);
        }
        kept.next = next(now, self.first("SELECT deadline_at FROM expiring ORDER BY deadline_at LIMIT 1")?);
        Ok(kept)
    }

    /// Writes the document of a schedule and inserts what it made, if nobody else did.
    pub(crate) fn fire(&mut self, fire: &Fire, now: Timestamp) -> Tried<Fired> {
        let standing = crate::records::get(self.conn, &fire.key, now)?;
        if standing.is_none_or(|doc| doc.version != fire.expect) {
            return Ok(Fired::Conflict);
        }
        let inserted = self.insert(&fire.jobs, now)?;
        let put = self.doc_put(&fire.key, &fire.value, Expect::Version(fire.expect), None, now)?;
        Ok(match put {
            Put::Written(version) => Fired::Done { version, inserted },
            Put::Conflict(_) => Fired::Conflict,
        })
    }

    /// Queues and states with ended jobs, and how many. They are gone through from anywhere, so that none waits for a queue
    /// that never gets done.
    fn ended(&mut self) -> Tried<Vec<(i64, State, u64)>> {
        self.write_counts()?;
        let mut find = self.conn.prepare_cached("SELECT queue, state, jobs FROM count WHERE jobs > 0")?;
        let rows = find.query_map([], |row| {
            Ok((row.get(0)?, read_state(row.get(1)?), row.get::<_, i64>(2)?.unsigned_abs()))
        })?;
        let mut ended: Vec<_> = rows.collect::<rusqlite::Result<_>>()?;
        ended.retain(|(_, state, _)| state.is_end());
        if !ended.is_empty() {
            let first = self.chance.below(ended.len() as u64) as usize;
            ended.rotate_left(first);
        }
        Ok(ended)
    }

    /// The ended jobs of a queue and state whose time is over, or that are more than it keeps; and when there will be some.
    fn ended_too_long(
        &mut self,
        queue: i64,
        state: State,
        jobs: u64,
        limit: usize,
        now: Timestamp,
    ) -> Tried<(Vec<i64>, Option<i64>)> {
        let surplus = jobs.saturating_sub(self.queue(queue)?.retention.most);
        let mut find = self.conn.prepare_cached(
            "SELECT place, expires_at FROM ended WHERE queue = ?1 AND state = ?2 AND expires_at < ?3 ORDER BY expires_at, place",
        )?;
        let mut rows = find.query(params![queue, state as i64, i64::MAX])?;
        let (mut places, mut held) = (Vec::new(), 0);
        while let Some(row) = rows.next()? {
            let over: i64 = row.get(1)?;
            let is_due = over <= now.as_millis() || (places.len() as u64) < surplus;
            if !is_due || places.len() == limit {
                return Ok((places, Some(if is_due { now.as_millis() } else { over })));
            }
            let place = row.get(0)?;
            if over > now.as_millis() && self.holds_key(place, now)? {
                held += 1;
                if held > limit {
                    break;
                }
                continue;
            }
            places.push(place);
        }
        Ok((places, None))
    }

    pub(crate) fn prune(&mut self, limit: usize, now: Timestamp) -> Tried<Kept> {
        self.prune_buckets(limit, now)?;
        let mut kept = Kept::default();
        let results =
            "SELECT place FROM detail WHERE result_expires_at <= ?1 ORDER BY result_expires_at LIMIT ?2";
        for place in self.places(results, now, limit)? {
            self.conn
                .prepare_cached("UPDATE detail SET result = NULL, result_expires_at = NULL, result_expired_at = ?2 WHERE place = ?1")?
                .execute([place, now.as_millis()])?;
            kept.removed += 1;
        }
        let mut over = None;
        for (queue, state, jobs) in self.ended()? {
            let room = limit - kept.removed;
            let (places, next) = self.ended_too_long(queue, state, jobs, room, now)?;
            kept.removed += places.len();
            over = over.into_iter().chain(next).min();
            for place in places {
                self.remove(place, queue, state)?;
            }
        }
        // Documents have a share of their own, or a store that is behind with its jobs would never get to them.
        kept.removed += self.prune_records((limit - kept.removed).max(limit / 10), now)?;
        let firsts = [
            self.first("SELECT min(result_expires_at) FROM detail WHERE result_expires_at IS NOT NULL")?,
            over,
            self.first("SELECT min(expires_at) FROM doc WHERE expires_at IS NOT NULL")?,
        ];
        kept.next = next(now, firsts.into_iter().flatten().min());
        Ok(kept)
    }
}
