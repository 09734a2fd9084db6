//! `longshore store`.

mod check;
mod migrate;
mod torture;

use clap::Subcommand;

use crate::context::Context;

#[derive(Debug, Subcommand)]
pub(crate) enum Store {
    /// Create the store, or bring its schema up to date
    Migrate(migrate::Migrate),
    /// See whether the store is sound and takes writes
    Check(check::Check),
    /// Play a rough history on the store, and say whether it keeps its promises
    Torture(torture::Torture),
}

impl Store {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        match self {
            Self::Migrate(command) => command.run(context),
            Self::Check(command) => command.run(context).await,
            Self::Torture(command) => command.run(context).await,
        }
    }
}
