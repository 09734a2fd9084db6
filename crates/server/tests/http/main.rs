//! The HTTP face as clients meet it: a real server on a loopback socket, with a worker and a keeper behind it.

#![expect(clippy::unwrap_used, reason = "what goes wrong here fails the test")]

mod client;
mod house;
mod stream;

mod connection;
mod correlation;
mod file;
mod flows;
mod health;
mod idempotency;
mod identity;
mod job_events;
mod life;
mod limits;
mod list;
mod metrics;
mod openapi;
mod options;
mod pdf;
mod places;
mod queues;
mod refused;
mod result;
mod schedules;
mod stop;
mod submit;
mod system_events;
