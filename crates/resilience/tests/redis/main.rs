//! The cache that many processes share, on a real Redis that is started, stopped and killed here.

#![expect(clippy::unwrap_used, reason = "what goes wrong here fails the test")]

mod cache;
mod faults;
mod server;
mod tiered;
