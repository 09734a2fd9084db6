//! Looks: short read transactions that take no lock from the writer.

use std::collections::HashMap;
use std::sync::Arc;

use longshore_core::{
    AttemptError, Counts, Cursor, Job, JobFilter, JobId, JobPage, Json, KindName, Page, Progress, QueueInfo,
    QueueName, State, Timestamp, WorkerId,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::limits::Settings;
use crate::names::{self, parsed};
use crate::rows::{IdValue, SPEC, SPEC_COLUMNS, read_spec, read_state, reason, time};
use crate::tx::{QUEUE, Queue, read_queue};

/// Records that one call of `list` looks at.
const LOOKED_AT_MAX: i64 = 10_000;

/// A job with all that stands beside it. A job runs, or has ended, or waits: the first of these that has a row tells.
fn whole(condition: &str) -> String {
    format!(
        "SELECT {SPEC}, job.place, job.created_at, job.waits, job.due_at, job.attempt, job.stalls, job.reason, job.worker, job.started_at,
         job.parents_left, job.deadline_at,
         running.attempt, running.stalls, running.worker, running.started_at, running.cancel, running.percent, running.message, running.data,
         ended.state, ended.attempt, ended.stalls, ended.started_at, ended.finished_at, ended.expires_at, ended.reason, ended.worker,
         detail.percent, detail.message, detail.data, detail.result, detail.result_expired_at, detail.errors
         FROM job
         LEFT JOIN running ON running.place = job.place
         LEFT JOIN ended ON ended.queue = job.queue AND ended.state IN (4, 5, 6) AND ended.place = job.place
         LEFT JOIN detail ON detail.place = job.place
         WHERE {condition}"
    )
}

const JOB: usize = SPEC_COLUMNS;
const RUNNING: usize = JOB + 11;
const ENDED: usize = RUNNING + 8;
const DETAIL: usize = ENDED + 8;

fn worker(conn: &Connection, number: Option<i64>) -> rusqlite::Result<Option<WorkerId>> {
    number.map(|number| parsed(WorkerId::new(names::text(conn, number)?))).transpose()
}

fn progress(row: &Row<'_>, at: usize) -> rusqlite::Result<Progress> {
    let message: Option<String> = row.get(at + 1)?;
    let data: Option<String> = row.get(at + 2)?;
    Ok(Progress {
        percent: row.get::<_, Option<u8>>(at)?.unwrap_or(0),
        message: message.map(Arc::from),
        data: data.map(|text| Json::trusted(&text)),
    })
}

fn read_job(conn: &Connection, row: &Row<'_>) -> rusqlite::Result<Job> {
    let queue = |number| parsed(QueueName::new(names::text(conn, number)?));
    let kind = |number| parsed(KindName::new(names::text(conn, number)?));
    let spec = Arc::new(read_spec(row, queue, kind)?);
    let result: Option<String> = row.get(DETAIL + 3)?;
    let errors: Option<String> = row.get(DETAIL + 5)?;
    let mut job = Job {
        state: read_state(row.get(JOB + 2)?),
        run_at: time(row.get(JOB + 3)?),
        attempt: row.get(JOB + 4)?,
        stalls: row.get(JOB + 5)?,
        reason: reason(row.get_ref(JOB + 6)?.as_str_or_null()?),
        worker: worker(conn, row.get(JOB + 7)?)?,
        started_at: time(row.get(JOB + 8)?),
        parents_left: row.get(JOB + 9)?,
        deadline_at: time(row.get(JOB + 10)?),
        created_at: Timestamp::from_millis(row.get(JOB + 1)?),
        finished_at: None,
        progress: Progress::default(),
        result: result.map(|text| Json::trusted(&text)),
        result_expired_at: time(row.get(DETAIL + 4)?),
        errors: errors
            .and_then(|text| serde_json::from_str::<Vec<AttemptError>>(&text).ok())
            .unwrap_or_default(),
        cancel_requested: false,
        expires_at: None,
        spec,
    };
    if let Some(attempt) = row.get(RUNNING)? {
        job.state = State::Running;
        job.reason = None;
        job.run_at = None;
        job.attempt = attempt;
        job.stalls = row.get(RUNNING + 1)?;
        job.worker = worker(conn, row.get(RUNNING + 2)?)?;
        job.started_at = time(row.get(RUNNING + 3)?);
        job.cancel_requested = row.get(RUNNING + 4)?;
        job.progress = progress(row, RUNNING + 5)?;
    } else if let Some(state) = row.get(ENDED)? {
        job.state = read_state(state);
        job.run_at = None;
        job.attempt = row.get(ENDED + 1)?;
        job.stalls = row.get(ENDED + 2)?;
        job.started_at = time(row.get(ENDED + 3)?);
        job.finished_at = time(row.get(ENDED + 4)?);
        job.expires_at = time(row.get(ENDED + 5)?).filter(|over| over.as_millis() < i64::MAX);
        job.reason = reason(row.get_ref(ENDED + 6)?.as_str_or_null()?);
        job.worker = worker(conn, row.get(ENDED + 7)?)?;
        job.progress = progress(row, DETAIL)?;
        if job.state == State::Completed {
            job.progress.percent = 100;
        }
    }
    Ok(job)
}

pub(crate) fn job(conn: &Connection, id: &JobId) -> rusqlite::Result<Option<Job>> {
    conn.prepare_cached(&whole("job.id = ?1"))?
        .query_row([IdValue::of(id)], |row| read_job(conn, row))
        .optional()
}

pub(crate) fn job_at(conn: &Connection, place: i64) -> rusqlite::Result<Option<Job>> {
    conn.prepare_cached(&whole("job.place = ?1"))?.query_row([place], |row| read_job(conn, row)).optional()
}

/// Queues of which a listing by state looks at each one's own order; with more it goes through all jobs.
const QUEUES_MAX: usize = 100;

/// Where the places of a listing come from, the newest first.
enum Source {
    /// What one caller owns.
    Owner(String),
    /// The order of each of these queues and states.
    Orders(Vec<(i64, State)>),
    /// All jobs; none but those of this queue and of these kinds of waiting can match.
    Walk { queue: Option<i64>, waits: Vec<i64> },
}

/// The next places of a listing.
struct Places {
    /// Of jobs that may match.
    found: Vec<i64>,
    /// How far was looked; none is to the end.
    until: Option<i64>,
}

impl Source {
    /// The smallest one that holds all jobs that can match; none if no job can.
    fn of(conn: &Connection, filter: &JobFilter) -> rusqlite::Result<Option<Self>> {
        let queue = match &filter.queue {
            None => None,
            Some(name) => match names::find(conn, name.as_str())? {
                Some(number) => Some(number),
                None => return Ok(None),
            },
        };
        if let Some(owner) = &filter.owner {
            return Ok(Some(Self::Owner(owner.clone())));
        }
        let queues = queue.map_or_else(|| all_queues(conn), |number| Ok(vec![number]))?;
        if filter.states.is_empty() || queues.len() > QUEUES_MAX {
            return Ok(Some(Self::Walk { queue, waits: Vec::new() }));
        }
        let mut orders = Vec::new();
        for state in &filter.states {
            if !state.is_end() && *state != State::Running && in_all(conn, *state, queue)? > LOOKED_AT_MAX {
                // Their own order is not that of their places; so many are found sooner among all jobs.
                let only_waits =
                    filter.states.iter().all(|state| !state.is_end() && *state != State::Running);
                let waits = filter.states.iter().map(|state| crate::insert::waits(*state));
                let waits = if only_waits { waits.collect() } else { Vec::new() };
                return Ok(Some(Self::Walk { queue, waits }));
            }
            orders.extend(queues.iter().map(|queue| (*queue, *state)));
        }
        Ok(Some(Self::Orders(orders)))
    }

    /// The newest places before one, looking at so many.
    fn before(&self, conn: &Connection, before: i64, limit: i64) -> rusqlite::Result<Places> {
        let mut until = None;
        let mut found: Vec<i64> = match self {
            Self::Owner(owner) => {
                let sql =
                    "SELECT place FROM job WHERE owner = ?1 AND place < ?2 ORDER BY place DESC LIMIT ?3";
                let mut find = conn.prepare_cached(sql)?;
                find.query_map(params![owner, before, limit], |row| row.get(0))?.collect::<Result<_, _>>()?
            }
            Self::Orders(orders) => {
                let mut places = Vec::new();
                for (queue, state) in orders {
                    places.extend(in_state(conn, *queue, *state, before, limit)?);
                }
                places.sort_unstable_by(|one, other| other.cmp(one));
                places.dedup();
                places.truncate(limit as usize);
                places
            }
            Self::Walk { queue, waits } => {
                let sql = "SELECT place, queue, waits FROM job WHERE place < ?1 ORDER BY place DESC LIMIT ?2";
                let mut find = conn.prepare_cached(sql)?;
                let mut rows = find.query([before, limit])?;
                let (mut places, mut looked_at) = (Vec::new(), 0);
                while let Some(row) = rows.next()? {
                    let place: i64 = row.get(0)?;
                    looked_at += 1;
                    until = (looked_at == limit).then_some(place);
                    if queue.is_none_or(|queue| row.get(1) == Ok(queue))
                        && (waits.is_empty() || waits.contains(&row.get(2)?))
                    {
                        places.push(place);
                    }
                }
                return Ok(Places { found: places, until });
            }
        };
        found.truncate(limit as usize);
        if found.len() as i64 == limit {
            until = found.last().copied();
        }
        Ok(Places { found, until })
    }
}

fn all_queues(conn: &Connection) -> rusqlite::Result<Vec<i64>> {
    let mut find = conn.prepare_cached("SELECT id FROM queue LIMIT ?1")?;
    find.query_map([QUEUES_MAX as i64 + 1], |row| row.get(0))?.collect()
}

/// How many places have to be looked at to list those in a state that wait: ready jobs stand by queue, the others all
/// together.
fn in_all(conn: &Connection, state: State, queue: Option<i64>) -> rusqlite::Result<i64> {
    let queue = queue.filter(|_| state == State::Ready);
    let sql = "SELECT coalesce(sum(jobs), 0) FROM count WHERE state = ?1 AND (?2 IS NULL OR queue = ?2)";
    conn.prepare_cached(sql)?.query_row(params![state as i64, queue], |row| row.get(0))
}

/// The newest places of a queue in a state.
fn in_state(
    conn: &Connection,
    queue: i64,
    state: State,
    before: i64,
    limit: i64,
) -> rusqlite::Result<Vec<i64>> {
    let mut count =
        conn.prepare_cached("SELECT 1 FROM count WHERE queue = ?1 AND state = ?2 AND jobs > 0")?;
    if !count.exists([queue, state as i64])? {
        return Ok(Vec::new());
    }
    let sql = match state {
        State::Completed | State::Failed | State::Cancelled => {
            "SELECT place FROM ended WHERE queue = ?1 AND state = ?2 AND place < ?3 ORDER BY place DESC LIMIT ?4"
        }
        State::Running => {
            "SELECT place FROM running WHERE queue = ?1 AND ?2 AND place < ?3 ORDER BY place DESC LIMIT ?4"
        }
        // A ready job whose time to live is over may stand in neither, but it is about to fail.
        State::Ready => {
            "SELECT place FROM ready WHERE queue = ?1 AND ?2 AND place < ?3
             UNION ALL SELECT lined.place FROM lane JOIN lined ON lined.lane = lane.id WHERE lane.queue = ?1 AND lined.place < ?3
             UNION ALL SELECT place FROM expiring WHERE place < ?3
             ORDER BY place DESC LIMIT ?4"
        }
        State::Scheduled => {
            "SELECT scheduled.place FROM scheduled CROSS JOIN job ON job.place = scheduled.place
             WHERE job.queue = ?1 AND ?2 AND scheduled.place < ?3 ORDER BY scheduled.place DESC LIMIT ?4"
        }
        State::Blocked => {
            "SELECT DISTINCT edge.child FROM edge CROSS JOIN job ON job.place = edge.child
             WHERE met = 0 AND job.queue = ?1 AND ?2 AND edge.child < ?3 ORDER BY edge.child DESC LIMIT ?4"
        }
    };
    let number = if state.is_end() { state as i64 } else { 1 };
    conn.prepare_cached(sql)?.query_map(params![queue, number, before, limit], |row| row.get(0))?.collect()
}

pub(crate) fn list(conn: &Connection, filter: &JobFilter, page: Page) -> rusqlite::Result<JobPage> {
    let (mut found, mut bytes) = (JobPage::default(), 0);
    let Some(source) = Source::of(conn, filter)? else { return Ok(found) };
    let mut before = page.after.map_or(i64::MAX, |cursor| cursor.0 as i64);
    // Most pages are full with the first places; what is passed over makes the next step longer.
    let (mut looked_at, mut step) = (0, (page.limit as i64 + 1).clamp(64, LOOKED_AT_MAX));
    loop {
        let places = source.before(conn, before, step)?;
        for place in &places.found {
            if let Some(job) = job_at(conn, *place)?.filter(|job| filter.matches(job)) {
                bytes += job.bytes();
                found.jobs.push(job);
            }
            if page.is_full(found.jobs.len(), bytes) {
                let is_last = places.until.is_none() && places.found.last() == Some(place);
                found.next = (!is_last).then_some(Cursor(*place as u64));
                return Ok(found);
            }
        }
        let Some(until) = places.until else { return Ok(found) };
        looked_at += step;
        if looked_at >= LOOKED_AT_MAX {
            found.next = Some(Cursor(until as u64));
            return Ok(found);
        }
        before = until;
        step = (step * 4).min(LOOKED_AT_MAX - looked_at);
    }
}

/// Since when the next ready job of a queue has waited.
fn oldest_ready(conn: &Connection, queue: i64) -> rusqlite::Result<Option<Timestamp>> {
    let mut find = conn.prepare_cached(
        "SELECT created_at FROM job WHERE place = (SELECT place FROM
           (SELECT place, priority, turn FROM (SELECT * FROM ready WHERE queue = ?1 ORDER BY priority, turn, place LIMIT 1)
            UNION ALL SELECT place, rank, turn FROM lane WHERE queue = ?1)
         ORDER BY priority, turn, place LIMIT 1)",
    )?;
    Ok(time(find.query_row([queue], |row| row.get(0)).optional()?))
}

