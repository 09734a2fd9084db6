use clap::Args;
use longshore_core::{QueueName, State};

use super::{known, show_batch};
use crate::context::Context;
use crate::exit::Usage;

#[derive(Args, Debug)]
pub(crate) struct Purge {
    /// The queue
    queue: QueueName,
    /// The state: completed, failed or cancelled, or one of those that wait
    #[arg(long)]
    state: State,
    /// Print one JSON object: {changed, ids}
    #[arg(long)]
    json: bool,
}

impl Purge {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        if self.state == State::Running {
            return Err(Usage(
                "--state: expected a state other than running, got running; cancel these jobs instead"
                    .to_owned(),
            )
            .into());
        }
        let opened = context.open_existing()?;
        let control = opened.control();
        known(&control, &self.queue).await?;
        let batch = opened.tell(control.purge(&self.queue, self.state)).await?;
        show_batch(&batch, self.json)
    }
}
