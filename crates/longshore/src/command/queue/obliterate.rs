use clap::Args;
use longshore_core::QueueName;

use super::show_batch;
use crate::context::Context;
use crate::exit::Usage;

#[derive(Args, Debug)]
pub(crate) struct Obliterate {
    /// The queue
    queue: QueueName,
    /// The name of the queue once more, because nothing of it can be brought back
    #[arg(long, value_name = "QUEUE", required_unless_present = "force")]
    confirm: Option<QueueName>,
    /// Remove running jobs as well, without being asked; their workers lose the leases
    #[arg(long)]
    force: bool,
    /// Print one JSON object: {changed, ids, refused}
    #[arg(long)]
    json: bool,
}

impl Obliterate {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        if let Some(other) = self.confirm.as_ref().filter(|confirm| **confirm != self.queue) {
            return Err(Usage(format!("--confirm: expected {}, got {other}", self.queue)).into());
        }
        let batch = context.operator()?.obliterate(&self.queue, self.force).await?;
        show_batch(&batch, self.json)
    }
}
