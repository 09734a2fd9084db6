use std::sync::Arc;

use longshore_clock::Door;
use longshore_core::{Invalid, Store, StoreError, StoreResult};
use longshore_memory::MemoryStore;
use longshore_sqlite::{SqliteConfig, SqliteStore};

/// Opens the store that a URL names: `memory:`, or `sqlite:path.db` (`?synchronous=normal` for speed at the price of
/// the last moments when the power fails).
pub fn open_store(url: &str, door: &Door) -> StoreResult<Arc<dyn Store>> {
    match url.split_once(':').map_or(url, |(scheme, _)| scheme) {
        "memory" => Ok(Arc::new(MemoryStore::new(door))),
        "sqlite" => Ok(Arc::new(SqliteStore::open(&SqliteConfig::from_url(url)?, door)?)),
        _ => Err(StoreError::Invalid(Invalid::new("store", "memory: or sqlite:PATH", url))),
    }
}
