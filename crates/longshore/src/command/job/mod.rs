//! `longshore job`.

mod cancel;
mod enqueue;
mod list;
mod options;
mod remove;
mod retry;
mod show;
mod watch;
mod why;

use clap::Subcommand;
use longshore_core::Job as Record;

pub(crate) use enqueue::read_args;
pub(crate) use options::{GivenOptions, OptionFlags};

use crate::context::Context;
use crate::out;

#[derive(Debug, Subcommand)]
pub(crate) enum Job {
    /// Enqueue a job, and print its id and its state
    Enqueue(Box<enqueue::Enqueue>),
    /// List jobs, the newest first
    List(Box<list::List>),
    /// Show everything about a job
    #[command(alias = "inspect")]
    Show(show::Show),
    /// Follow a job until it ends
    Watch(watch::Watch),
    /// Tell why a job is not running: paused, limited, waiting, or nobody there
    Why(why::Why),
    /// Run a failed or cancelled job again, with all its attempts
    Retry(retry::Retry),
    /// Cancel a job: at once while it waits; a running one is asked to stop
    Cancel(cancel::Cancel),
    /// Remove the record of a job
    Remove(remove::Remove),
}

impl Job {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        match self {
            Self::Enqueue(command) => command.run(context).await,
            Self::List(command) => command.run(context).await,
            Self::Show(command) => command.run(context).await,
            Self::Watch(command) => command.run(context).await,
            Self::Why(command) => command.run(context).await,
            Self::Retry(command) => command.run(context).await,
            Self::Cancel(command) => command.run(context).await,
            Self::Remove(command) => command.run(context).await,
        }
    }
}

/// The job after a change, in one line or as a whole.
fn show_changed(job: &Record, json: bool, words: &str) -> anyhow::Result<()> {
    if json {
        return out::json(job);
    }
    out::line(format_args!("{} {words}", job.id()));
    Ok(())
}
