//! The services from outside: through an engine, a worker and a store in memory.

mod checks;
mod files;
#[cfg(feature = "pdf")]
mod jobs;
mod render;
mod support;
mod sweep;
