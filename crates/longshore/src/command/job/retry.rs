use clap::Args;
use longshore_core::{JobId, State};

use super::show_changed;
use crate::context::Context;

#[derive(Args, Debug)]
pub(crate) struct Retry {
    /// The job
    id: JobId,
    /// Print the job as JSON
    #[arg(long)]
    json: bool,
}

impl Retry {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let job = context.operator()?.retry(&self.id).await?;
        let words =
            if job.state == State::Blocked { "waits for its parents again" } else { "is ready again" };
        show_changed(&job, self.json, words)
    }
}
