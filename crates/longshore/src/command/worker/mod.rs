//! `longshore worker`.

mod inspect;
mod list;
mod start;

use clap::Subcommand;
use longshore_core::WorkerInfo;

use crate::config::Flag;
use crate::context::Context;

#[derive(Debug, Subcommand)]
pub(crate) enum Worker {
    /// Run a worker until it is asked to stop
    Start(start::Start),
    /// List the workers seen in the last hour
    List(list::List),
    /// Show everything about a worker
    Inspect(inspect::Inspect),
}

impl Worker {
    pub(crate) fn flags(&self) -> Vec<Flag> {
        match self {
            Self::Start(command) => command.flags(),
            _ => Vec::new(),
        }
    }

    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        match self {
            Self::Start(command) => command.run(context).await,
            Self::List(command) => command.run(context).await,
            Self::Inspect(command) => command.run(context).await,
        }
    }
}

/// The queues that a worker serves, in one word.
fn queues(info: &WorkerInfo) -> String {
    let names: Vec<&str> = info.queues.iter().map(longshore_core::QueueName::as_str).collect();
    if names.is_empty() { "all".to_owned() } else { names.join(",") }
}
