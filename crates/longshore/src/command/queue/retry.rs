use clap::Args;
use longshore_core::{JobFilter, QueueName};

use super::show_refused;
use crate::command::whole;
use crate::context::Context;
use crate::out;

#[derive(Args, Debug)]
pub(crate) struct Retry {
    /// The queue
    queue: QueueName,
    /// Only jobs that match these words, such as "reason:timeout kind:pdf.*"
    #[arg(long, value_name = "FILTER", default_value = "")]
    q: JobFilter,
    /// At most so many, the newest first; 0 is all
    #[arg(long, value_name = "N", value_parser = whole::<usize>, default_value_t = 0)]
    limit: usize,
    /// Print one JSON object: {changed, ids, refused}
    #[arg(long)]
    json: bool,
}

impl Retry {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let limit = Some(self.limit).filter(|limit| *limit > 0);
        let batch = context.operator()?.retry_all(&self.queue, self.q, limit).await?;
        if self.json {
            return out::json(&batch);
        }
        let jobs = if batch.changed == 1 { "job is" } else { "jobs are" };
        out::line(format_args!("{} {jobs} ready again", batch.changed));
        show_refused(&batch);
        Ok(())
    }
}
