//! `longshore lab`.

mod features;
mod queue;
mod subject;

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum Lab {
    /// How fast a store and the engine on it are, beside the raw floor of the same store
    Queue(queue::Queue),
    /// What unique keys, limits, flows, listings, pauses and schedules cost
    Features(features::Features),
}
