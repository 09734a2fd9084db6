use clap::Args;
use longshore_core::QueueName;

use super::{known, show_batch};
use crate::context::Context;

#[derive(Args, Debug)]
pub(crate) struct Obliterate {
    /// The queue
    queue: QueueName,
    /// Remove running jobs as well; their workers lose the leases
    #[arg(long)]
    force: bool,
    /// Print one JSON object: {changed, ids}
    #[arg(long)]
    json: bool,
}

impl Obliterate {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let opened = context.open_existing()?;
        let control = opened.control();
        known(&control, &self.queue).await?;
        let batch = opened.tell(control.obliterate(&self.queue, self.force)).await?;
        show_batch(&batch, self.json)
    }
}
