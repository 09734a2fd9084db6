//! The lanes of queues with limits: who stands where, and which lanes may be looked at.
//!
//! A lane is open, in the order of its first job, or waits for a bucket without room. So a claim looks only at jobs that may
//! start, and once at each lane that has just filled up.

use longshore_core::limit::{Bucket, Pace};
use longshore_core::limiter::Tally;
use longshore_core::{KindName, Limit, Timestamp};
use rusqlite::{OptionalExtension, Row, params};

use crate::error::Tried;
use crate::tx::Tx;

/// Where a ready job stands: rank, turn, place.
pub(crate) type Spot = (f64, i64, i64);

pub(crate) fn read_spot(row: &Row<'_>, at: usize) -> rusqlite::Result<Spot> {
    Ok((row.get(at)?, row.get(at + 1)?, row.get(at + 2)?))
}

/// A lane, and its first job.
#[derive(Clone, Debug)]
pub(crate) struct LaneRow {
    pub(crate) id: i64,
    pub(crate) era: i64,
    pub(crate) buckets: String,
    pub(crate) head: Spot,
}

/// A row of `bucket`.
pub(crate) struct BucketRow {
    pub(crate) id: i64,
    queue: i64,
    kind: i64,
    path: String,
    pub(crate) running: i64,
    pub(crate) starts: Tally,
    opens_at: Option<i64>,
}

const BUCKET: &str = "SELECT id, queue, kind, path, running, starts, opens_at FROM bucket";

/// The first waiting lane of each queue, found by one step through the index for each.
const BEST_WAITING: &str = "
    WITH RECURSIVE waits(queue) AS (
        SELECT min(queue) FROM lane WHERE waits_for = ?1
        UNION ALL
        SELECT (SELECT min(queue) FROM lane WHERE waits_for = ?1 AND queue > waits.queue)
        FROM waits WHERE waits.queue IS NOT NULL
    )
    SELECT (SELECT id FROM lane WHERE waits_for = ?1 AND queue = waits.queue ORDER BY rank, turn, place LIMIT 1), queue
    FROM waits WHERE queue IS NOT NULL";

fn read_bucket(row: &Row<'_>) -> rusqlite::Result<BucketRow> {
    let starts: Option<String> = row.get(5)?;
    Ok(BucketRow {
        id: row.get(0)?,
        queue: row.get(1)?,
        kind: row.get(2)?,
        path: row.get(3)?,
        running: row.get(4)?,
        starts: starts.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default(),
        opens_at: row.get(6)?,
    })
}

pub(crate) fn read_buckets(text: &str) -> Vec<Bucket> {
    serde_json::from_str(text).unwrap_or_default()
}

fn before(one: Spot, other: Spot) -> bool {
    one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)).then(one.2.cmp(&other.2)).is_lt()
}

