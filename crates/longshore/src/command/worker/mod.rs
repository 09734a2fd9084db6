//! `longshore worker`.

mod inspect;
mod list;
mod start;

use clap::Subcommand;
use longshore_core::WorkerInfo;
use longshore_runtime::Control;
use serde::Serialize;

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

/// A worker, and how it is.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    info: WorkerInfo,
    alive: bool,
    health: &'static str,
}

impl Shown {
    fn of(control: &Control, info: WorkerInfo) -> Self {
        let alive = control.is_alive(&info);
        let health = match (alive, info.stopping) {
            (false, _) => "stale",
            (true, true) => "stopping",
            (true, false) => "healthy",
        };
        Self { info, alive, health }
    }

    fn queues(&self) -> String {
        let names: Vec<&str> = self.info.queues.iter().map(longshore_core::QueueName::as_str).collect();
        if names.is_empty() { "all".to_owned() } else { names.join(",") }
    }
}
