use std::time::Duration;

use clap::Args;
use longshore_core::{JobFilter, QueueName, State, parse_duration};

use super::show_batch;
use crate::command::whole;
use crate::context::Context;
use crate::exit::Usage;

#[derive(Args, Debug)]
pub(crate) struct Purge {
    /// The queue
    queue: QueueName,
    /// The state: completed, failed or cancelled, or one of those that wait
    #[arg(long)]
    state: State,
    /// Only jobs that match these words, such as "reason:timeout kind:pdf.*"
    #[arg(long, value_name = "FILTER", default_value = "")]
    q: JobFilter,
    /// Keep those that ended less than this time ago, such as 1h
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "0")]
    grace: Duration,
    /// Remove at most so many, the newest first; 0 is all
    #[arg(long, value_name = "N", value_parser = whole::<usize>, default_value_t = 0)]
    limit: usize,
    /// Print one JSON object: {changed, ids, refused}
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
        let limit = Some(self.limit).filter(|limit| *limit > 0);
        let batch = context.operator()?.purge(&self.queue, self.state, self.q, self.grace, limit).await?;
        show_batch(&batch, self.json)
    }
}
