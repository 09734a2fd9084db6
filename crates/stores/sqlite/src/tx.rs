use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use longshore_clock::Chance;
use longshore_core::{Options, QueueName, Retention, State, Timestamp, Wake};
use rusqlite::{Connection, OptionalExtension, params};

use crate::error::Tried;
use crate::limits::{KindLimits, Settings};
use crate::names::Names;

/// One transaction of the writer, and what has to be written once at its end however many jobs it moved.
pub(crate) struct Tx<'a> {
    pub(crate) conn: &'a Connection,
    pub(crate) names: &'a mut Names,
    pub(crate) chance: &'a Chance,
    counts: HashMap<(i64, State), i64>,
    queues: HashMap<i64, Rc<Queue>>,
    /// The limits of kinds, once they were read.
    pub(crate) kinds: Option<Rc<KindLimits>>,
    /// The queue that was last found to have no lanes.
    pub(crate) plain: Option<i64>,
    /// Queues that are sure to have a row.
    named: HashSet<i64>,
    line: Option<i64>,
    wakes: Vec<Wake>,
    woken: HashSet<i64>,
}

/// The settings of a queue, read once in a transaction.
#[derive(Clone, Debug, Default)]
pub(crate) struct Queue {
    pub(crate) paused: bool,
    pub(crate) retention: Retention,
    pub(crate) settings: Settings,
    /// Rises with every change of limits or ageing.
    pub(crate) era: i64,
    /// Some jobs stand in lanes.
    pub(crate) lanes: bool,
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
            kinds: None,
            plain: None,
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

    pub(crate) fn queue(&mut self, number: i64) -> rusqlite::Result<Rc<Queue>> {
        if let Some(queue) = self.queues.get(&number) {
            return Ok(queue.clone());
        }
        let mut find = self.conn.prepare_cached(QUEUE_BY_ID)?;
        let found = Rc::new(find.query_row([number], read_queue).optional()?.unwrap_or_default());
        self.queues.insert(number, found.clone());
        Ok(found)
    }

    pub(crate) fn forget_settings(&mut self, number: i64) {
        self.queues.remove(&number);
        self.plain = None;
    }

    pub(crate) fn set_queue(&mut self, number: i64, queue: &Queue) -> rusqlite::Result<()> {
        let retention = (queue.retention != Retention::default())
            .then(|| serde_json::to_string(&queue.retention).ok())
            .flatten();
        let settings = (queue.settings != Settings::default())
            .then(|| serde_json::to_string(&queue.settings).ok())
            .flatten();
        let mut set = self.conn.prepare_cached(
            "INSERT INTO queue (id, paused, retention, settings) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (id) DO UPDATE SET paused = excluded.paused, retention = excluded.retention, settings = excluded.settings",
        )?;
        set.execute(params![number, queue.paused, retention, settings])?;
        self.forget_settings(number);
        Ok(())
    }

    /// How many jobs of a queue are in a state now.
    pub(crate) fn count_of(&self, queue: i64, state: State) -> rusqlite::Result<i64> {
        let mut find = self.conn.prepare_cached("SELECT jobs FROM count WHERE queue = ?1 AND state = ?2")?;
        let written: Option<i64> = find.query_row([queue, state as i64], |row| row.get(0)).optional()?;
        Ok(written.unwrap_or(0) + self.counts.get(&(queue, state)).copied().unwrap_or(0))
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

/// The columns that [`read_queue`] reads.
pub(crate) const QUEUE: &str = "paused, retention, settings, era, lanes";
const QUEUE_BY_ID: &str = "SELECT paused, retention, settings, era, lanes FROM queue WHERE id = ?1";

pub(crate) fn read_queue(row: &rusqlite::Row<'_>) -> rusqlite::Result<Queue> {
    let retention: Option<String> = row.get(1)?;
    let settings: Option<String> = row.get(2)?;
    Ok(Queue {
        paused: row.get(0)?,
        retention: retention.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default(),
        settings: settings.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default(),
        era: row.get(3)?,
        lanes: row.get(4)?,
    })
}
