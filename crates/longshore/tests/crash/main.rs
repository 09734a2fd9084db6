//! `kill -9` in the middle: no job is lost, and none ends twice.

#![expect(clippy::unwrap_used, reason = "what goes wrong here fails the test")]

mod jobs;
mod rules;
#[path = "../support/mod.rs"]
mod support;
mod yard;
