use std::collections::{HashMap, HashSet};

use longshore_clock::Chance;
use longshore_core::{Options, QueueName, Retention, State, Timestamp, Wake};
use rusqlite::{Connection, OptionalExtension, params};

use crate::error::Tried;
use crate::names::Names;

/// One transaction of the writer, and what has to be written once at its end however many jobs it moved.
pub(crate) struct Tx<'a> {
    pub(crate) conn: &'a Connection,
    pub(crate) names: &'a mut Names,
    pub(crate) chance: &'a Chance,
    counts: HashMap<(i64, State), i64>,
    queues: HashMap<i64, Queue>,
    /// Queues that are sure to have a row.
    named: HashSet<i64>,
    line: Option<i64>,
    wakes: Vec<Wake>,
    woken: HashSet<i64>,
}

/// The settings of a queue, read once in a transaction.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Queue {
    pub(crate) paused: bool,
    pub(crate) retention: Retention,
}

/// How long record and result of one job stay after its end, as the job wishes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wishes {
    pub(crate) retention: Option<i64>,
    pub(crate) result_retention: Option<i64>,
}

impl Wishes {
    pub(crate) fn of(options: &Options) -> Self {
        let millis = |wish: Option<longshore_core::DurationText>| wish.map(|wish| wish.0.as_millis() as i64);
        Self { retention: millis(options.retention), result_retention: millis(options.result_retention) }
    }
}

impl<'a> Tx<'a> {
    pub(crate) fn new(conn: &'a Connection, names: &'a mut Names, chance: &'a Chance) -> Self {
        Self {
            conn,
            names,
            chance,
            counts: HashMap::new(),
            queues: HashMap::new(),
            named: HashSet::new(),
            line: None,
            wakes: Vec::new(),
            woken: HashSet::new(),
        }
    }

    /// The place that the next insert will get.
    pub(crate) fn peek(&mut self) -> rusqlite::Result<i64> {
        let next = match self.line {
            Some(next) => next,
            None => self.conn.prepare_cached("SELECT next FROM line")?.query_row([], |row| row.get(0))?,
        };
        self.line = Some(next);
        Ok(next)
    }

    /// The next place in the line of inserts, which is also the next turn among ready jobs.
    pub(crate) fn next(&mut self) -> rusqlite::Result<i64> {
        let next = self.peek()?;
        self.line = Some(next + 1);
        Ok(next)
    }

    pub(crate) fn count(&mut self, queue: i64, state: State, change: i64) {
        *self.counts.entry((queue, state)).or_default() += change;
    }

    pub(crate) fn wake(&mut self, wake: Wake) {
        if !self.wakes.contains(&wake) {
            self.wakes.push(wake);
        }
    }

    /// Tells the workers of a queue that it has ready jobs.
    pub(crate) fn wake_queue(&mut self, queue: i64) -> rusqlite::Result<()> {
        if self.woken.insert(queue) {
            let name = self.names.queue_name(self.conn, queue)?;
            self.wake(Wake::Ready(name));
        }
        Ok(())
    }

    /// The number of a queue, which exists from now on.
    pub(crate) fn queue_number(&mut self, name: &QueueName) -> rusqlite::Result<i64> {
        let number = self.names.queue(self.conn, name)?;
        if self.named.insert(number) {
            self.conn.prepare_cached("INSERT OR IGNORE INTO queue (id) VALUES (?1)")?.execute([number])?;
        }
        Ok(number)
    }

    pub(crate) fn queue(&mut self, number: i64) -> rusqlite::Result<Queue> {
        if let Some(queue) = self.queues.get(&number) {
            return Ok(*queue);
        }
        let mut find = self.conn.prepare_cached("SELECT paused, retention FROM queue WHERE id = ?1")?;
        let found = find.query_row([number], read_queue).optional()?.unwrap_or_default();
        self.queues.insert(number, found);
        Ok(found)
    }

    pub(crate) fn set_queue(&mut self, number: i64, queue: Queue) -> rusqlite::Result<()> {
        let retention = (queue.retention != Retention::default())
            .then(|| serde_json::to_string(&queue.retention).ok())
            .flatten();
        let mut set = self.conn.prepare_cached(
            "INSERT INTO queue (id, paused, retention) VALUES (?1, ?2, ?3)
             ON CONFLICT (id) DO UPDATE SET paused = excluded.paused, retention = excluded.retention",
        )?;
        set.execute(params![number, queue.paused, retention])?;
        self.queues.insert(number, queue);
        Ok(())
    }

    /// When a record goes that ends in `state` at `now`.
    pub(crate) fn expires_at(
        &mut self,
        queue: i64,
        state: State,
        wishes: Wishes,
        now: Timestamp,
    ) -> rusqlite::Result<i64> {
        let stays = match wishes.retention {
            Some(own) => own,
            None => self.queue(queue)?.retention.of(state).as_millis() as i64,
        };
        Ok(now.as_millis().saturating_add(stays))
    }

    pub(crate) fn forget_queue(&mut self, number: i64) {
        self.queues.remove(&number);
        self.named.remove(&number);
    }

    /// Writes the gathered changes of counts.
    pub(crate) fn write_counts(&mut self) -> rusqlite::Result<()> {
        if self.counts.is_empty() {
            return Ok(());
        }
        let mut add = self.conn.prepare_cached(
            "INSERT INTO count (queue, state, jobs) VALUES (?1, ?2, ?3)
             ON CONFLICT (queue, state) DO UPDATE SET jobs = jobs + excluded.jobs",
        )?;
        for ((queue, state), change) in self.counts.drain().filter(|(_, change)| *change != 0) {
            add.execute(params![queue, state as i64, change])?;
        }
        Ok(())
    }

    /// Writes what was gathered, and hands out the rings for after the commit.
    pub(crate) fn flush(mut self) -> Tried<Vec<Wake>> {
        if let Some(next) = self.line {
            self.conn.prepare_cached("UPDATE line SET next = ?1")?.execute([next])?;
        }
        self.write_counts()?;
        Ok(self.wakes)
    }
}

pub(crate) fn read_queue(row: &rusqlite::Row<'_>) -> rusqlite::Result<Queue> {
    let retention: Option<String> = row.get(1)?;
    let retention = retention.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    Ok(Queue { paused: row.get(0)?, retention })
}
