use clap::Args;
use longshore_core::JobId;

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
        let opened = context.open_existing()?;
        let control = opened.control();
        opened.tell(control.retry(&self.id)).await?;
        show_changed(&control.job(&self.id).await?, self.json, "is ready again")
    }
}
