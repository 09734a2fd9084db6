//! The raw floor of this store: a fixed loop, to hold our own rates against.
//!
//! The same durability, ids, args and checkpoints as the store; batches of 500; one kept history row per job; nothing
//! else: no leases that expire, no names, no counts, no events. Changing this loop needs a line in docs/benchmarks.md
//! with the old and the new figures.

use std::path::Path;
use std::time::Duration;

use longshore_clock::{Door, Stopwatch};
use rusqlite::{Connection, params};

use crate::config::SqliteConfig;
use crate::open::tune;

/// Jobs per commit.
const BATCH: usize = 500;

/// How long the fixed loop took.
#[derive(Clone, Copy, Debug)]
pub struct Floor {
    /// Inserting all jobs.
    pub enqueue: Duration,
    /// Claiming and finishing all jobs, both in one commit per batch.
    pub process: Duration,
}

/// Runs the loop with `jobs` jobs in a new file at `config.path`.
pub fn run(config: &SqliteConfig, jobs: usize, args: &str, door: &Door) -> rusqlite::Result<Floor> {
    let conn = Connection::open(&config.path)?;
    conn.execute_batch("PRAGMA journal_mode = WAL")?;
    tune(&conn, config)?;
    conn.execute_batch(
        "CREATE TABLE job (place INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, queue INTEGER NOT NULL, priority REAL NOT NULL,
                           state INTEGER NOT NULL, nonce INTEGER, args TEXT NOT NULL);
         CREATE INDEX ready ON job (queue, priority, place) WHERE state = 0;
         CREATE TABLE history (place INTEGER PRIMARY KEY, state INTEGER NOT NULL, finished_at INTEGER NOT NULL);",
    )?;
    let enqueue = Stopwatch::start();
    insert_all(&conn, jobs, args, door)?;
    let enqueue = enqueue.elapsed();
    let process = Stopwatch::start();
    process_all(&conn, jobs, door)?;
    let process = process.elapsed();
    drop(conn);
    remove(&config.path);
    Ok(Floor { enqueue, process })
}

fn insert_all(conn: &Connection, jobs: usize, args: &str, door: &Door) -> rusqlite::Result<()> {
    let mut insert =
        conn.prepare("INSERT INTO job (id, queue, priority, state, args) VALUES (?1, 1, 5.0, 0, ?2)")?;
    let mut left = jobs;
    while left > 0 {
        let batch = left.min(BATCH);
        conn.execute_batch("BEGIN IMMEDIATE")?;
        for _ in 0..batch {
            insert.execute(params![door.new_id().to_be_bytes(), args])?;
        }
        conn.execute_batch("COMMIT")?;
        left -= batch;
    }
    Ok(())
}

fn process_all(conn: &Connection, jobs: usize, door: &Door) -> rusqlite::Result<()> {
    let mut claim = conn.prepare(
        "UPDATE job SET state = 1, nonce = ?1 WHERE place IN
         (SELECT place FROM job WHERE queue = 1 AND state = 0 ORDER BY priority, place LIMIT ?2) RETURNING place, id, args",
    )?;
    let mut finish = conn.prepare("UPDATE job SET state = 2 WHERE place = ?1 AND nonce = ?2")?;
    let mut keep = conn.prepare("INSERT INTO history (place, state, finished_at) VALUES (?1, 2, ?2)")?;
    let (mut held, mut done): (Vec<i64>, usize) = (Vec::new(), 0);
    while done < jobs {
        let now = door.clock.now().as_millis();
        conn.execute_batch("BEGIN IMMEDIATE")?;
        for place in &held {
            finish.execute([*place, 7])?;
            keep.execute([*place, now])?;
        }
        done += held.len();
        held.clear();
        let mut rows = claim.query(params![7, BATCH as i64])?;
        while let Some(row) = rows.next()? {
            // Read as a worker would have to.
            let _id: [u8; 16] = row.get(1)?;
            let _args: String = row.get(2)?;
            held.push(row.get(0)?);
        }
        drop(rows);
        conn.execute_batch("COMMIT")?;
    }
    Ok(())
}

fn remove(path: &Path) {
    for ending in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        let _ = std::fs::remove_file(name);
    }
}
