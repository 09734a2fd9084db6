//! Inserts: how a job comes in, and where it stands.

use std::collections::HashMap;
use std::sync::Arc;

use longshore_core::life;
use longshore_core::{Inserted, JobId, JobSpec, State, StoreError, Timestamp, Wake};
use rusqlite::types::ValueRef;
use rusqlite::{OptionalExtension, params};

use crate::error::{Tried, Trouble};
use crate::flow::Fresh;
use crate::rows::{IdValue, options_text, read_state};
use crate::ties::{DEADLINE, EDGES, KEY};
use crate::tx::{Tx, Wishes};
use crate::unique::{self, Meets};

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

const PLAIN: &str = "INSERT INTO job (place, id, queue, kind, priority, created_at, run_at, waits, due_at, turn, owner, correlation,
                      retention, result_retention, options, args)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?1, ?10, ?11, ?12, ?13, ?14, ?15)";
const TIED: &str = "INSERT INTO job (place, id, queue, kind, priority, created_at, run_at, waits, due_at, turn, owner, correlation,
                      retention, result_retention, options, args, ties, deadline_at, unique_key)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?1, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)";

impl Tx<'_> {
    pub(crate) fn insert(&mut self, jobs: &[Arc<JobSpec>], now: Timestamp) -> Tried<Vec<Inserted>> {
        JobSpec::check_batch(jobs)?;
        let fresh = self.all_fresh(jobs)?;
        if !fresh {
            self.refuse_taken(jobs)?;
        }
        let has_flow = jobs.iter().any(|spec| !spec.options.depends_on.is_empty());
        if has_flow {
            self.check_parents(jobs)?;
        }
        self.check_keys(jobs)?;
        let first = self.peek()?;
        let inserted = if has_flow {
            self.insert_flow(jobs, fresh, now)?
        } else {
            let insert = |spec| self.insert_one(spec, fresh, now).map(|(_, inserted)| inserted);
            jobs.iter().map(insert).collect::<Tried<_>>()?
        };
        self.line_up(first)?;
        Ok(inserted)
    }

    /// Inserts jobs that may wait for each other: first all of them, then what ties them together.
    fn insert_flow(&mut self, jobs: &[Arc<JobSpec>], fresh: bool, now: Timestamp) -> Tried<Vec<Inserted>> {
        let mut inserted = Vec::with_capacity(jobs.len());
        let (mut children, mut indexes, mut placed) = (Vec::new(), Vec::new(), HashMap::new());
        let mut renamed = HashMap::new();
        for (index, spec) in jobs.iter().enumerate() {
            let (place, answer) = self.insert_one(spec, fresh, now)?;
            placed.extend(answer.replaced.clone().map(|replaced| (replaced, place)));
            renamed.extend(answer.replaced.clone().map(|replaced| (replaced, answer.id.clone())));
            if answer.id != spec.id {
                renamed.insert(spec.id.clone(), answer.id.clone());
            }
            placed.entry(spec.id.clone()).or_insert(place);
            if !spec.options.depends_on.is_empty() && !answer.duplicate {
                let queue = self.names.queue(self.conn, &spec.queue)?;
                children.push(Fresh { place, queue, spec: spec.clone() });
                indexes.push(index);
            }
            inserted.push(answer);
        }
        for (index, state) in indexes.into_iter().zip(self.link_all(&children, &placed, now)?) {
            inserted[index].state = state;
        }
        for child in &children {
            if let Some(options) = child.spec.options.with_parents_renamed(&renamed) {
                self.conn
                    .prepare_cached("UPDATE job SET options = ?2 WHERE place = ?1")?
                    .execute(params![child.place, options_text(&Arc::new(options))])?;
            }
        }
        Ok(inserted)
    }

    /// Puts the ready ones among the jobs from a place on in line, all with one statement.
    pub(crate) fn line_up(&mut self, first: i64) -> Tried<()> {
        let mut line_up = self.conn.prepare_cached(
            "INSERT INTO ready (queue, priority, turn, place)
             SELECT queue, priority, turn, place FROM job WHERE place >= ?1 AND waits = 2 AND lane IS NULL",
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

    pub(crate) fn in_another_queue(&mut self, spec: &JobSpec) -> Tried<Option<String>> {
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

    /// Where the job at a place stands, if there is one.
    pub(crate) fn state_of(&self, place: i64) -> rusqlite::Result<Option<State>> {
        let mut find = self.conn.prepare_cached("SELECT queue, waits FROM job WHERE place = ?1")?;
        let found = find.query_row([place], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        found.map(|(queue, waits)| self.state(place, queue, waits)).transpose()
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

    /// Inserts one job, all but its place in line (`line_up`), and tells the place of the job that stands for it now.
    pub(crate) fn insert_one(
        &mut self,
        spec: &Arc<JobSpec>,
        fresh: bool,
        now: Timestamp,
    ) -> Tried<(i64, Inserted)> {
        let id = spec.id.clone();
        if !fresh && let Some(holder) = self.holder(&id)? {
            if holder.state != State::Cancelled {
                let duplicate = Inserted { id, state: holder.state, duplicate: true, replaced: None };
                return Ok((holder.place, duplicate));
            }
            self.remove(holder.place, holder.queue, holder.state)?;
        }
        let Some(unique) = &spec.options.unique else {
            let (place, state) = self.add(spec, now)?;
            return Ok((place, Inserted { id, state, duplicate: false, replaced: None }));
        };
        let (mut replaced, mut until) = (None, unique::window(unique, now));
        match self.meet(spec, unique, now)? {
            Meets::Nobody => {}
            Meets::Holder(place) => {
                if let (Some(id), Some(state)) = (unique::id_at(self.conn, place)?, self.state_of(place)?) {
                    return Ok((place, Inserted { id, state, duplicate: true, replaced: None }));
                }
            }
            Meets::Replaceable(place, window) => {
                until = window;
                replaced = unique::id_at(self.conn, place)?;
                let queue = self.names.queue(self.conn, &spec.queue)?;
                self.remove(place, queue, State::Scheduled)?;
            }
        }
        let (place, state) = self.add(spec, now)?;
        let queue = self.names.queue(self.conn, &spec.queue)?;
        self.take_key(place, queue, unique, until)?;
        Ok((place, Inserted { id, state, duplicate: false, replaced }))
    }

    /// Puts a new job in its place. One with parents is blocked until they were looked at.
    fn add(&mut self, spec: &JobSpec, now: Timestamp) -> Tried<(i64, State)> {
        let options = &spec.options;
        let blocked = !options.depends_on.is_empty();
        let state = if blocked { State::Blocked } else { life::born(spec.run_at, now) };
        let place = self.next()?;
        let queue = self.queue_number(&spec.queue)?;
        let kind = self.names.kind(self.conn, &spec.kind)?;
        let due_at = spec.run_at.filter(|_| state == State::Scheduled).map(Timestamp::as_millis);
        let wishes = Wishes::of(options);
        let deadline_at = options.ttl.map(|ttl| (now + ttl.0).as_millis());
        let ties = i64::from(blocked) * EDGES
            + i64::from(options.unique.is_some()) * KEY
            + i64::from(deadline_at.is_some()) * DEADLINE;
        let id = IdValue::of(&spec.id);
        let times = (now.as_millis(), spec.run_at.map(Timestamp::as_millis));
        let (owner, correlation) = (spec.owner.as_deref(), spec.correlation_id.as_deref());
        let (options_text, args) = (options_text(options), spec.args.as_str());
        let (priority, waits) = (spec.priority.get(), waits(state));
        // What ties it to others has columns of its own, which the usual job does not fill.
        if ties == 0 {
            self.conn.prepare_cached(PLAIN)?.execute(params![
                place,
                id,
                queue,
                kind,
                priority,
                times.0,
                times.1,
                waits,
                due_at,
                owner,
                correlation,
                wishes.retention,
                wishes.result_retention,
                options_text,
                args,
            ])?;
        } else {
            let key = options.unique.as_ref().map(|unique| unique.key.as_str());
            self.conn.prepare_cached(TIED)?.execute(params![
                place,
                id,
                queue,
                kind,
                priority,
                times.0,
                times.1,
                waits,
                due_at,
                owner,
                correlation,
                wishes.retention,
                wishes.result_retention,
                options_text,
                args,
                ties,
                deadline_at,
                key,
            ])?;
        }
        match due_at {
            Some(due_at) => self.enter_scheduled(place, due_at)?,
            None if blocked => {}
            None => self.born_ready(queue, place)?,
        }
        if deadline_at.is_some() {
            self.enter_expiring(place)?;
        }
        self.count(queue, state, 1);
        Ok((place, state))
    }

    /// A job is ready from its birth on. Without lanes its place in line follows for the whole batch.
    pub(crate) fn born_ready(&mut self, queue: i64, place: i64) -> Tried<()> {
        if self.has_lanes(queue)? {
            self.line_up_one(queue, place, place)?;
        }
        Ok(self.wake_queue(queue)?)
    }

    pub(crate) fn enter_ready(&mut self, place: i64, queue: i64, turn: i64) -> Tried<()> {
        self.line_up_one(queue, place, turn)?;
        Ok(self.wake_queue(queue)?)
    }

    pub(crate) fn enter_scheduled(&mut self, place: i64, due_at: i64) -> rusqlite::Result<()> {
        self.conn
            .prepare_cached("INSERT INTO scheduled (due_at, place) VALUES (?1, ?2)")?
            .execute([due_at, place])?;
        self.wake(Wake::Due);
        Ok(())
    }
}
