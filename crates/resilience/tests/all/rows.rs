use longshore_clock::Door;
use longshore_resilience::{
    BatchedWriter, BatchedWriterConfig, JsonlWriter, JsonlWriterConfig, SqliteSink, SqliteWriter,
    SqliteWriterConfig,
};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::{door, millis, settle};

/// Column, and what stands in it as text.
fn rows(path: &std::path::Path, table: &str, columns: &str) -> Vec<String> {
    let file = Connection::open(path).unwrap();
    let mut rows = file.prepare(&format!("SELECT json_array({columns}) FROM {table} ORDER BY id")).unwrap();
    rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[tokio::test]
async fn records_of_all_sorts_become_rows_and_a_second_run_adds_to_them() {
    let (dir, door) = (tempfile::tempdir().unwrap(), Door::system());
    let path = dir.path().join("results.db");
    for run in 0..2 {
        let writer: SqliteWriter<Value> = SqliteWriter::open(&SqliteWriterConfig::new(&path), &door).unwrap();
        writer.start();
        for item in [
            json!({ "url": "/a", "status_code": 200, "latency_ms": 1.5, "timestamp": 7.25, "attempt": 1, "error": null }),
            json!({ "url": "/b", "status_code": "200", "error": "reset", "class": "reset" }),
            json!(7),
        ] {
            writer.write(item).await.unwrap();
        }
        let report = writer.flush().await;
        assert_eq!((report.written, report.failed, report.left), (3, 0, 0));
        assert!(writer.stop().await.returned.is_empty());
        let shown =
            rows(&path, "request_results", "url, status_code, latency_ms, timestamp, attempt, error, extra");
        assert_eq!(shown.len(), 3 * (run + 1));
        assert_eq!(
            shown[..3],
            [
                r#"["/a",200,1.5,7.25,1,null,null]"#,
                r#"["/b",null,null,null,null,"reset","{\"class\":\"reset\",\"status_code\":\"200\"}"]"#,
                r#"["",null,null,null,null,null,"{\"value\":7}"]"#,
            ]
        );
    }
    let file = Connection::open(&path).unwrap();
    let mode: String = file.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
    let age: f64 = file
        .query_row("SELECT unixepoch('subsec') - created_at FROM request_results", [], |row| row.get(0))
        .unwrap();
    assert!((-1.0..60.0).contains(&age), "{age}");
}

#[tokio::test]
async fn a_row_does_not_wait_longer_than_it_may() {
    let (dir, (door, manual)) = (tempfile::tempdir().unwrap(), door());
    let (path, lines) = (dir.path().join("results.db"), dir.path().join("results.jsonl"));
    let config = SqliteWriterConfig { flush_interval: millis(20), ..SqliteWriterConfig::new(&path) };
    let writer: SqliteWriter<Value> = SqliteWriter::open(&config, &door).unwrap();
    let config = JsonlWriterConfig { flush_interval: millis(20), ..JsonlWriterConfig::new(&lines) };
    let liner: JsonlWriter<Value> = JsonlWriter::open(&config, &door).unwrap();
    writer.start();
    liner.start();
    writer.write(json!({ "url": "/a" })).await.unwrap();
    liner.write(json!({ "url": "/a" })).await.unwrap();
    while writer.get_metrics().items_in_batch + liner.get_metrics().items_in_batch < 2 {
        tokio::task::yield_now().await;
    }
    manual.advance(millis(19));
    settle().await;
    assert_eq!((writer.get_metrics().items_in_batch, liner.get_metrics().items_in_batch), (1, 1));
    manual.advance(millis(1));
    while rows(&path, "request_results", "url").is_empty() {
        tokio::task::yield_now().await;
    }
    while std::fs::read_to_string(&lines).unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    writer.stop().await;
    liner.stop().await;
}

#[tokio::test]
async fn rows_go_to_a_new_file_when_theirs_was_removed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("results.db");
    let writer: SqliteWriter<Value> =
        SqliteWriter::open(&SqliteWriterConfig::new(&path), &Door::system()).unwrap();
    writer.start();
    writer.write(json!({ "url": "/gone" })).await.unwrap();
    writer.flush().await;
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    writer.write(json!({ "url": "/new" })).await.unwrap();
    assert_eq!(writer.flush().await.written, 1);
    writer.stop().await;
    let file = Connection::open(&path).unwrap();
    let urls: Vec<String> = file
        .prepare("SELECT url FROM request_results")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(urls, ["/new"]);
}

#[tokio::test]
async fn rows_that_cannot_be_written_are_told_of_and_the_next_ones_are() {
    let (dir, door) = (tempfile::tempdir().unwrap(), Door::system());
    let path = dir.path().join("results.db");
    let config = SqliteWriterConfig { table_name: "own".to_owned(), ..SqliteWriterConfig::new(&path) };
    let (dead, mut died) = tokio::sync::mpsc::unbounded_channel();
    let on_error = move |batch: longshore_resilience::DeadBatch<Value>| dead.send(batch.items.len()).unwrap();
    let sink = SqliteSink::open(&config).unwrap();
    let writer =
        BatchedWriter::with_dead_letters(&BatchedWriterConfig::default(), sink, on_error, &door).unwrap();
    writer.start();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("ALTER TABLE own RENAME TO elsewhere").unwrap();
    writer.write(json!({ "url": "/lost" })).await.unwrap();
    assert_eq!(writer.flush().await.failed, 1);
    assert_eq!(died.recv().await, Some(1));
    writer.write(json!({ "url": "/kept" })).await.unwrap();
    assert_eq!(writer.flush().await.written, 1);
    writer.stop().await;
    assert_eq!(rows(&path, "own", "url"), [r#"["/kept"]"#]);
}

#[tokio::test]
async fn a_name_that_is_none_and_a_file_that_is_no_database_are_refused() {
    let (dir, door) = (tempfile::tempdir().unwrap(), Door::system());
    let path = dir.path().join("results.db");
    let refused = |config: &SqliteWriterConfig| {
        SqliteWriter::<Value>::open(config, &door).err().map(|invalid| invalid.field)
    };
    for name in ["", "a b", "1a", "a;drop table x", "a\"", &"a".repeat(65)] {
        let config = SqliteWriterConfig { table_name: name.to_owned(), ..SqliteWriterConfig::new(&path) };
        assert_eq!(refused(&config).as_deref(), Some("table_name"), "{name}");
    }
    assert!(!path.exists(), "nothing was touched");
    let text = dir.path().join("text");
    std::fs::write(&text, "this is no database, and long enough to be looked at as one ".repeat(20)).unwrap();
    assert_eq!(refused(&SqliteWriterConfig::new(&text)).as_deref(), Some("db_path"));
    for nowhere in ["", ":memory:", "file::memory:"] {
        assert_eq!(refused(&SqliteWriterConfig::new(nowhere)).as_deref(), Some("db_path"), "{nowhere}");
    }
    let none = SqliteWriterConfig { buffer_size: 0, ..SqliteWriterConfig::new(&path) };
    assert_eq!(refused(&none).as_deref(), Some("buffer_size"));
}
