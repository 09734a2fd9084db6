//! `longshore kind`.

mod list;
mod reset_breaker;
mod set;

use clap::Subcommand;

use crate::context::Context;

#[derive(Debug, Subcommand)]
pub(crate) enum Kind {
    /// List the kinds that have limits
    List(list::List),
    /// Close the breaker of a kind by hand, wherever there is one
    ResetBreaker(reset_breaker::ResetBreaker),
    /// Set the limits of a kind in all queues, on every node
    Set(set::Set),
}

impl Kind {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        match self {
            Self::List(command) => command.run(context).await,
            Self::ResetBreaker(command) => command.run(context).await,
            Self::Set(command) => command.run(context).await,
        }
    }
}
