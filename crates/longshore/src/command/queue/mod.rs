//! `longshore queue`.

mod drain;
mod failures;
mod info;
mod list;
mod named;
mod obliterate;
mod purge;
mod retry;
pub(crate) mod set;

use clap::Subcommand;
use longshore_runtime::Batch;

use crate::context::Context;
use crate::out;

#[derive(Debug, Subcommand)]
pub(crate) enum Queue {
    /// List every queue with its counts
    List(list::List),
    /// Show one queue: counts, workers, and kinds that nobody here can run
    Info(info::Info),
    /// Stop handing out the jobs of a queue, on every node; running jobs go on
    Pause(named::Named),
    /// Hand out the jobs of a queue again
    Resume(named::Named),
    /// Set limits, ageing and scan interval of a queue, on every node
    Set(Box<set::Set>),
    /// Remove the jobs of a queue that wait to run
    Drain(drain::Drain),
    /// Remove the jobs of a queue that are in one state
    #[command(alias = "clean")]
    Purge(Box<purge::Purge>),
    /// Group the failed jobs of a queue by what went wrong, the largest group first
    Failures(failures::Failures),
    /// Make the failed jobs of a queue ready again, with all their attempts
    Retry(Box<retry::Retry>),
    /// Remove everything of a queue: jobs in all states, and its settings
    Obliterate(obliterate::Obliterate),
}

impl Queue {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        match self {
            Self::List(command) => command.run(context).await,
            Self::Info(command) => command.run(context).await,
            Self::Pause(command) => command.pause(context).await,
            Self::Resume(command) => command.resume(context).await,
            Self::Failures(command) => command.run(context).await,
            Self::Retry(command) => command.run(context).await,
            Self::Set(command) => command.run(context).await,
            Self::Obliterate(command) => command.run(context).await,
            Self::Drain(command) => command.run(context).await,
            Self::Purge(command) => command.run(context).await,
        }
    }
}

/// What an operation on many jobs did.
fn show_batch(batch: &Batch, json: bool) -> anyhow::Result<()> {
    if json {
        return out::json(batch);
    }
    out::line(format_args!("removed {} {}", batch.changed, if batch.changed == 1 { "job" } else { "jobs" }));
    batch.ids.iter().for_each(out::line);
    if batch.changed > batch.ids.len() {
        out::line(format_args!("and {} more", batch.changed - batch.ids.len()));
    }
    show_refused(batch);
    Ok(())
}

/// What was meant as well and was not changed.
fn show_refused(batch: &Batch) {
    for refused in &batch.refused {
        out::line(format_args!("not {}: {}", refused.id, refused.message));
    }
}
