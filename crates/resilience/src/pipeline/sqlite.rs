use std::path::PathBuf;
use std::time::Duration;

use longshore_clock::Door;
use longshore_core::Invalid;
use rusqlite::{Connection, params};
use serde::Serialize;
use serde_json::{Map, Value};

use super::writer::buffered;
use super::{BatchSink, BatchedWriter, BoxError};

/// Longest name of a table, in bytes.
const TABLE_MAX: usize = 64;
/// How long a writer waits for others who have locked the file.
const BUSY_WITHIN: Duration = Duration::from_secs(5);

/// Which table rows go to, and when.
#[derive(Clone, Debug)]
pub struct SqliteWriterConfig {
    /// The file; what is in it stays.
    pub db_path: PathBuf,
    /// The table, made if it is missing: a letter or `_`, then letters, digits and `_`.
    pub table_name: String,
    /// Rows that are written in one transaction, at most.
    pub buffer_size: usize,
    /// How long a row waits for others.
    pub flush_interval: Duration,
}

impl SqliteWriterConfig {
    /// With everything as usual: the table `request_results`, 100 rows, 5 seconds.
    pub fn new(db_path: impl Into<PathBuf>) -> Self {
        Self {
            db_path: db_path.into(),
            table_name: "request_results".to_owned(),
            buffer_size: 100,
            flush_interval: Duration::from_secs(5),
        }
    }
}

/// Writes each item as one row. Items are JSON objects; `url`, `status_code`, `latency_ms`, `timestamp`, `attempt` and
/// `error` have columns, and everything else, whatever each item brings, stands as JSON in `extra`.
pub type SqliteWriter<T> = BatchedWriter<T, SqliteSink>;

impl<T: Serialize + Send + Sync + 'static> SqliteWriter<T> {
    /// Opens the file. Refuses sizes of zero, a name that is none, and a file that is no database.
    pub fn open(config: &SqliteWriterConfig, door: &Door) -> Result<Self, Invalid> {
        let writer = buffered(config.buffer_size, config.flush_interval)?;
        Self::new(&writer, SqliteSink::open(config)?, door)
    }
}

/// The table behind a [`SqliteWriter`].
pub struct SqliteSink {
    path: PathBuf,
    table: String,
    /// Taken by the thread that writes; none after a write that panicked.
    file: Option<Connection>,
}

impl SqliteSink {
    /// For a [`BatchedWriter`] with other settings, such as one with dead letters.
    pub fn open(config: &SqliteWriterConfig) -> Result<Self, Invalid> {
        let (path, table) = (config.db_path.clone(), config.table_name.clone());
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let begins_well = table.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !begins_well || table.len() > TABLE_MAX || !table.chars().all(is_plain) {
            let expected =
                format!("a letter or '_', then letters, digits and '_', at most {TABLE_MAX} in all");
            return Err(Invalid::new("table_name", expected, format!("{table:?}")));
        }
        let refused =
            |why: &dyn std::fmt::Display| Invalid::new("db_path", "a SQLite file that can be written", why);
        // These are, or may be, places of one connection, which end with it.
        let text = path.to_string_lossy();
        let is_nowhere = text.is_empty() || text == ":memory:" || text.starts_with("file:");
        if is_nowhere {
            return Err(refused(&format_args!("\"{}\"", path.display())));
        }
        let file =
            connect(&path, &table).map_err(|error| refused(&format_args!("{}: {error}", path.display())))?;
        Ok(Self { path, table, file: Some(file) })
    }
}

fn connect(path: &std::path::Path, table: &str) -> rusqlite::Result<Connection> {
    let file = Connection::open(path)?;
    file.busy_timeout(BUSY_WITHIN)?;
    file.execute_batch(&format!(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         CREATE TABLE IF NOT EXISTS {table} (
           id INTEGER PRIMARY KEY AUTOINCREMENT,
           url TEXT NOT NULL,
           status_code INTEGER,
           latency_ms REAL,
           timestamp REAL,
           attempt INTEGER,
           error TEXT,
           created_at REAL NOT NULL DEFAULT ((julianday('now') - 2440587.5) * 86400.0),
           extra TEXT
         );
         CREATE INDEX IF NOT EXISTS idx_{table}_url ON {table} (url);
         CREATE INDEX IF NOT EXISTS idx_{table}_timestamp ON {table} (timestamp);"
    ))?;
    Ok(file)
}

/// What a row says.
#[derive(Default)]
struct Row {
    url: String,
    status_code: Option<i64>,
    latency_ms: Option<f64>,
    timestamp: Option<f64>,
    attempt: Option<i64>,
    error: Option<String>,
    extra: Option<String>,
}

impl Row {
    /// Takes what fits its column; what does not is kept beside it.
    fn of(item: &impl Serialize) -> Result<Self, BoxError> {
        let mut fields = match serde_json::to_value(item)? {
            Value::Object(fields) => fields,
            other => Map::from_iter([("value".to_owned(), other)]),
        };
        let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
        let row = Self {
            url: take(&mut fields, "url", text).unwrap_or_default(),
            status_code: take(&mut fields, "status_code", Value::as_i64),
            latency_ms: take(&mut fields, "latency_ms", Value::as_f64),
            timestamp: take(&mut fields, "timestamp", Value::as_f64),
            attempt: take(&mut fields, "attempt", Value::as_i64),
            error: take(&mut fields, "error", text),
            extra: None,
        };
        fields.retain(|name, value| !(name == "error" && value.is_null()));
        let extra = (!fields.is_empty()).then(|| Value::Object(fields).to_string());
        Ok(Self { extra, ..row })
    }
}

fn take<T>(fields: &mut Map<String, Value>, name: &str, read: impl Fn(&Value) -> Option<T>) -> Option<T> {
    let value = fields.get(name).and_then(read)?;
    fields.remove(name);
    Some(value)
}

impl<T: Serialize + Send + Sync + 'static> BatchSink<T> for SqliteSink {
    async fn write(&mut self, batch: &[T]) -> Result<(), BoxError> {
        let rows: Vec<Row> = batch.iter().map(Row::of).collect::<Result<_, _>>()?;
        let (path, table) = (self.path.clone(), self.table.clone());
        let file = self.file.take();
        // Disks are slow, and the runtime must not wait for them.
        let written = tokio::task::spawn_blocking(move || {
            let mut file = match file {
                Some(file) if path.exists() => file,
                // Or somebody has removed it, and nobody would ever read what is written there.
                _ => connect(&path, &table)?,
            };
            insert(&mut file, &table, &rows)?;
            Ok::<_, rusqlite::Error>(file)
        });
        self.file = Some(written.await??);
        Ok(())
    }
}

/// All rows or none.
fn insert(file: &mut Connection, table: &str, rows: &[Row]) -> rusqlite::Result<()> {
    let step = file.transaction()?;
    {
        let mut insert = step.prepare_cached(&format!(
            "INSERT INTO {table} (url, status_code, latency_ms, timestamp, attempt, error, extra)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
        ))?;
        for row in rows {
            insert.execute(params![
                row.url,
                row.status_code,
                row.latency_ms,
                row.timestamp,
                row.attempt,
                row.error,
                row.extra
            ])?;
        }
    }
    step.commit()
}
