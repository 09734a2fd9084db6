use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use longshore_core::life::{self, Move};
use longshore_core::{
    Claim, Claimed, End, Ended, Inserted, JobId, JobSpec, LaneWant, Lease, LeaseToken, Options, Outcome,
    Reason, Refusal, Renewal, Renewed, State, StoreError, Timestamp, Wake,
};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{OptionalExtension, params};

use crate::error::{Tried, Trouble};
use crate::history::{self, Attempt};
use crate::rows::{IdValue, SPEC, SPEC_COLUMNS, options_text, read_options, read_spec, read_state, way};
use crate::tx::{Tx, Wishes};

/// Where a waiting job waits, as `job.waits` has it.
pub(crate) fn waits(state: State) -> i64 {
    state as i64
}

/// A job that is there already under an id.
struct Holder {
    place: i64,
    queue: i64,
    state: State,
}

impl Tx<'_> {
    pub(crate) fn insert(&mut self, jobs: &[Arc<JobSpec>], now: Timestamp) -> Tried<Vec<Inserted>> {
        JobSpec::check_batch(jobs)?;
        let fresh = self.all_fresh(jobs)?;
        if !fresh {
            self.refuse_taken(jobs)?;
        }
        let first = self.peek()?;
        let inserted = jobs.iter().map(|spec| self.insert_one(spec, fresh, now)).collect::<Tried<_>>()?;
        self.line_up(first)?;
        Ok(inserted)
    }

    /// Puts the ready ones among the jobs from a place on in line, all with one statement.
    fn line_up(&mut self, first: i64) -> Tried<()> {
        let mut line_up = self.conn.prepare_cached(
            "INSERT INTO ready (queue, priority, turn, place)
             SELECT queue, priority, turn, place FROM job WHERE place >= ?1 AND waits = 2",
        )?;
        line_up.execute([first])?;
        Ok(())
    }

    /// Whether every id is above all that are there, as ids are that the engine has just made. Then one look at the
    /// end of the index stands for a look per job.
    fn all_fresh(&self, jobs: &[Arc<JobSpec>]) -> Tried<bool> {
        let rising = jobs.windows(2).all(|pair| pair[0].id.as_uuid() < pair[1].id.as_uuid());
        let Some(first) = jobs.first().and_then(|spec| spec.id.as_uuid()).filter(|_| rising) else {
            return Ok(jobs.is_empty());
        };
        let mut last = self.conn.prepare_cached("SELECT id FROM job ORDER BY id DESC LIMIT 1")?;
        // Texts sort before bytes, so a chosen id never hides a UUID here.
        let fresh = last.query_row([], |row| {
            Ok(matches!(row.get_ref(0)?, ValueRef::Blob(id) if id >= first.to_be_bytes().as_slice()))
        });
        Ok(!fresh.optional()?.unwrap_or(false))
    }

    fn refuse_taken(&mut self, jobs: &[Arc<JobSpec>]) -> Tried<()> {
        for spec in jobs {
            if let Some(queue) = self.in_another_queue(spec)? {
                return Err(Trouble::Refused(StoreError::IdTaken { id: spec.id.to_string(), queue }));
            }
        }
        Ok(())
    }

    fn in_another_queue(&mut self, spec: &JobSpec) -> Tried<Option<String>> {
        let Some(holder) = self.holder(&spec.id)? else { return Ok(None) };
        if holder.state == State::Cancelled {
            return Ok(None);
        }
        let queue = self.names.queue_name(self.conn, holder.queue)?;
        Ok((queue != spec.queue).then(|| queue.to_string()))
    }

    fn holder(&self, id: &JobId) -> Tried<Option<Holder>> {
        let mut find = self.conn.prepare_cached("SELECT place, queue, waits FROM job WHERE id = ?1")?;
        let found = find
            .query_row([IdValue::of(id)], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
        let Some((place, queue, waits)) = found else { return Ok(None) };
        let state = self.state(place, queue, waits)?;
        Ok(Some(Holder { place, queue, state }))
    }

    /// Where a job stands: it runs, or has ended, or waits where its row says.
    pub(crate) fn state(&self, place: i64, queue: i64, waits: i64) -> rusqlite::Result<State> {
        if self.conn.prepare_cached("SELECT 1 FROM running WHERE place = ?1")?.exists([place])? {
            return Ok(State::Running);
        }
        let mut ended = self.conn.prepare_cached(
            "SELECT state FROM ended WHERE queue = ?1 AND state IN (4, 5, 6) AND place = ?2",
        )?;
        let ended: Option<i64> = ended.query_row([queue, place], |row| row.get(0)).optional()?;
        Ok(read_state(ended.unwrap_or(waits)))
    }

    /// Inserts one job, all but its place in line (`line_up`).
    fn insert_one(&mut self, spec: &Arc<JobSpec>, fresh: bool, now: Timestamp) -> Tried<Inserted> {
        let id = spec.id.clone();
        if !fresh && let Some(holder) = self.holder(&id)? {
            if holder.state != State::Cancelled {
                return Ok(Inserted { id, state: holder.state, duplicate: true });
            }
            self.remove(holder.place, holder.queue, holder.state)?;
        }
        let state = self.add(spec, now)?;
        Ok(Inserted { id, state, duplicate: false })
    }

    /// Puts a new job in its place.
    fn add(&mut self, spec: &JobSpec, now: Timestamp) -> Tried<State> {
        let state = life::born(spec.run_at, now);
        let place = self.next()?;
        let queue = self.queue_number(&spec.queue)?;
        let kind = self.names.kind(self.conn, &spec.kind)?;
        let due_at = spec.run_at.filter(|_| state == State::Scheduled).map(Timestamp::as_millis);
        let wishes = Wishes::of(&spec.options);
        self.conn
            .prepare_cached(
                "INSERT INTO job (place, id, queue, kind, priority, created_at, run_at, waits, due_at, turn, owner, correlation,
                                  retention, result_retention, options, args)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?1, ?10, ?11, ?12, ?13, ?14, ?15)",
            )?
            .execute(params![
                place,
                IdValue::of(&spec.id),
                queue,
                kind,
                spec.priority.get(),
                now.as_millis(),
                spec.run_at.map(Timestamp::as_millis),
                waits(state),
                due_at,
                spec.owner.as_deref(),
                spec.correlation_id.as_deref(),
                wishes.retention,
                wishes.result_retention,
                options_text(&spec.options),
                spec.args.as_str(),
            ])?;
        match due_at {
            Some(due_at) => self.enter_scheduled(place, due_at)?,
            // Its place in line follows for the whole batch.
            None => self.wake_queue(queue)?,
        }
        self.count(queue, state, 1);
        Ok(state)
    }

    pub(crate) fn enter_ready(
        &mut self,
        place: i64,
        queue: i64,
        priority: f64,
        turn: i64,
    ) -> rusqlite::Result<()> {
        self.conn
            .prepare_cached("INSERT INTO ready (queue, priority, turn, place) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![queue, priority, turn, place])?;
        self.wake_queue(queue)
    }

    pub(crate) fn enter_scheduled(&mut self, place: i64, due_at: i64) -> rusqlite::Result<()> {
        self.conn
            .prepare_cached("INSERT INTO scheduled (due_at, place) VALUES (?1, ?2)")?
            .execute([due_at, place])?;
        self.wake(Wake::Due);
        Ok(())
    }

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
        let conn = self.conn;
        let before = claimed.len();
        let worker = self.names.worker(conn, &claim.worker)?;
        let until = now + claim.lease;
        // Three statements for the whole batch: lease the beginning of the line, read it, and cut it off.
        let leased = conn.prepare_cached(
            "INSERT INTO running (place, nonce, until, worker, started_at, queue, attempt, stalls, retention, result_retention)
             SELECT job.place, ?3, ?4, ?5, ?6, ?1, job.attempt + 1, job.stalls, job.retention, job.result_retention
             FROM ready CROSS JOIN job ON job.place = ready.place
             WHERE ready.queue = ?1 ORDER BY ready.priority, ready.turn, ready.place LIMIT ?2",
        )?.execute(params![queue, lane.limit as i64, nonce as i64, until.as_millis(), worker, now.as_millis()])?;
        if leased == 0 {
            return Ok(());
        }
        let mut next = conn.prepare_cached(next_ready())?;
        let mut last = None;
        let mut rows = next.query(params![queue, lane.limit as i64])?;
        while let Some(row) = rows.next()? {
            let at = |column: usize| SPEC_COLUMNS + column;
            let names = &mut *self.names;
            let spec = read_spec(row, |_| Ok(lane.queue.clone()), |kind| names.kind_name(conn, kind))?;
            let place: i64 = row.get(at(0))?;
            last = Some((spec.priority.get(), row.get::<_, i64>(at(4))?, place));
            claimed.push(Claimed {
                lease: Lease { token: LeaseToken::new(place as u64, nonce), until },
                spec: Arc::new(spec),
                attempt: row.get::<_, u32>(at(1))? + 1,
                stalls: row.get(at(2))?,
                created_at: Timestamp::from_millis(row.get(at(3))?),
            });
        }
        drop(rows);
        if let Some((priority, turn, place)) = last {
            conn.prepare_cached(
                "DELETE FROM ready WHERE queue = ?1 AND (priority, turn, place) <= (?2, ?3, ?4)",
            )?
            .execute(params![queue, priority, turn, place])?;
        }
        let count = (claimed.len() - before) as i64;
        self.count(queue, State::Ready, -count);
        self.count(queue, State::Running, count);
        Ok(())
    }

    pub(crate) fn renew(
        &mut self,
        renewals: &[Renewal],
        lease: std::time::Duration,
        now: Timestamp,
    ) -> Tried<Vec<Renewed>> {
        let until = now + lease;
        let mut held =
            self.conn.prepare_cached("SELECT cancel FROM running WHERE place = ?1 AND nonce = ?2")?;
        let mut extend = self.conn.prepare_cached("UPDATE running SET until = ?2 WHERE place = ?1")?;
        let mut advance = self.conn.prepare_cached(
            "UPDATE running SET until = ?2, percent = max(coalesce(percent, 0), ?3), message = ?4, data = ?5 WHERE place = ?1",
        )?;
        let mut answers = Vec::with_capacity(renewals.len());
        for renewal in renewals {
            let place = renewal.token.place() as i64;
            let cancel =
                held.query_row([place, renewal.token.nonce() as i64], |row| row.get(0)).optional()?;
            let Some(cancel) = cancel else {
                answers.push(Renewed::Lost);
                continue;
            };
            match &renewal.progress {
                None => extend.execute([place, until.as_millis()])?,
                Some(progress) => advance.execute(params![
                    place,
                    until.as_millis(),
                    progress.percent,
                    progress.message.as_deref(),
                    progress.data.as_ref().map(longshore_core::Json::as_str)
                ])?,
            };
            answers.push(Renewed::Held { until, cancel });
        }
        Ok(answers)
    }

    pub(crate) fn finish(&mut self, ends: &[End], now: Timestamp) -> Tried<Vec<Ended>> {
        End::check_batch(ends)?;
        let mut done = self.finish_plain(ends, now)?;
        ends.iter()
            .map(|end| {
                if done.remove(&end.token()) {
                    Ok(Ended::Moved(State::Completed))
                } else {
                    self.finish_one(end, now)
                }
            })
            .collect()
    }

    /// Completes the attempts that ended without a result or anything else to keep, all of one claim together, and
    /// tells which they were.
    fn finish_plain(&mut self, ends: &[End], now: Timestamp) -> Tried<HashSet<LeaseToken>> {
        let mut done = HashSet::new();
        if any_twice(ends) {
            // Which of two ends of one lease counts is a matter of their order, so they go one by one.
            return Ok(done);
        }
        let mut claims: HashMap<u64, Vec<i64>> = HashMap::new();
        for end in ends.iter().filter(|end| is_plain(end)) {
            claims.entry(end.token().nonce()).or_default().push(end.token().place() as i64);
        }
        for (nonce, mut places) in claims.into_iter().filter(|(_, places)| places.len() > 1) {
            places.sort_unstable();
            let mut queues: HashMap<i64, Vec<i64>> = HashMap::new();
            let mut held = self.conn.prepare_cached(
                "SELECT running.place, running.queue FROM rarray(?1) AS wanted CROSS JOIN running ON running.place = wanted.value
                 WHERE nonce = ?2 AND cancel = 0 AND percent IS NULL",
            )?;
            let places = Rc::new(places.into_iter().map(Value::Integer).collect::<Vec<_>>());
            let mut rows = held.query(params![places, nonce as i64])?;
            while let Some(row) = rows.next()? {
                queues.entry(row.get(1)?).or_default().push(row.get(0)?);
            }
            for (queue, places) in queues {
                done.extend(places.iter().map(|place| LeaseToken::new(*place as u64, nonce)));
                self.complete(queue, places, now)?;
            }
        }
        Ok(done)
    }

    /// Moves attempts of one queue from running to completed, keeping nothing but the history row.
    fn complete(&mut self, queue: i64, places: Vec<i64>, now: Timestamp) -> Tried<()> {
        let expires_at = self.expires_at(queue, State::Completed, Wishes::default(), now)?;
        let jobs = places.len() as i64;
        let places = Rc::new(places.into_iter().map(Value::Integer).collect::<Vec<_>>());
        self.conn
            .prepare_cached(
                "INSERT INTO ended (queue, state, place, attempt, stalls, started_at, finished_at, expires_at, worker, nonce, way)
                 SELECT queue, 4, place, attempt, stalls, started_at, ?2, coalesce(?2 + retention, ?3), worker, nonce, 1
                 FROM rarray(?1) AS wanted CROSS JOIN running ON running.place = wanted.value",
            )?
            .execute(params![places, now.as_millis(), expires_at])?;
        self.conn.prepare_cached("DELETE FROM running WHERE place IN rarray(?1)")?.execute([places])?;
        self.count(queue, State::Running, -jobs);
        self.count(queue, State::Completed, jobs);
        Ok(())
    }

    fn finish_one(&mut self, end: &End, now: Timestamp) -> Tried<Ended> {
        let place = end.token().place() as i64;
        let Some(mut attempt) = Attempt::held(self.conn, place, Some(end.token().nonce() as i64))? else {
            return self.late(end, place);
        };
        attempt.started_at = end.started_at.map_or(attempt.started_at, Timestamp::as_millis);
        self.conn.prepare_cached("DELETE FROM running WHERE place = ?1")?.execute([place])?;
        self.count(attempt.queue, State::Running, -1);
        let by_move = end.outcome.by_move(attempt.cancel);
        let way = way(&end.outcome);
        let to = match &end.outcome {
            _ if by_move == Move::Cancel => {
                let reason =
                    if let Outcome::Cancel { reason } = &end.outcome { *reason } else { Reason::ByOperator };
                if let Outcome::Retry { error, reason, .. } = &end.outcome {
                    self.keep_error(&attempt, error, *reason, now)?;
                }
                self.end(&attempt, State::Cancelled, Some(reason), Some(way), now)?
            }
            Outcome::Done { result } => {
                if let Some(result) = result {
                    history::keep_result(self.conn, &attempt, result, now)?;
                }
                self.end(&attempt, State::Completed, None, Some(way), now)?
            }
            Outcome::Fail { error, reason } => {
                self.keep_error(&attempt, error, *reason, now)?;
                self.end(&attempt, State::Failed, Some(*reason), Some(way), now)?
            }
            Outcome::Retry { at, error, reason } => {
                self.keep_error(&attempt, error, *reason, now)?;
                self.put_back(&attempt, attempt.number, Some(*at), Some(*reason), way)?
            }
            Outcome::Snooze { until, reason } => {
                self.put_back(&attempt, attempt.number - 1, Some(*until), *reason, way)?
            }
            Outcome::HandBack | Outcome::Cancel { .. } => {
                self.put_back(&attempt, attempt.number - 1, None, None, way)?
            }
        };
        if !end.then.is_empty() {
            let first = self.peek()?;
            for spec in &end.then {
                if self.in_another_queue(spec)?.is_none() {
                    self.insert_one(spec, false, now)?;
                }
            }
            self.line_up(first)?;
        }
        Ok(Ended::Moved(to))
    }

    /// Puts a job back that was running: until a time, or at its old place in line.
    fn put_back(
        &mut self,
        attempt: &Attempt,
        count: i64,
        due: Option<Timestamp>,
        reason: Option<Reason>,
        way: i64,
    ) -> Tried<State> {
        let to = if due.is_some() { State::Scheduled } else { State::Ready };
        let due_at = due.map(Timestamp::as_millis);
        self.conn
            .prepare_cached(
                "UPDATE job SET waits = ?2, due_at = ?3, attempt = ?4, reason = ?5, worker = ?6, started_at = ?7,
                 last_nonce = ?8, last_way = ?9, last_state = ?2 WHERE place = ?1",
            )?
            .execute(params![
                attempt.place,
                waits(to),
                due_at,
                count,
                reason.map(Reason::as_str),
                attempt.worker,
                attempt.started_at,
                attempt.nonce,
                way
            ])?;
        match due_at {
            Some(due_at) => self.enter_scheduled(attempt.place, due_at)?,
            None => self.rejoin(attempt.place, attempt.queue)?,
        }
        self.count(attempt.queue, to, 1);
        Ok(to)
    }

    /// Back to ready at the turn it had.
    pub(crate) fn rejoin(&mut self, place: i64, queue: i64) -> rusqlite::Result<()> {
        let mut find = self.conn.prepare_cached("SELECT priority, turn FROM job WHERE place = ?1")?;
        let (priority, turn) = find.query_row([place], |row| Ok((row.get(0)?, row.get(1)?)))?;
        self.enter_ready(place, queue, priority, turn)
    }

    /// The answer to an end whose lease does not hold the job.
    fn late(&self, end: &End, place: i64) -> Tried<Ended> {
        let (nonce, way) = (end.token().nonce() as i64, way(&end.outcome));
        let mut find = self
            .conn
            .prepare_cached("SELECT queue, last_nonce, last_way, last_state FROM job WHERE place = ?1")?;
        let found = find.query_row([place], |row| {
            let last: (Option<i64>, Option<i64>, Option<i64>) = (row.get(1)?, row.get(2)?, row.get(3)?);
            Ok((row.get::<_, i64>(0)?, last))
        });
        let Some((queue, last)) = found.optional()? else { return Ok(Ended::Refused(Refusal::Gone)) };
        let mut find = self.conn.prepare_cached(
            "SELECT nonce, way, state FROM ended WHERE queue = ?1 AND state IN (4, 5, 6) AND place = ?2",
        )?;
        let ended =
            find.query_row([queue, place], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?;
        // An end that no claim made (an operator's cancel) does not hide how the latest attempt ended.
        let latest =
            ended.filter(|(by, _, _): &(Option<i64>, Option<i64>, Option<i64>)| by.is_some()).unwrap_or(last);
        Ok(match latest {
            (Some(by), Some(same), Some(state)) if by == nonce && same == way => {
                Ended::Repeated(read_state(state))
            }
            _ => Ended::Refused(Refusal::LeaseLost),
        })
    }

    /// The wishes of a job that does not run.
    pub(crate) fn wishes(&self, place: i64) -> rusqlite::Result<Wishes> {
        let mut find = self.conn.prepare_cached("SELECT options FROM job WHERE place = ?1")?;
        let options: Option<String> = find.query_row([place], |row| row.get(0))?;
        let options = options.map_or_else(Options::default, |text| read_options(&text));
        Ok(Wishes::of(&options))
    }
}

/// Whether a lease is named by more than one end.
fn any_twice(ends: &[End]) -> bool {
    let mut tokens: Vec<(u64, u64)> =
        ends.iter().map(|end| (end.token().place(), end.token().nonce())).collect();
    tokens.sort_unstable();
    tokens.windows(2).any(|pair| pair[0] == pair[1])
}

/// Whether all there is to keep of this end is that it happened.
fn is_plain(end: &End) -> bool {
    matches!(end.outcome, Outcome::Done { result: None }) && end.then.is_empty() && end.started_at.is_none()
}

/// The next ready jobs of a queue with what a worker needs to know of them.
fn next_ready() -> &'static str {
    static SQL: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    SQL.get_or_init(|| {
        format!(
            "SELECT {SPEC}, job.place, job.attempt, job.stalls, job.created_at, ready.turn
             FROM ready CROSS JOIN job ON job.place = ready.place
             WHERE ready.queue = ?1 ORDER BY ready.priority, ready.turn, ready.place LIMIT ?2"
        )
    })
}
