//! The services from outside: through an engine, a worker and a store in memory.

#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod checks;
#[cfg(feature = "pdf")]
mod documents;
mod files;
mod jobs;
mod render;
mod support;
mod sweep;
