//! The SQLite store sits the exam, compared with the memory store.
#![expect(clippy::unwrap_used, reason = "an exam fails by panicking")]

use std::sync::Arc;

use longshore_clock::Door;
use longshore_core::Store;
use longshore_memory::MemoryStore;
use longshore_sqlite::{SqliteConfig, SqliteStore, Synchronous};
use longshore_storetest::Closet;

/// One file; every handle is what another process would have.
struct Sqlite(tempfile::TempDir);

impl Sqlite {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
}

#[async_trait::async_trait]
impl Closet for Sqlite {
    fn place(&self) -> String {
        self.0.path().join("exam.db").into_os_string().into_string().unwrap()
    }

    async fn open(&self, place: &str) -> Arc<dyn Store> {
        // What an exam asks has nothing to do with power failures, and thousands of syncs take minutes on a slow disk.
        let config = SqliteConfig { synchronous: Synchronous::Normal, ..SqliteConfig::new(place) };
        Arc::new(SqliteStore::open(&config, &Door::system()).unwrap())
    }
}

struct Memory;

#[async_trait::async_trait]
impl Closet for Memory {
    fn place(&self) -> String {
        "here".to_owned()
    }

    async fn open(&self, _place: &str) -> Arc<dyn Store> {
        Arc::new(MemoryStore::new(&Door::system()))
    }
}

longshore_storetest::exam!(Sqlite::new(), against: Memory);
