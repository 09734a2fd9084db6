use clap::Args;
use longshore_core::QueueName;

use crate::context::Context;
use crate::out;

#[derive(Args, Debug)]
pub(crate) struct Pause {
    /// The queue
    queue: QueueName,
    /// Print the queue as one JSON object
    #[arg(long)]
    json: bool,
}

impl Pause {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let info = context.operator()?.set_paused(&self.queue, true).await?;
        if self.json {
            return out::json(&info);
        }
        out::line(format_args!("{} is paused; jobs that run go on", self.queue));
        Ok(())
    }
}
