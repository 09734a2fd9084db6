//! An exam that nobody can fail examines nothing.

use std::sync::Arc;

use async_trait::async_trait;
use longshore_clock::{Chance, Door};
use longshore_core::Store;
use longshore_memory::MemoryStore;
use longshore_storetest::{Closet, Exam, Faults, Odds, questions};

struct Right;

#[async_trait]
impl Closet for Right {
    fn place(&self) -> String {
        "here".to_owned()
    }

    async fn open(&self, _place: &str) -> Arc<dyn Store> {
        Arc::new(MemoryStore::new(&Door::system()))
    }
}

/// Refuses a call now and then, which no store may do for no reason.
struct Wrong;

#[async_trait]
impl Closet for Wrong {
    fn place(&self) -> String {
        Right.place()
    }

    async fn open(&self, place: &str) -> Arc<dyn Store> {
        Arc::new(Faults::around(
            Right.open(place).await,
            Chance::seeded(1),
            Odds { before: 0.01, after: 0.0 },
        ))
    }
}

#[test]
#[should_panic(expected = "disagree")]
fn histories_find_a_store_that_differs() {
    let exam = Exam { subject: || Box::new(Wrong), reference: || Box::new(Right), module: module_path!() };
    questions::history::random_histories_agree_with_the_reference(exam);
}
