use clap::Args;
use longshore_core::{JobId, State};

use super::show_changed;
use crate::context::Context;

#[derive(Args, Debug)]
pub(crate) struct Cancel {
    /// The job
    id: JobId,
    /// Print the job as JSON
    #[arg(long)]
    json: bool,
}

impl Cancel {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let job = context.operator()?.cancel(&self.id).await?;
        let words = if job.state == State::Cancelled { "is cancelled" } else { "is asked to stop" };
        show_changed(&job, self.json, words)
    }
}