/// A queue as it is shown.
fn info(name: QueueName, queue: Queue, counts: Counts, oldest_ready_at: Option<Timestamp>) -> QueueInfo {
    let Queue { paused, retention, settings, .. } = queue;
    let Settings { limits, ageing, scan_interval } = settings;
    QueueInfo { name, paused, counts, oldest_ready_at, retention, limits, ageing, scan_interval }
}

pub(crate) fn queue_info(conn: &Connection, number: i64, name: QueueName) -> rusqlite::Result<QueueInfo> {
    let mut find = conn.prepare_cached(&format!("SELECT {QUEUE} FROM queue WHERE id = ?1"))?;
    let queue = find.query_row([number], read_queue).optional()?.unwrap_or_default();
    let mut counts = Counts::default();
    let mut find = conn.prepare_cached("SELECT state, jobs FROM count WHERE queue = ?1")?;
    let mut rows = find.query([number])?;
    while let Some(row) = rows.next()? {
        counts.set(read_state(row.get(0)?), row.get::<_, i64>(1)?.max(0) as u64);
    }
    Ok(info(name, queue, counts, oldest_ready(conn, number)?))
}

/// Every queue. Two statements for all of them, and one more for each that has ready jobs.
pub(crate) fn queues(conn: &Connection) -> rusqlite::Result<Vec<QueueInfo>> {
    let mut counts: HashMap<i64, Counts> = HashMap::new();
    let mut find = conn.prepare_cached("SELECT queue, state, jobs FROM count")?;
    let mut rows = find.query([])?;
    while let Some(row) = rows.next()? {
        let counts = counts.entry(row.get(0)?).or_default();
        counts.set(read_state(row.get(1)?), row.get::<_, i64>(2)?.max(0) as u64);
    }
    let mut find = conn.prepare_cached(&format!(
        "SELECT {QUEUE}, queue.id, name.text FROM queue JOIN name ON name.id = queue.id ORDER BY name.text",
    ))?;
    let read = |row: &Row<'_>| Ok((read_queue(row)?, row.get::<_, i64>(5)?, row.get::<_, String>(6)?));
    find.query_map([], read)?
        .map(|queue| {
            let (queue, number, name) = queue?;
            let counts = counts.get(&number).copied().unwrap_or_default();
            let waits = counts.get(State::Ready) > 0;
            let oldest_ready_at = if waits { oldest_ready(conn, number)? } else { None };
            Ok(info(parsed(QueueName::new(name))?, queue, counts, oldest_ready_at))
        })
        .collect()
}
