use std::sync::Arc;

use async_trait::async_trait;
use longshore_core::Store;

/// A place where one store's data lives. Every closet has a place of its own, empty when it is made, and cleans up
/// when it is dropped.
#[async_trait]
pub trait Closet: Send + Sync + 'static {
    /// Opens a handle on the data, as a process would when it starts.
    ///
    /// It is called a second time only if the store can be [`shared`](longshore_core::Can::shared), or if its data
    /// outlives the process and the first handle was closed.
    async fn open(&self) -> Arc<dyn Store>;
}

/// Who sits the exam, and against whom random histories are compared. Each call makes a new closet.
#[derive(Clone, Copy, Debug)]
pub struct Exam {
    /// The store under test.
    pub subject: fn() -> Box<dyn Closet>,
    /// The store that is right by definition.
    pub reference: fn() -> Box<dyn Closet>,
}
