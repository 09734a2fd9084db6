//! The exam, against the memory store.
#![expect(clippy::unwrap_used, reason = "an exam fails by panicking")]

use std::sync::Arc;

use longshore_clock::{Door, Timestamp};
use longshore_core::Store;
use longshore_memory::MemoryStore;
use longshore_sqlite::{SqliteConfig, SqliteStore};
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
    async fn open(&self) -> Arc<dyn Store> {
        let (door, _) = Door::manual(Timestamp::ZERO, self.0.path().as_os_str().len() as u64 + nonce());
        Arc::new(SqliteStore::open(&SqliteConfig::new(self.0.path().join("exam.db")), &door).unwrap())
    }
}

/// Two handles must not draw the same tokens, as two processes would not.
fn nonce() -> u64 {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

struct Memory;

#[async_trait::async_trait]
impl Closet for Memory {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(MemoryStore::new(&Door::manual(Timestamp::ZERO, 1).0))
    }
}

longshore_storetest::exam!(Sqlite::new(), against: Memory);
