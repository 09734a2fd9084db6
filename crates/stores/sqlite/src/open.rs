use std::path::Path;
use std::time::Duration;

use longshore_core::{StoreError, StoreResult};
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::config::SqliteConfig;
use crate::error::sorted;

/// Marks a file as ours ("LSHR").
const APPLICATION_ID: i32 = 0x4c53_4852;
/// One script per schema version, in order. Forward only; a script that was released never changes.
const MIGRATIONS: &[&str] = &[include_str!("schema/0001.sql")];
/// The newest schema this program knows.
pub const SCHEMA: u32 = MIGRATIONS.len() as u32;
/// Our own processes take turns by a lock of their own; this bounds the wait for anybody else, a backup for example.
const BUSY: Duration = Duration::from_secs(5);
/// The log is copied into the file whenever it has grown by so many pages of 4 KiB.
pub(crate) const CHECKPOINT_PAGES: u32 = 4_000;

fn failed(path: &Path, error: &rusqlite::Error) -> StoreError {
    let named = |text: &str| format!("{}: {text}", path.display());
    match sorted(error) {
        StoreError::Unavailable(text) if !path.exists() => StoreError::Unavailable(format!(
            "cannot create {}: {text}; its folder must exist and be writable",
            path.display()
        )),
        StoreError::Unavailable(text) => StoreError::Unavailable(named(&text)),
        StoreError::Full(text) => StoreError::Full(named(&text)),
        StoreError::ReadOnly(text) => StoreError::ReadOnly(named(&text)),
        StoreError::Corrupt(text) => StoreError::Corrupt(named(&text)),
        other => other,
    }
}

/// The one connection that writes, its schema brought up to date.
pub(crate) fn writer(config: &SqliteConfig) -> StoreResult<Connection> {
    let path = &config.path;
    let open = || -> rusqlite::Result<Connection> {
        let conn = Connection::open(path)?;
        conn.busy_timeout(BUSY)?;
        conn.set_prepared_statement_cache_capacity(128);
        // Lets a statement take a list of places.
        rusqlite::vtab::array::load_module(&conn)?;
        Ok(conn)
    };
    let mut conn = open().map_err(|error| failed(path, &error))?;
    let found = version(&conn).map_err(|error| failed(path, &error))?;
    if found > SCHEMA {
        return Err(StoreError::Newer { found, known: SCHEMA });
    }
    let foreign = is_foreign(&conn, found).map_err(|error| failed(path, &error))?;
    if foreign {
        return Err(StoreError::Corrupt(format!("{} is an SQLite file of another program", path.display())));
    }
    let mode: String = conn
        .query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))
        .map_err(|error| failed(path, &error))?;
    if mode != "wal" {
        let text = format!(
            "{} cannot have a write-ahead log (journal mode {mode}); is it on a network drive?",
            path.display()
        );
        return Err(StoreError::Unavailable(text));
    }
    tune(&conn, config).and_then(|()| migrate(&mut conn)).map_err(|error| failed(path, &error))?;
    Ok(conn)
}

fn version(conn: &Connection) -> rusqlite::Result<u32> {
    conn.query_row("PRAGMA user_version", [], |row| row.get(0))
}

fn is_foreign(conn: &Connection, version: u32) -> rusqlite::Result<bool> {
    let tables: u32 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let id: i32 = conn.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    Ok(tables > 0 && (id != APPLICATION_ID || version == 0))
}

pub(crate) fn tune(conn: &Connection, config: &SqliteConfig) -> rusqlite::Result<()> {
    conn.execute_batch(&format!(
        "PRAGMA synchronous = {}; PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}; PRAGMA cache_size = -16384; \
         PRAGMA temp_store = MEMORY; PRAGMA foreign_keys = OFF;",
        config.synchronous.pragma()
    ))
}

fn migrate(conn: &mut Connection) -> rusqlite::Result<()> {
    if version(conn)? == SCHEMA {
        return Ok(());
    }
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Looked at again under the lock: another process may have done it meanwhile.
    let found = version(&tx)?;
    for script in MIGRATIONS.iter().skip(found as usize) {
        tx.execute_batch(script)?;
    }
    tx.execute_batch(&format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA};"))?;
    tx.commit()
}

/// A connection for looks.
pub(crate) fn reader(config: &SqliteConfig) -> StoreResult<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || -> rusqlite::Result<Connection> {
        let conn = Connection::open_with_flags(&config.path, flags)?;
        conn.busy_timeout(BUSY)?;
        conn.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -4096;")?;
        Ok(conn)
    };
    open().map_err(|error| failed(&config.path, &error))
}
