//! What queues and kinds limit, and how a change of it reaches the jobs that wait.

use std::collections::HashMap;
use std::rc::Rc;

use longshore_core::limit::{self, Bucket, HOLDERS_MAX, Hold, Pace};
use longshore_core::{
    DurationText, Invalid, JobId, JobSpec, Kept, KindInfo, KindName, Limit, State, Timestamp, Wake,
};
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

use crate::error::Tried;
use crate::lanes::{Spot, read_buckets, read_spot};
use crate::names::parsed;
use crate::rows::read_id;
use crate::ties::LIMITS;
use crate::tx::Tx;

/// What was set on a queue beside pause and retention.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Settings {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) limits: Vec<Limit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ageing: Option<DurationText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) scan_interval: Option<DurationText>,
}

impl Settings {
    fn of_all(&self) -> Option<&Limit> {
        self.limits.iter().find(|limit| limit.key.is_none())
    }
}

/// The limits of kinds by their numbers.
pub(crate) type KindLimits = HashMap<i64, Vec<Limit>>;

/// What the limit of a whole queue has room for.
pub(crate) struct Gate {
    pub(crate) room: usize,
    pub(crate) next: Option<Timestamp>,
}

pub(crate) fn kinds(conn: &Connection) -> rusqlite::Result<Vec<KindInfo>> {
    let mut find = conn.prepare_cached(
        "SELECT name.text, kind.limits FROM kind JOIN name ON name.id = kind.kind ORDER BY name.text",
    )?;
    let rows = find.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    rows.map(|row| {
        let (name, limits) = row?;
        let limits = serde_json::from_str(&limits).unwrap_or_default();
        Ok(KindInfo { name: parsed(KindName::new(name))?, limits })
    })
    .collect()
}

