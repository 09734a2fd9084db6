//! What a worker tells of its attempts: renewals and ends.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use longshore_core::life::Move;
use longshore_core::{End, Ended, LeaseToken, Outcome, Reason, Refusal, Renewal, Renewed, State, Timestamp};
use rusqlite::types::Value;
use rusqlite::{OptionalExtension, params};

use crate::error::Tried;
use crate::history::{self, Attempt};
use crate::insert::waits;
use crate::rows::{read_state, way};
use crate::ties::DEADLINE;
use crate::tx::{Tx, Wishes};

impl Tx<'_> {
    pub(crate) fn renew(
        &mut self,
        renewals: &[Renewal],
        lease: std::time::Duration,
        now: Timestamp,
    ) -> Tried<Vec<Renewed>> {
        let until = now + lease;
        let lasts = until.as_millis() - now.as_millis();
        let mut held =
            self.conn.prepare_cached("SELECT cancel FROM running WHERE place = ?1 AND nonce = ?2")?;
        let mut extend =
            self.conn.prepare_cached("UPDATE running SET until = ?2, lease = ?3 WHERE place = ?1")?;
        let mut advance = self.conn.prepare_cached(
            "UPDATE running SET until = ?2, lease = ?3, percent = max(coalesce(percent, 0), ?4), message = ?5, data = ?6
             WHERE place = ?1",
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
                None => extend.execute([place, until.as_millis(), lasts])?,
                Some(progress) => advance.execute(params![
                    place,
                    until.as_millis(),
                    lasts,
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
                 WHERE nonce = ?2 AND cancel = 0 AND percent IS NULL AND ties & 11 = 0",
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
        self.left_running(queue)?;
        Ok(())
    }

    fn finish_one(&mut self, end: &End, now: Timestamp) -> Tried<Ended> {
        let place = end.token().place() as i64;
        let Some(mut attempt) = Attempt::held(self.conn, place, Some(end.token().nonce() as i64))? else {
            return self.late(end, place);
        };
        attempt.started_at = end.started_at.map_or(attempt.started_at, Timestamp::as_millis);
        self.stop_running(&attempt)?;
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
                let to = self.end(&attempt, State::Failed, Some(*reason), Some(way), now)?;
                self.count_failure(attempt.place, attempt.queue, *reason, Some(&error.message))?;
                to
            }
            Outcome::Retry { at, error, reason } => {
                self.keep_error(&attempt, error, *reason, now)?;
                self.put_back(
                    &attempt,
                    attempt.number,
                    Some(attempt.started_at),
                    Some(*at),
                    Some(*reason),
                    way,
                )?
            }
            Outcome::Snooze { until, reason } => self.put_back(
                &attempt,
                attempt.number - 1,
                Some(attempt.started_at),
                Some(*until),
                *reason,
                way,
            )?,
            Outcome::HandBack | Outcome::Cancel { .. } => {
                let started_at = end.started_at.map(Timestamp::as_millis);
                self.put_back(&attempt, attempt.number - 1, started_at, None, None, way)?
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
        started_at: Option<i64>,
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
                started_at,
                attempt.nonce,
                way
            ])?;
        match due_at {
            Some(due_at) => self.enter_scheduled(attempt.place, due_at)?,
            None => self.rejoin(attempt.place, attempt.queue)?,
        }
        if attempt.ties & DEADLINE != 0 {
            self.enter_expiring(attempt.place)?;
        }
        self.count(attempt.queue, to, 1);
        Ok(to)
    }

    /// Back to ready at the turn it had.
    pub(crate) fn rejoin(&mut self, place: i64, queue: i64) -> Tried<()> {
        let mut find = self.conn.prepare_cached("SELECT turn FROM job WHERE place = ?1")?;
        let turn = find.query_row([place], |row| row.get(0))?;
        self.enter_ready(place, queue, turn)
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
        let mut find =
            self.conn.prepare_cached("SELECT retention, result_retention FROM job WHERE place = ?1")?;
        find.query_row([place], |row| Ok(Wishes { retention: row.get(0)?, result_retention: row.get(1)? }))
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
