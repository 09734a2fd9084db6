//! Longshore: durable background work.

mod store;

use longshore_clock::Door;
use longshore_core::StoreResult;
use longshore_runtime::Engine;

pub use store::open_store;

/// Opens a store by its URL and an engine around it, inside a Tokio runtime.
#[expect(clippy::unused_async, reason = "stores across a network connect here")]
pub async fn open(url: &str) -> StoreResult<Engine> {
    let door = Door::system();
    Ok(Engine::start(open_store(url, &door)?, door))
}
