use clap::Args;
use longshore_core::QueueName;

use super::show_batch;
use crate::context::Context;

#[derive(Args, Debug)]
pub(crate) struct Drain {
    /// The queue
    queue: QueueName,
    /// Remove jobs that wait for a time as well
    #[arg(long, alias = "include-delayed")]
    include_scheduled: bool,
    /// Print one JSON object: {changed, ids, refused}
    #[arg(long)]
    json: bool,
}

impl Drain {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let batch = context.operator()?.drain(&self.queue, self.include_scheduled).await?;
        show_batch(&batch, self.json)
    }
}