impl Tx<'_> {
    /// The row of a bucket, made if need be.
    pub(crate) fn bucket(&mut self, queue: i64, bucket: &Bucket) -> Tried<BucketRow> {
        let (queue, kind) = match &bucket.kind {
            None => (queue, 0),
            Some(kind) => (0, self.names.kind(self.conn, &KindName::new(kind)?)?),
        };
        let sql = format!("{BUCKET} WHERE queue = ?1 AND kind = ?2 AND path = ?3 AND value = ?4");
        let mut find = self.conn.prepare_cached(&sql)?;
        let key = params![queue, kind, bucket.path, bucket.value];
        if let Some(found) = find.query_row(key, read_bucket).optional()? {
            return Ok(found);
        }
        let mut add = self
            .conn
            .prepare_cached("INSERT INTO bucket (queue, kind, path, value) VALUES (?1, ?2, ?3, ?4)")?;
        let id = add.insert(key)?;
        let path = bucket.path.clone();
        Ok(BucketRow { id, queue, kind, path, running: 0, starts: Tally::default(), opens_at: None })
    }

    fn bucket_at(&self, id: i64) -> rusqlite::Result<Option<BucketRow>> {
        let sql = format!("{BUCKET} WHERE id = ?1");
        self.conn.prepare_cached(&sql)?.query_row([id], read_bucket).optional()
    }

    /// Whether the rate of a bucket remembers nothing that counts.
    pub(crate) fn is_full(&mut self, id: i64, now: Timestamp) -> Tried<bool> {
        let Some(bucket) = self.bucket_at(id)? else { return Ok(true) };
        Ok(match self.limit_of(&bucket)?.map_or(Pace::Free, |limit| limit.pace()) {
            Pace::By(rule) => rule.room(&bucket.starts, now).0 >= rule.burst(),
            Pace::Free | Pace::Never => true,
        })
    }

    /// The limit of a bucket, as it is now.
    pub(crate) fn limit_of(&mut self, bucket: &BucketRow) -> Tried<Option<Limit>> {
        let named = |limit: &&Limit| limit.key.as_deref().unwrap_or_default() == bucket.path;
        if bucket.kind == 0 {
            return Ok(self.queue(bucket.queue)?.settings.limits.iter().find(named).cloned());
        }
        Ok(self.kind_limits()?.get(&bucket.kind).and_then(|limits| limits.iter().find(named)).cloned())
    }

    /// A ready job joins the lane of its buckets.
    pub(crate) fn join(&mut self, queue: i64, era: i64, buckets: &[Bucket], spot: Spot) -> Tried<()> {
        let text = serde_json::to_string(buckets).unwrap_or_default();
        let mut find = self.conn.prepare_cached(
            "SELECT id, rank, turn, place FROM lane WHERE queue = ?1 AND era = ?2 AND buckets = ?3",
        )?;
        let read = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, read_spot(row, 1)?));
        let id = match find.query_row(params![queue, era, text], read).optional()? {
            Some((id, head)) => {
                if before(spot, head) {
                    self.set_head(id, spot, true)?;
                }
                id
            }
            None => self
                .conn
                .prepare_cached(
                    "INSERT INTO lane (queue, era, buckets, rank, turn, place) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?
                .insert(params![queue, era, text, spot.0, spot.1, spot.2])?,
        };
        self.conn
            .prepare_cached("INSERT INTO lined (lane, rank, turn, place) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![id, spot.0, spot.1, spot.2])?;
        self.conn
            .prepare_cached("UPDATE job SET lane = ?2, rank = ?3 WHERE place = ?1")?
            .execute(params![spot.2, id, spot.0])?;
        Ok(())
    }

    fn set_head(&mut self, lane: i64, (rank, turn, place): Spot, opens: bool) -> rusqlite::Result<()> {
        self.conn
            .prepare_cached(
                "UPDATE lane SET rank = ?2, turn = ?3, place = ?4, waits_for = CASE WHEN ?5 THEN NULL ELSE waits_for END WHERE id = ?1",
            )?
            .execute(params![lane, rank, turn, place, opens])?;
        Ok(())
    }

    /// A job leaves its lane.
    pub(crate) fn leave_lane(&mut self, lane: i64, spot: Spot) -> Tried<()> {
        self.conn
            .prepare_cached("DELETE FROM lined WHERE lane = ?1 AND rank = ?2 AND turn = ?3 AND place = ?4")?
            .execute(params![lane, spot.0, spot.1, spot.2])?;
        self.conn
            .prepare_cached("UPDATE job SET lane = NULL, rank = NULL WHERE place = ?1")?
            .execute([spot.2])?;
        let mut find =
            self.conn.prepare_cached("SELECT queue, buckets, waits_for, place FROM lane WHERE id = ?1")?;
        let read = |row: &Row<'_>| {
            let (queue, buckets): (i64, String) = (row.get(0)?, row.get(1)?);
            Ok((queue, buckets, row.get::<_, Option<i64>>(2)?, row.get::<_, i64>(3)?))
        };
        let Some((queue, buckets, waits_for, head)) = find.query_row([lane], read).optional()? else {
            return Ok(());
        };
        if head != spot.2 {
            return Ok(());
        }
        let mut next = self.conn.prepare_cached(
            "SELECT rank, turn, place FROM lined WHERE lane = ?1 ORDER BY rank, turn, place LIMIT 1",
        )?;
        match next.query_row([lane], |row| read_spot(row, 0)).optional()? {
            Some(next) => self.set_head(lane, next, false)?,
            None => drop(self.conn.prepare_cached("DELETE FROM lane WHERE id = ?1")?.execute([lane])?),
        }
        if waits_for.is_none() {
            self.offer_all(queue, &buckets, None)?;
        }
        Ok(())
    }

    /// Offers to others what a lane does not take of its buckets.
    fn offer_all(&mut self, queue: i64, buckets: &str, but: Option<i64>) -> Tried<()> {
        for bucket in read_buckets(buckets) {
            let row = self.bucket(queue, &bucket)?;
            if Some(row.id) != but {
                self.offer(&row)?;
            }
        }
        Ok(())
    }

    /// Opens the best of the lanes that wait for a bucket, in each queue, if it has room; tells whether it did. Who claims
    /// first takes the room: a queue that nobody claims from must not keep it from the others.
    fn offer(&mut self, bucket: &BucketRow) -> Tried<bool> {
        let mut find = self.conn.prepare_cached(BEST_WAITING)?;
        let best = find.query_map([bucket.id], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)))?;
        let best = best.collect::<rusqlite::Result<Vec<_>>>()?;
        if best.is_empty() {
            return Ok(false);
        }
        let limit = self.limit_of(bucket)?;
        let full = limit.as_ref().and_then(|limit| limit.concurrency);
        let full = full.is_some_and(|most| bucket.running >= i64::from(most));
        if full || limit.is_some_and(|limit| limit.pace() == Pace::Never) || bucket.opens_at.is_some() {
            return Ok(false);
        }
        for (lane, queue) in best {
            self.conn.prepare_cached("UPDATE lane SET waits_for = NULL WHERE id = ?1")?.execute([lane])?;
            self.wake_queue(queue)?;
        }
        Ok(true)
    }

    /// The bucket that holds up a lane now.
    pub(crate) fn holds_up(&mut self, queue: i64, lane: &LaneRow, now: Timestamp) -> Tried<Option<i64>> {
        for bucket in read_buckets(&lane.buckets) {
            let row = self.bucket(queue, &bucket)?;
            let Some(limit) = self.limit_of(&row)? else { continue };
            let full = limit.concurrency.is_some_and(|most| row.running >= i64::from(most));
            if full || limit.pace() == Pace::Never {
                return Ok(Some(row.id));
            }
            if let Pace::By(rule) = limit.pace() {
                let (room, wait) = rule.room(&row.starts, now);
                if room == 0 {
                    self.conn
                        .prepare_cached("UPDATE bucket SET opens_at = ?2 WHERE id = ?1")?
                        .execute([row.id, (now + wait).as_millis()])?;
                    return Ok(Some(row.id));
                }
            }
        }
        Ok(None)
    }

    /// Lets a lane wait for a bucket, and offers to others what it would have taken of its other buckets.
    pub(crate) fn close_lane(&mut self, queue: i64, lane: &LaneRow, bucket: i64) -> Tried<()> {
        self.conn
            .prepare_cached("UPDATE lane SET waits_for = ?2 WHERE id = ?1")?
            .execute([lane.id, bucket])?;
        self.offer_all(queue, &lane.buckets, Some(bucket))
    }

    /// Offers what has come with time.
    pub(crate) fn open_due(&mut self, now: Timestamp) -> Tried<()> {
        let due: Vec<i64> = {
            let mut find = self.conn.prepare_cached(
                "SELECT id FROM bucket WHERE opens_at <= ?1 ORDER BY opens_at, id LIMIT 1000",
            )?;
            find.query_map([now.as_millis()], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?
        };
        for id in due {
            self.conn.prepare_cached("UPDATE bucket SET opens_at = NULL WHERE id = ?1")?.execute([id])?;
            let Some(bucket) = self.bucket_at(id)? else { continue };
            let pace = self.limit_of(&bucket)?.map_or(Pace::Free, |limit| limit.pace());
            let room = if let Pace::By(rule) = pace { rule.room(&bucket.starts, now).0 } else { u32::MAX };
            for _ in 0..room {
                if !self.offer(&bucket)? {
                    break;
                }
            }
        }
        Ok(())
    }

    /// When a rate next has room for a job of this queue.
    pub(crate) fn next_opening(&self, queue: i64) -> rusqlite::Result<Option<Timestamp>> {
        let mut find = self.conn.prepare_cached(
            "SELECT opens_at FROM bucket WHERE opens_at IS NOT NULL
             AND EXISTS (SELECT 1 FROM lane WHERE waits_for = bucket.id AND lane.queue = ?1) ORDER BY opens_at LIMIT 1",
        )?;
        Ok(crate::rows::time(find.query_row([queue], |row| row.get(0)).optional()?))
    }

    /// The first job of all open lanes of a queue.
    pub(crate) fn first_open(&self, queue: i64) -> rusqlite::Result<Option<LaneRow>> {
        let mut find = self.conn.prepare_cached(
            "SELECT id, era, buckets, rank, turn, place FROM lane WHERE queue = ?1 AND waits_for IS NULL
             ORDER BY rank, turn, place LIMIT 1",
        )?;
        let read = |row: &Row<'_>| {
            Ok(LaneRow { id: row.get(0)?, era: row.get(1)?, buckets: row.get(2)?, head: read_spot(row, 3)? })
        };
        find.query_row([queue], read).optional()
    }

    /// Counts a start in each bucket.
    pub(crate) fn count_start(&mut self, queue: i64, buckets: &[Bucket], now: Timestamp) -> Tried<()> {
        for bucket in buckets {
            let mut row = self.bucket(queue, bucket)?;
            let pace = self.limit_of(&row)?.map_or(Pace::Free, |limit| limit.pace());
            self.conn
                .prepare_cached("UPDATE bucket SET running = running + 1 WHERE id = ?1")?
                .execute([row.id])?;
            if let Pace::By(rule) = pace {
                rule.take(&mut row.starts, 1, now);
                self.write_starts(&row)?;
            }
        }
        Ok(())
    }

    pub(crate) fn write_starts(&mut self, row: &BucketRow) -> Tried<()> {
        let text = serde_json::to_string(&row.starts).unwrap_or_default();
        self.conn
            .prepare_cached("UPDATE bucket SET starts = ?2 WHERE id = ?1")?
            .execute(params![row.id, text])?;
        Ok(())
    }

    /// A job runs no more: its room is offered to others.
    pub(crate) fn count_stop(&mut self, queue: i64, buckets: &str) -> Tried<()> {
        let buckets = read_buckets(buckets);
        for bucket in &buckets {
            let row = self.bucket(queue, bucket)?;
            self.conn
                .prepare_cached("UPDATE bucket SET running = max(running - 1, 0) WHERE id = ?1")?
                .execute([row.id])?;
        }
        for bucket in &buckets {
            let row = self.bucket(queue, bucket)?;
            self.offer(&row)?;
        }
        Ok(())
    }
}

/// Which of two goes first, where one may be missing.
pub(crate) fn is_first(one: Option<Spot>, other: Option<Spot>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => before(one, other),
        (one, _) => one.is_some(),
    }
}
