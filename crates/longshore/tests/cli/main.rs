//! Every command from outside: what it prints, and how it ends.

#![expect(clippy::unwrap_used, reason = "what goes wrong here fails the test")]

mod api;
mod config;
mod deploy;
mod disk;
mod job;
mod key;
mod lab;
mod limits;
mod options;
mod pdf;
mod queue;
mod schedule;
mod serve;
mod store;
#[path = "../support/mod.rs"]
mod support;
mod traces;
mod watch;
mod worker;
