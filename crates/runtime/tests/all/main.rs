//! The runtime from outside: engines, workers and keepers on a store in memory, and on a file where files matter.

#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod audit;
mod blocked;
mod blocking;
mod cancel;
mod client;
mod control;
mod events;
mod extract;
mod flows;
mod guards;
mod history;
mod hooks;
mod identity;
mod idle;
mod keeping;
mod kit;
mod lanes;
mod nodes;
mod outage;
mod outcomes;
mod panics;
mod progress;
mod rows;
mod running;
mod schedules;
mod spy;
mod stopping;
mod support;
mod timeouts;
mod told;
mod traces;
