//! `longshore cron`. Needs no store.

mod describe;
mod next;
mod validate;

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum Cron {
    /// Print the next times of an expression
    Next(next::Next),
    /// Tell whether an expression can be used, and what is wrong with it
    Validate(validate::Validate),
    /// Say in English when an expression is due
    Describe(describe::Describe),
}

impl Cron {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Next(command) => command.run(),
            Self::Validate(command) => command.run(),
            Self::Describe(command) => command.run(),
        }
    }
}
