//! Longshore: durable background work.
//!
//! Jobs are inserted through a [`Client`](prelude::Client), kept by a store, and run by [`Worker`](prelude::Worker)s,
//! whose handlers are plain async functions. A job outlives its process: what was accepted is run, and tried again
//! when it fails, even after `kill -9`.
//!
//! ```
//! use longshore::prelude::*;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize, Job)] // kind `greet`
//! struct Greet { name: String }
//!
//! async fn greet(Args(job): Args<Greet>, progress: Progress) -> Result<String, Outcome> {
//!     progress.at(50, "thinking of something nice").await;
//!     Ok(format!("hello, {}", job.name))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let engine = longshore::open("memory:").await?; // or "sqlite:jobs.db"
//! let receipt = engine.client().enqueue(Greet { name: "Ada".into() }).max_attempts(3).await?;
//!
//! let control = engine.control();
//! let done = async { drop(control.wait(&receipt.id, 10.seconds()).await) }; // a service: shutdown_signal()
//! Worker::new(engine.clone()).queue(Queue::new("default").concurrency(20)).register(greet).run(done).await?;
//!
//! let job = control.job(&receipt.id).await?;
//! assert_eq!(job.result.unwrap().to::<String>()?, "hello, Ada");
//! # Ok(())
//! # }
//! ```
//!
//! A [`Keeper`](prelude::Keeper) has to run somewhere on each store: it makes due jobs ready and takes back the leases
//! of dead workers. Every worker brings one along.
//!
//! Handlers are called at least once per attempt, so they should be safe to repeat;
//! [`Attempt::idempotency_key`](prelude::Attempt::idempotency_key) helps with that.

pub mod prelude;
/// What only the embedded store can do: [`insert_within`](sqlite::insert_within) a transaction of your own.
pub mod sqlite {
    pub use longshore_sqlite::{SqliteConfig, SqliteStore, Synchronous, Within, insert_within, rusqlite};
}
mod shutdown;
mod store;
pub mod test_kinds;
pub mod testing;

use longshore_clock::Door;

pub use longshore_clock as clock;
pub use longshore_core as core;
pub use longshore_core::{
    Backoff, Durability, Event, EventName, Invalid, JobFilter, JobId, Json, KindName, Options, Page,
    Priority, QueueInfo, QueueName, Retention, State as JobState, Store, StoreError, StoreResult, Timestamp,
    WorkerInfo, format_duration, parse_duration,
};
pub use longshore_pool as pool;
pub use longshore_pool::{CpuPool, CpuPoolConfig, run_cpu_bound};
pub use longshore_resilience as resilience;
pub use longshore_runtime as runtime;
pub use longshore_telemetry as telemetry;
pub use shutdown::shutdown_signal;
pub use store::open_store;

use longshore_runtime::Engine;

/// Opens a store by its URL and an engine around it, inside a Tokio runtime.
///
/// The URLs are those of [`open_store`].
#[expect(clippy::unused_async, reason = "stores across a network connect here")]
pub async fn open(url: &str) -> StoreResult<Engine> {
    let door = Door::system();
    Ok(Engine::start(open_store(url, &door)?, door))
}

/// The examples of the README and the guides are compiled and run as tests.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../../README.md")]
    struct Readme;
    #[doc = include_str!("../../../docs/guides/jobs.md")]
    struct Jobs;
    #[doc = include_str!("../../../docs/guides/schedules.md")]
    struct Schedules;
    #[doc = include_str!("../../../docs/guides/handlers.md")]
    struct Handlers;
    #[doc = include_str!("../../../docs/guides/resilience.md")]
    struct Resilience;
}
