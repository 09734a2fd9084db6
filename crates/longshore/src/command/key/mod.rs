//! `longshore key`.

mod create;
mod list;
mod revoke;

use clap::Subcommand;
use longshore_runtime::{ApiKey, Scope};

use crate::context::Context;

#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Make an API key, and show it this once
    Create(create::Create),
    /// List the API keys, without their secrets
    List(list::List),
    /// Make an API key worthless, from the next request on
    Revoke(revoke::Revoke),
}

impl Key {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        match self {
            Self::Create(command) => command.run(context).await,
            Self::List(command) => command.run(context).await,
            Self::Revoke(command) => command.run(context).await,
        }
    }
}

fn scopes(key: &ApiKey) -> String {
    key.scopes.iter().copied().map(Scope::as_str).collect::<Vec<_>>().join(", ")
}
