//! What is promised, on a clock that stands still until it is told.

#![expect(clippy::unwrap_used, reason = "what goes wrong here fails the test")]

mod adaptive;
mod breaker;
mod cache;
mod events;
mod hedge;
mod layers;
mod limiter;
mod pipeline;
mod policy;
mod priority;
mod rate;
mod retry;
#[cfg(feature = "sqlite")]
mod rows;
mod scrape;
mod support;
