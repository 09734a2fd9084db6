use std::collections::HashMap;

use longshore_core::{KindName, QueueName, WorkerId};
use rusqlite::{Connection, OptionalExtension};

/// Names as small numbers. Numbers are never reused, so what is remembered stays true.
#[derive(Default)]
pub(crate) struct Names {
    queues: HashMap<QueueName, i64>,
    kinds: HashMap<KindName, i64>,
    workers: HashMap<WorkerId, i64>,
    of_queues: HashMap<i64, QueueName>,
    of_kinds: HashMap<i64, KindName>,
}

/// Names remembered of one sort; more than that and they are all looked up anew.
const REMEMBERED_MAX: usize = 10_000;

fn number<N: Clone + Eq + std::hash::Hash>(
    known: &mut HashMap<N, i64>,
    name: &N,
    text: &str,
    conn: &Connection,
) -> rusqlite::Result<i64> {
    if let Some(number) = known.get(name) {
        return Ok(*number);
    }
    let number = intern(conn, text)?;
    if known.len() >= REMEMBERED_MAX {
        known.clear();
    }
    known.insert(name.clone(), number);
    Ok(number)
}

/// The number of a name, given to it now if it has none yet.
pub(crate) fn intern(conn: &Connection, text: &str) -> rusqlite::Result<i64> {
    if let Some(number) = find(conn, text)? {
        return Ok(number);
    }
    conn.prepare_cached("INSERT INTO name (text) VALUES (?1)")?.insert([text])
}

/// The number of a name, if it has one.
pub(crate) fn find(conn: &Connection, text: &str) -> rusqlite::Result<Option<i64>> {
    conn.prepare_cached("SELECT id FROM name WHERE text = ?1")?.query_row([text], |row| row.get(0)).optional()
}

/// The text of a number.
pub(crate) fn text(conn: &Connection, number: i64) -> rusqlite::Result<String> {
    conn.prepare_cached("SELECT text FROM name WHERE id = ?1")?.query_row([number], |row| row.get(0))
}

impl Names {
    /// After a rollback: numbers given in it are void.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn queue(&mut self, conn: &Connection, name: &QueueName) -> rusqlite::Result<i64> {
        number(&mut self.queues, name, name.as_str(), conn)
    }

    pub(crate) fn kind(&mut self, conn: &Connection, name: &KindName) -> rusqlite::Result<i64> {
        number(&mut self.kinds, name, name.as_str(), conn)
    }

    pub(crate) fn worker(&mut self, conn: &Connection, name: &WorkerId) -> rusqlite::Result<i64> {
        number(&mut self.workers, name, name.as_str(), conn)
    }

    pub(crate) fn queue_name(&mut self, conn: &Connection, number: i64) -> rusqlite::Result<QueueName> {
        if let Some(name) = self.of_queues.get(&number) {
            return Ok(name.clone());
        }
        let name = parsed(QueueName::new(text(conn, number)?))?;
        self.of_queues.insert(number, name.clone());
        Ok(name)
    }

    pub(crate) fn kind_name(&mut self, conn: &Connection, number: i64) -> rusqlite::Result<KindName> {
        if let Some(name) = self.of_kinds.get(&number) {
            return Ok(name.clone());
        }
        let name = parsed(KindName::new(text(conn, number)?))?;
        self.of_kinds.insert(number, name.clone());
        Ok(name)
    }
}

/// A stored text that should have parsed, because only parsed ones are stored.
pub(crate) fn parsed<T>(read: Result<T, longshore_core::Invalid>) -> rusqlite::Result<T> {
    read.map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
    })
}
