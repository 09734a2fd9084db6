//! Files that are refused, each with a word about what to do.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::path::{Path, PathBuf};

use longshore_clock::Door;
use longshore_core::{Records, Store, StoreError};
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

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_alone() {
    let (_folder, path) = folder();
    open(&path).unwrap().close().await.unwrap();
    let conn = rusqlite::Connection::open(&path).unwrap();
    conn.execute_batch(&format!("PRAGMA user_version = {}; PRAGMA wal_checkpoint(TRUNCATE);", SCHEMA + 1))
        .unwrap();
    drop(conn);
    let before = bytes(&path);
    let error = open(&path).err().unwrap();
    assert!(matches!(error, StoreError::Newer { found, known } if found == SCHEMA + 1 && known == SCHEMA));
    assert!(error.to_string().contains("Use a newer longshore"));
    assert!(bytes(&path) == before);
}

#[test]
fn a_file_of_another_program_is_refused_and_left_alone() {
    let (_folder, path) = folder();
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE notes (text)").unwrap();
    let before = bytes(&path);
    let error = open(&path).err().unwrap();
    assert!(matches!(error, StoreError::Foreign(_)), "{error:?}");
    assert!(error.to_string().contains("belongs to another program. Choose another place"), "{error}");
    assert!(bytes(&path) == before);
}

#[test]
fn a_damaged_file_is_refused_and_left_alone() {
    let (_folder, path) = folder();
    std::fs::write(&path, "this is no database, however long it is ".repeat(100)).unwrap();
    let before = bytes(&path);
    let error = open(&path).err().unwrap();
    assert!(matches!(error, StoreError::Corrupt(_)), "{error:?}");
    assert!(error.to_string().contains("restore a backup"));
    assert!(bytes(&path) == before);
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

#[tokio::test]
async fn what_is_missing_is_found() {
    let (_folder, path) = folder();
    open(&path).unwrap().close().await.unwrap();
    assert_eq!(open(&path).unwrap().check().await.unwrap(), Vec::<String>::new());
    rusqlite::Connection::open(&path).unwrap().execute_batch("DROP TABLE tally").unwrap();
    assert_eq!(open(&path).unwrap().check().await.unwrap()[0], "missing table tally");
}

#[tokio::test]
async fn after_a_clean_end_everything_is_in_the_file_itself() {
    let (folder, path) = folder();
    let (store, other) = (open(&path).unwrap(), open(&path).unwrap());
    let at = longshore_core::Timestamp::ZERO;
    store.doc_put("key", "value".into(), longshore_core::Expect::Absent, None, at).await.unwrap();
    // In the same moment, when each may take the other for the last.
    let (first, second) = tokio::join!(store.close(), other.close());
    assert!(first.is_ok() && second.is_ok());
    let copy = folder.path().join("copy.db");
    std::fs::copy(&path, &copy).unwrap();
    assert!(open(&copy).unwrap().doc_get("key", at).await.unwrap().is_some());
}

#[tokio::test]
async fn a_link_to_the_file_leads_to_the_same_bell() {
    let (folder, path) = folder();
    let here = open(&path).unwrap();
    let link = folder.path().join("link.db");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    drop(open(&link).unwrap());
    assert!(!folder.path().join("link.db-peers").exists());
    drop(here);
}

#[test]
fn a_new_file_can_be_opened_by_many_at_once() {
    for _ in 0..10 {
        let (_folder, path) = folder();
        let start = std::sync::Barrier::new(8);
        std::thread::scope(|scope| {
            let opened: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        start.wait();
                        open(&path).map(drop)
                    })
                })
                .collect();
            for one in opened {
                one.join().unwrap().unwrap();
            }
        });
    }
}

#[tokio::test]
async fn a_process_that_was_halted_while_it_wrote_does_not_hold_up_the_others_for_ever() {
    let (folder, path) = folder();
    let store = open(&path).unwrap();
    let put = async || {
        let at = longshore_core::Timestamp::ZERO;
        store.doc_put("key", "value".into(), longshore_core::Expect::Anything, None, at).await
    };
    put().await.unwrap();
    let halted = std::fs::File::open(folder.path().join("jobs.db-peers").join("gate-inner")).unwrap();
    halted.lock().unwrap();
    let refused = put().await;
    assert!(matches!(&refused, Err(StoreError::Unavailable(text)) if text.contains("halted")), "{refused:?}");
    halted.unlock().unwrap();
    put().await.unwrap();
    put().await.unwrap();
}
