//! `longshore schedule`.

mod add;
mod list;
mod named;

use clap::Subcommand;

use crate::context::Context;
use crate::operator::Scheduled;
use crate::out;
use crate::time::or_dash;

#[derive(Debug, Subcommand)]
pub(crate) enum Schedule {
    /// List the schedules with their next times
    List(list::List),
    /// Add a schedule, or change the one with this name
    Add(Box<add::Add>),
    /// Show everything about a schedule
    Show(named::Named),
    /// Make no more jobs until it is resumed
    Pause(named::Named),
    /// Make jobs again, from now on
    Resume(named::Named),
    /// Remove a schedule; the jobs that it made stay
    Remove(named::Named),
    /// Make its job now, whatever the rule says
    RunNow(named::Named),
}

impl Schedule {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        match self {
            Self::List(command) => command.run(context).await,
            Self::Add(command) => command.run(context).await,
            Self::Show(command) => command.show(context).await,
            Self::Pause(command) => command.pause(context).await,
            Self::Resume(command) => command.resume(context).await,
            Self::Remove(command) => command.remove(context).await,
            Self::RunNow(command) => command.run_now(context).await,
        }
    }
}

/// A schedule after a change: its next time, or the whole of it.
fn show(scheduled: &Scheduled, json: bool) -> anyhow::Result<()> {
    if json {
        return out::json(&scheduled.shown);
    }
    let line = &scheduled.line;
    if line.paused {
        let reason = line.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        out::line(format_args!("{} is paused{reason}", line.name));
    } else {
        out::line(format_args!("{}: {}, next {}", line.name, line.rule(), or_dash(line.next_at)));
    }
    Ok(())
}