impl Tx<'_> {
    /// The limits of all kinds, read once in a transaction.
    pub(crate) fn kind_limits(&mut self) -> Tried<Rc<KindLimits>> {
        if let Some(kinds) = &self.kinds {
            return Ok(kinds.clone());
        }
        let mut find = self.conn.prepare_cached("SELECT kind, limits FROM kind")?;
        let rows = find.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?;
        let mut kinds = KindLimits::new();
        for row in rows {
            let (kind, limits) = row?;
            kinds.insert(kind, serde_json::from_str(&limits).unwrap_or_default());
        }
        let kinds = Rc::new(kinds);
        self.kinds = Some(kinds.clone());
        Ok(kinds)
    }

    /// Whether the jobs of a queue stand in lanes.
    pub(crate) fn has_lanes(&mut self, queue: i64) -> Tried<bool> {
        if self.plain == Some(queue) {
            return Ok(false);
        }
        let settings = &self.queue(queue)?.settings;
        let has_keys = settings.limits.iter().any(|limit| limit.key.is_some());
        let has_lanes = has_keys || settings.ageing.is_some() || !self.kind_limits()?.is_empty();
        self.plain = Some(queue).filter(|_| !has_lanes);
        Ok(has_lanes)
    }

    fn buckets(&mut self, queue: i64, spec: &JobSpec) -> Tried<Vec<Bucket>> {
        let kind = self.names.kind(self.conn, &spec.kind)?;
        let (of_queue, kinds) = (self.queue(queue)?, self.kind_limits()?);
        let of_kind = kinds.get(&kind).map_or(&[][..], Vec::as_slice);
        Ok(limit::buckets(spec, &of_queue.settings.limits, of_kind))
    }

    /// Refuses jobs without a value that their queue or kind counts by.
    pub(crate) fn check_keys(&mut self, jobs: &[std::sync::Arc<JobSpec>]) -> Tried<()> {
        let kinds = self.kind_limits()?;
        let mut free = None;
        for (index, spec) in jobs.iter().enumerate() {
            if free == Some(&spec.queue) {
                continue;
            }
            let queue = self.names.queue(self.conn, &spec.queue)?;
            let settings = self.queue(queue)?;
            if settings.settings.limits.is_empty() && kinds.is_empty() {
                free = Some(&spec.queue);
                continue;
            }
            let kind = self.names.kind(self.conn, &spec.kind)?;
            let of_kind = kinds.get(&kind).map_or(&[][..], Vec::as_slice);
            limit::check_keys(spec, &settings.settings.limits, of_kind)
                .map_err(|error: Invalid| error.below(&format!("jobs[{index}]")))?;
        }
        Ok(())
    }

    /// What the whole queue has room for.
    pub(crate) fn gate(&mut self, queue: i64, now: Timestamp) -> Tried<Gate> {
        let mut gate = Gate { room: usize::MAX, next: None };
        let settings = self.queue(queue)?;
        let Some(limit) = settings.settings.of_all() else { return Ok(gate) };
        if let Some(most) = limit.concurrency {
            gate.room = (i64::from(most) - self.count_of(queue, State::Running)?).max(0) as usize;
        }
        match limit.pace() {
            Pace::Free => {}
            Pace::Never => gate.room = 0,
            Pace::By(rule) => {
                let row = self.bucket(queue, &limit::whole())?;
                let (room, wait) = rule.room(&row.starts, now);
                gate.room = gate.room.min(room as usize);
                gate.next = Some(if room == 0 { now + wait } else { now });
            }
        }
        Ok(gate)
    }

    /// Counts starts in the whole queue.
    pub(crate) fn pass_gate(&mut self, queue: i64, starts: usize, now: Timestamp) -> Tried<()> {
        let settings = self.queue(queue)?;
        if starts > 0
            && let Some(limit) = settings.settings.of_all()
            && let Pace::By(rule) = limit.pace()
        {
            let mut row = self.bucket(queue, &limit::whole())?;
            for _ in 0..starts {
                rule.take(&mut row.starts, 1, now);
            }
            self.write_starts(&row)?;
        }
        Ok(())
    }

    /// Jobs of a queue run no more: if their number is limited, others may start.
    pub(crate) fn left_running(&mut self, queue: i64) -> Tried<()> {
        let settings = self.queue(queue)?;
        let gated = settings.settings.of_all().is_some_and(|limit| limit.concurrency.is_some());
        if gated && self.has_ready(queue)? {
            self.wake_queue(queue)?;
        }
        Ok(())
    }

    /// Whether a job stands in line.
    pub(crate) fn has_ready(&self, queue: i64) -> rusqlite::Result<bool> {
        Ok(self.conn.prepare_cached("SELECT 1 FROM ready WHERE queue = ?1 LIMIT 1")?.exists([queue])?
            || self.conn.prepare_cached("SELECT 1 FROM lane WHERE queue = ?1 LIMIT 1")?.exists([queue])?)
    }

    /// A ready job takes its place in line, or in the lane that it belongs to.
    pub(crate) fn line_up_one(&mut self, queue: i64, place: i64, turn: i64) -> Tried<()> {
        if self.has_lanes(queue)? {
            let settings = self.queue(queue)?;
            let spec = self.spec_at(place)?;
            let mut find = self.conn.prepare_cached("SELECT created_at FROM job WHERE place = ?1")?;
            let created_at = Timestamp::from_millis(find.query_row([place], |row| row.get(0))?);
            let rank = longshore_core::rank(&spec, created_at, settings.settings.ageing).get();
            let buckets = self.buckets(queue, &spec)?;
            self.set_lanes(queue, true)?;
            return self.join(queue, settings.era, &buckets, (rank, turn, place));
        }
        self.conn
            .prepare_cached(
                "INSERT INTO ready (queue, priority, turn, place) SELECT queue, priority, ?2, place FROM job WHERE place = ?1",
            )?
            .execute([place, turn])?;
        Ok(())
    }

    /// Notes whether some jobs of a queue stand in lanes.
    fn set_lanes(&mut self, queue: i64, lanes: bool) -> Tried<()> {
        if self.queue(queue)?.lanes != lanes {
            self.conn
                .prepare_cached("UPDATE queue SET lanes = ?2 WHERE id = ?1")?
                .execute(params![queue, lanes])?;
            self.forget_settings(queue);
        }
        Ok(())
    }

    /// Takes a ready job out of its line.
    pub(crate) fn leave_ready(&mut self, queue: i64, place: i64) -> Tried<()> {
        let mut find = self
            .conn
            .prepare_cached("SELECT lane, coalesce(rank, priority), turn, place FROM job WHERE place = ?1")?;
        let (lane, spot): (Option<i64>, Spot) =
            find.query_row([place], |row| Ok((row.get(0)?, read_spot(row, 1)?)))?;
        if let Some(lane) = lane {
            return self.leave_lane(lane, spot);
        }
        self.conn
            .prepare_cached(
                "DELETE FROM ready WHERE queue = ?1 AND place = ?2
                 AND (priority, turn) = (SELECT priority, turn FROM job WHERE place = ?2)",
            )?
            .execute([queue, place])?;
        Ok(())
    }

    /// Lets changed limits or ageing of a queue reach its jobs: the running ones now, the waiting ones by `sort`.
    pub(crate) fn begin_era(&mut self, queue: i64) -> Tried<()> {
        self.conn
            .prepare_cached("UPDATE queue SET era = era + 1, lanes = 1 WHERE id = ?1")?
            .execute([queue])?;
        self.forget_settings(queue);
        let running: Vec<(i64, Option<String>)> = {
            let mut find = self.conn.prepare_cached("SELECT place, buckets FROM running WHERE queue = ?1")?;
            let rows = find.query_map([queue], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect::<rusqlite::Result<_>>()?
        };
        let lanes = self.has_lanes(queue)?;
        for (place, before) in running {
            if let Some(before) = before {
                self.count_stop(queue, &before)?;
            }
            let spec = self.spec_at(place)?;
            let buckets = if lanes { self.buckets(queue, &spec)? } else { Vec::new() };
            for bucket in &buckets {
                let row = self.bucket(queue, bucket)?;
                self.conn
                    .prepare_cached("UPDATE bucket SET running = running + 1 WHERE id = ?1")?
                    .execute([row.id])?;
            }
            self.set_running_buckets(place, &buckets)?;
        }
        self.wake(Wake::Sort);
        self.wake_queue(queue)?;
        Ok(())
    }

    /// Notes what counts a running job.
    pub(crate) fn set_running_buckets(&mut self, place: i64, buckets: &[Bucket]) -> Tried<()> {
        let text = (!buckets.is_empty()).then(|| serde_json::to_string(buckets).unwrap_or_default());
        let ties = if text.is_some() { LIMITS } else { 0 };
        self.conn
            .prepare_cached("UPDATE running SET buckets = ?2, ties = (ties & ~?4) | ?3 WHERE place = ?1")?
            .execute(params![place, text, ties, LIMITS])?;
        Ok(())
    }

    pub(crate) fn set_kind(&mut self, kind: &KindName, limits: &[Limit]) -> Tried<()> {
        let kind = self.names.kind(self.conn, kind)?;
        if limits.is_empty() {
            self.conn.prepare_cached("DELETE FROM kind WHERE kind = ?1")?.execute([kind])?;
        } else {
            let text = serde_json::to_string(limits).unwrap_or_default();
            self.conn
                .prepare_cached("INSERT OR REPLACE INTO kind (kind, limits) VALUES (?1, ?2)")?
                .execute(params![kind, text])?;
        }
        (self.kinds, self.plain) = (None, None);
        let queues: Vec<i64> = {
            let mut find = self.conn.prepare_cached("SELECT id FROM queue ORDER BY id")?;
            find.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?
        };
        queues.into_iter().try_for_each(|queue| self.begin_era(queue))
    }

    pub(crate) fn sort(&mut self, limit: usize, now: Timestamp) -> Tried<Kept> {
        let queues: Vec<i64> = {
            let mut find = self.conn.prepare_cached("SELECT id FROM queue WHERE lanes = 1 ORDER BY id")?;
            find.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?
        };
        let mut left = limit;
        for queue in queues {
            left -= self.sort_queue(queue, left)?;
            if left == 0 {
                return Ok(Kept { next: Some(now), ..Kept::default() });
            }
        }
        Ok(Kept::default())
    }

    /// First lanes that wait under older limits, so that claims see them; then the jobs one by one. Tells how many of
    /// either it touched.
    fn sort_queue(&mut self, queue: i64, limit: usize) -> Tried<usize> {
        let era = self.queue(queue)?.era;
        let opened = self
            .conn
            .prepare_cached(
                "UPDATE lane SET waits_for = NULL WHERE id IN
                 (SELECT id FROM lane WHERE queue = ?1 AND era < ?2 AND waits_for IS NOT NULL LIMIT ?3)",
            )?
            .execute(params![queue, era, limit as i64])?;
        let mut sorted = opened;
        while sorted < limit {
            let mut find = self.conn.prepare_cached(
                "SELECT place FROM lane WHERE queue = ?1 AND era < ?2 ORDER BY era LIMIT 1",
            )?;
            let mut place: Option<i64> = find.query_row([queue, era], |row| row.get(0)).optional()?;
            if place.is_none() && self.has_lanes(queue)? {
                let mut find =
                    self.conn.prepare_cached("SELECT place FROM ready WHERE queue = ?1 LIMIT 1")?;
                place = find.query_row([queue], |row| row.get(0)).optional()?;
            }
            let Some(place) = place else {
                let lanes = self.has_lanes(queue)?;
                self.set_lanes(queue, lanes)?;
                return Ok(sorted);
            };
            self.sort_one(queue, place)?;
            sorted += 1;
        }
        Ok(sorted)
    }

    /// Brings a ready job where it now belongs.
    pub(crate) fn sort_one(&mut self, queue: i64, place: i64) -> Tried<()> {
        let mut find = self.conn.prepare_cached("SELECT turn FROM job WHERE place = ?1")?;
        let turn = find.query_row([place], |row| row.get(0))?;
        self.leave_ready(queue, place)?;
        self.line_up_one(queue, place, turn)
    }

    /// What has no room for a ready job.
    pub(crate) fn holds(&mut self, id: &JobId, now: Timestamp) -> Tried<Vec<Hold>> {
        let mut holds = Vec::new();
        let Some(place) = self.place_of(id)? else { return Ok(holds) };
        if self.state_of(place)? != Some(State::Ready) {
            return Ok(holds);
        }
        let spec = self.spec_at(place)?;
        let queue = self.names.queue(self.conn, &spec.queue)?;
        let settings = self.queue(queue)?;
        if let Some(limit) = settings.settings.of_all() {
            let running = self.count_of(queue, State::Running)? as u32;
            let starts = self.bucket(queue, &limit::whole())?.starts;
            if let Some(hold) = Hold::of(&limit::whole(), limit, running, &starts, now) {
                holds.push(Hold { held_by: self.holders(Some(queue), None)?, ..hold });
            }
        }
        for bucket in self.buckets(queue, &spec)? {
            let row = self.bucket(queue, &bucket)?;
            let Some(limit) = self.limit_of(&row)? else { continue };
            if let Some(hold) = Hold::of(&bucket, &limit, row.running as u32, &row.starts, now) {
                let of_queue = bucket.kind.is_none().then_some(queue);
                holds.push(Hold { held_by: self.holders(of_queue, Some(&bucket))?, ..hold });
            }
        }
        Ok(holds)
    }

    /// The first few running jobs of a queue, or that count in a bucket.
    fn holders(&self, queue: Option<i64>, bucket: Option<&Bucket>) -> Tried<Vec<JobId>> {
        let mut find = self.conn.prepare_cached(
            "SELECT job.id, running.buckets FROM running JOIN job ON job.place = running.place
             WHERE ?1 IS NULL OR running.queue = ?1 ORDER BY running.place",
        )?;
        let mut rows = find.query([queue])?;
        let mut holders = Vec::new();
        while let Some(row) = rows.next()?
            && holders.len() < HOLDERS_MAX
        {
            let counted: Option<String> = row.get(1)?;
            let counts = |bucket| read_buckets(counted.as_deref().unwrap_or_default()).contains(bucket);
            if bucket.is_none_or(counts) {
                holders.push(read_id(row.get_ref(0)?).map_err(rusqlite::Error::from)?);
            }
        }
        Ok(holders)
    }

    /// Forgets buckets that count nothing.
    pub(crate) fn prune_buckets(&mut self, limit: usize, now: Timestamp) -> Tried<()> {
        let still: Vec<i64> = {
            let mut find = self.conn.prepare_cached(
                "SELECT id FROM bucket WHERE running = 0 AND opens_at IS NULL
                 AND NOT EXISTS (SELECT 1 FROM lane WHERE waits_for = bucket.id) LIMIT ?1",
            )?;
            find.query_map([limit as i64], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?
        };
        for id in still {
            if self.is_full(id, now)? {
                self.conn.prepare_cached("DELETE FROM bucket WHERE id = ?1")?.execute([id])?;
            }
        }
        Ok(())
    }
}
