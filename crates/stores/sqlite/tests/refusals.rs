//! Files that are refused, each with a word about what to do.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::path::{Path, PathBuf};

use longshore_clock::Door;
use longshore_core::{Store, StoreError};
use longshore_sqlite::{SCHEMA, SqliteConfig, SqliteStore};

fn open(path: &Path) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(&SqliteConfig::new(path), &Door::system())
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    (folder, path)
}

fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let (_folder, path) = folder();
    drop(open(&path).unwrap());
    let conn = rusqlite::Connection::open(&path).unwrap();
    conn.execute_batch(&format!("PRAGMA user_version = {}; PRAGMA wal_checkpoint(TRUNCATE);", SCHEMA + 1))
        .unwrap();
    drop(conn);
    let before = bytes(&path);
    let error = open(&path).err().unwrap();
    assert!(matches!(error, StoreError::Newer { found, known } if found == SCHEMA + 1 && known == SCHEMA));
    assert!(error.to_string().contains("Use a newer longshore"));
    assert_eq!(bytes(&path), before);
}

#[test]
fn a_file_of_another_program_is_refused_and_left_alone() {
    let (_folder, path) = folder();
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE notes (text)").unwrap();
    let before = bytes(&path);
    let error = open(&path).err().unwrap();
    assert!(error.to_string().contains("another program"), "{error}");
    assert_eq!(bytes(&path), before);
}

#[test]
fn a_damaged_file_is_refused_and_left_alone() {
    let (_folder, path) = folder();
    std::fs::write(&path, "this is no database, however long it is ".repeat(100)).unwrap();
    let before = bytes(&path);
    let error = open(&path).err().unwrap();
    assert!(matches!(error, StoreError::Corrupt(_)), "{error:?}");
    assert!(error.to_string().contains("restore a backup"));
    assert_eq!(bytes(&path), before);
}

#[test]
fn a_folder_that_does_not_exist_is_named() {
    let (folder, _) = folder();
    let path = folder.path().join("missing").join("jobs.db");
    let error = open(&path).err().unwrap();
    assert!(
        error.to_string().contains("missing/jobs.db") && error.to_string().contains("folder must exist"),
        "{error}"
    );
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let (_folder, path) = folder();
    let store = open(&path).unwrap();
    store.close().await.unwrap();
    assert!(matches!(store.queues().await, Err(StoreError::Closed)));
}
