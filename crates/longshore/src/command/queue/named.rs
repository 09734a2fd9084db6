use clap::Args;
use longshore_core::QueueName;

use crate::context::Context;
use crate::out;

#[derive(Args, Debug)]
pub(crate) struct Named {
    /// The queue
    queue: QueueName,
    /// Print the queue as one JSON object
    #[arg(long)]
    json: bool,
}

impl Named {
    pub(crate) async fn pause(self, context: &Context) -> anyhow::Result<()> {
        self.set_paused(context, true, "is paused; jobs that run go on").await
    }

    pub(crate) async fn resume(self, context: &Context) -> anyhow::Result<()> {
        self.set_paused(context, false, "hands out jobs again").await
    }

    async fn set_paused(self, context: &Context, paused: bool, told: &str) -> anyhow::Result<()> {
        let info = context.operator()?.set_paused(&self.queue, paused).await?;
        if self.json {
            return out::json(&info);
        }
        out::line(format_args!("{} {told}", self.queue));
        Ok(())
    }
}
