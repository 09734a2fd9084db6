use std::sync::Arc;

use async_trait::async_trait;
use longshore_core::Store;

/// A place where one store's data lives. Every closet has a place of its own, empty when it is made, and cleans up
/// when it is dropped.
#[async_trait]
pub trait Closet: Send + Sync + 'static {
    /// Where the data are, in words that [`open`](Self::open) understands in another process too.
    fn place(&self) -> String;

    /// Opens a handle on the data at a place, as a process would when it starts.
    ///
    /// It is called a second time for one place only if the store can be [`shared`](longshore_core::Can::shared), or if
    /// its data outlives the process and the first handle was closed.
    async fn open(&self, place: &str) -> Arc<dyn Store>;
}

/// Who sits the exam, and against whom random histories are compared. Each call makes a new closet.
#[derive(Clone, Copy, Debug)]
pub struct Exam {
    /// The store under test.
    pub subject: fn() -> Box<dyn Closet>,
    /// The store that is right by definition.
    pub reference: fn() -> Box<dyn Closet>,
    /// The module whose tests the questions are, as `module_path!` names it.
    pub module: &'static str,
}
