//! The kit for tests of your own: no threads, no waiting, a clock that moves when it is told to.
//!
//! ```
//! use longshore::prelude::*;
//! use longshore::testing::TestKit;
//!
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct Remind { whom: String }
//!
//! impl Job for Remind {
//!     const KIND: &'static str = "remind";
//!     type Output = String;
//! }
//!
//! async fn remind(Args(job): Args<Remind>) -> Result<String, Outcome> {
//!     Ok(job.whom)
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut kit = TestKit::new();
//! kit.register(remind);
//! kit.client().enqueue(Remind { whom: "Grace".into() }).after(1.hour()).await?;
//! kit.assert_enqueued::<Remind>(|job| job.whom == "Grace").await;
//!
//! assert!(kit.run_one("default").await?.is_none(), "not due yet");
//! kit.advance(1.hour()).await?;
//! let job = kit.run_one("default").await?.unwrap();
//! assert_eq!(job.result.unwrap().as_str(), "\"Grace\"");
//! # Ok(())
//! # }
//! ```

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use longshore_memory::MemoryStore;
use longshore_runtime::testing::TestKit as Kit;

/// A whole system in memory, on a clock that stands at 2026-01-01T00:00:00Z until it is advanced.
///
/// Its verbs are those of [`longshore_runtime::testing::TestKit`]. Make it inside a Tokio runtime (`#[tokio::test]`).
pub struct TestKit(Kit);

impl TestKit {
    /// Empty, without handlers.
    pub fn new() -> Self {
        let (door, manual) = Kit::door();
        Self(Kit::on(Arc::new(MemoryStore::new(&door)), door, manual))
    }
}

impl Default for TestKit {
    fn default() -> Self {
        Self::new()
    }
}

impl Deref for TestKit {
    type Target = Kit;
    fn deref(&self) -> &Kit {
        &self.0
    }
}

impl DerefMut for TestKit {
    fn deref_mut(&mut self) -> &mut Kit {
        &mut self.0
    }
}
