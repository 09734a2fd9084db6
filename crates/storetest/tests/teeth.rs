//! An exam that nobody can fail examines nothing.

use std::sync::Arc;

use async_trait::async_trait;
use longshore_clock::{Chance, Door};
use longshore_core::Store;
use longshore_memory::MemoryStore;
use longshore_storetest::{Closet, Exam, Faulty, Odds, questions};

struct Right;

#[async_trait]
impl Closet for Right {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(MemoryStore::new(&Door::system()))
    }
}

/// Refuses a call now and then, which no store may do for no reason.
struct Wrong;

#[async_trait]
impl Closet for Wrong {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(Faulty::new(Right.open().await, Chance::seeded(1), Odds { before: 0.01, after: 0.0 }))
    }
}

#[test]
#[should_panic(expected = "disagree")]
fn histories_find_a_store_that_differs() {
    let exam = Exam { subject: || Box::new(Wrong), reference: || Box::new(Right) };
    questions::history::random_histories_agree_with_the_reference(exam);
}
