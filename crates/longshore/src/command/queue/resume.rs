use clap::Args;
use longshore_core::QueueName;

use crate::context::Context;
use crate::out;

#[derive(Args, Debug)]
pub(crate) struct Resume {
    /// The queue
    queue: QueueName,
    /// Print the queue as one JSON object
    #[arg(long)]
    json: bool,
}

impl Resume {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let info = context.operator()?.set_paused(&self.queue, false).await?;
        if self.json {
            return out::json(&info);
        }
        out::line(format_args!("{} hands out jobs again", self.queue));
        Ok(())
    }
}
