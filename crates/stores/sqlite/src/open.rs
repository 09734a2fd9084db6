use std::io;
use std::path::Path;
use std::time::Duration;

use longshore_core::{Invalid, StoreError, StoreResult};
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use crate::config::SqliteConfig;
use crate::error::sorted;
use crate::failures;
use crate::within::not_ours;

/// Marks a file as ours ("LSHR").
const APPLICATION_ID: i32 = 0x4c53_4852;
/// One script per schema version, in order. Forward only; a script that was released never changes.
const MIGRATIONS: &[&str] =
    &[include_str!("schema/0001.sql"), include_str!("schema/0002.sql"), include_str!("schema/0003.sql")];
/// The newest schema this program knows.
pub const SCHEMA: u32 = MIGRATIONS.len() as u32;
/// Our own processes take turns by a lock of their own; this bounds the wait for anybody else, a backup for example.
const BUSY: Duration = Duration::from_secs(5);
/// The log is copied into the file whenever it has grown by so many pages of 4 KiB.
pub(crate) const CHECKPOINT_PAGES: u32 = 4_000;

fn failed(path: &Path, error: &rusqlite::Error) -> StoreError {
    let named = |text: &str| format!("{}: {text}", path.display());
    match sorted(error) {
        // Also where it exists: SQLite cannot open a file whose folder it cannot write to.
        StoreError::Unavailable(_) if is_read_only(path) => StoreError::ReadOnly(format!(
            "{}: its file system or folder cannot be written to",
            path.display()
        )),
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

/// Whether nothing can be written beside the file, as its log has to be.
fn is_read_only(path: &Path) -> bool {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let denied = try_to_write_in(folder);
    matches!(denied, Err(error) if matches!(error.kind(), io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied))
}

/// Tries to write a file beside the database, and takes it away again.
fn try_to_write_in(folder: &Path) -> io::Result<()> {
    let probe = folder.join(format!(".longshore-{}", std::process::id()));
    std::fs::File::create_new(&probe)?;
    std::fs::remove_file(probe)
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
        #[cfg(test)]
        let conn = crate::cost::watched(conn);
        Ok(conn)
    };
    if path.is_dir() {
        return Err(Invalid::new("store", "a file", format!("the folder {}", path.display())).into());
    }
    let mut conn = open().map_err(|error| failed(path, &error))?;
    let (found, foreign) = identity(&mut conn).map_err(|error| failed(path, &error))?;
    if found > SCHEMA {
        return Err(StoreError::Newer { found, known: SCHEMA });
    }
    if foreign {
        return Err(StoreError::Foreign(path.display().to_string()));
    }
    let mode = write_ahead(&conn).map_err(|error| failed(path, &error))?;
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

/// The schema, and whether the file is that of another program. Both of one moment, because another process may be about
/// to create it.
fn identity(conn: &mut Connection) -> rusqlite::Result<(u32, bool)> {
    let look = conn.transaction()?;
    let tables: u32 = look.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let id: i32 = look.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let version = version(&look)?;
    Ok((version, tables > 0 && (id != APPLICATION_ID || version == 0)))
}

/// Refuses a connection to a file that is not ours, or of another version.
pub(crate) fn check_ours(conn: &Connection) -> StoreResult<()> {
    let look = || -> rusqlite::Result<(i32, u32)> {
        Ok((conn.query_row("PRAGMA application_id", [], |row| row.get(0))?, version(conn)?))
    };
    match look().map_err(|error| sorted(&error))? {
        (APPLICATION_ID, SCHEMA) => Ok(()),
        (APPLICATION_ID, found) => Err(not_ours(format!("schema {found}"))),
        _ => Err(not_ours("another file".to_owned())),
    }
}

/// What a file of our schema has to have, and this one lacks.
pub(crate) fn missing(conn: &Connection) -> rusqlite::Result<Vec<String>> {
    let names = |conn: &Connection| {
        let mut find =
            conn.prepare("SELECT type || ' ' || name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'")?;
        let names = find.query_map([], |row| row.get::<_, String>(0))?;
        names.collect::<rusqlite::Result<Vec<_>>>()
    };
    let whole = Connection::open_in_memory()?;
    MIGRATIONS.iter().try_for_each(|script| whole.execute_batch(script))?;
    let here = names(conn)?;
    Ok(names(&whole)?
        .into_iter()
        .filter(|name| !here.contains(name))
        .map(|name| format!("missing {name}"))
        .collect())
}

/// Sets the write-ahead log, and tells the mode that the file has now.
fn write_ahead(conn: &Connection) -> rusqlite::Result<String> {
    let mut left = 100;
    loop {
        let set = conn.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0));
        left -= 1;
        match set {
            // While another process does the same SQLite does not wait by itself; behind its lock it does.
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && left > 0 => {
                conn.execute_batch("BEGIN IMMEDIATE; COMMIT;")?;
            }
            set => return set,
        }
    }
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
    if found == 1 {
        failures::count_all(&tx)?;
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
        #[cfg(test)]
        let conn = crate::cost::watched(conn);
        Ok(conn)
    };
    open().map_err(|error| failed(&config.path, &error))
}
