//! `longshore pdf`.

mod render;

use clap::Subcommand;

use crate::context::Context;

#[derive(Debug, Subcommand)]
pub(crate) enum Pdf {
    /// Render a template, or a finished HTML document, into a file
    Render(render::Render),
}

impl Pdf {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        match self {
            Self::Render(command) => command.run(context).await,
        }
    }
}
