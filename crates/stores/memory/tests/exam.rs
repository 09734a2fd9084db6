//! The store in memory sits the exam.

use std::sync::Arc;

use async_trait::async_trait;
use longshore_clock::Door;
use longshore_core::Store;
use longshore_memory::MemoryStore;
use longshore_storetest::Closet;

struct Memory;

#[async_trait]
impl Closet for Memory {
    fn place(&self) -> String {
        "here".to_owned()
    }

    async fn open(&self, _place: &str) -> Arc<dyn Store> {
        Arc::new(MemoryStore::new(&Door::system()))
    }
}

longshore_storetest::exam!(Memory);
