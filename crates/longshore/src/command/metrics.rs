use clap::Args;
use longshore_core::QueueName;
use longshore_runtime::{Percentiles, Span};

use crate::context::Context;
use crate::out;
use crate::table::Table;

#[derive(Args, Debug)]
pub(crate) struct Metrics {
    /// Only this queue
    #[arg(long)]
    queue: Option<QueueName>,
    /// How many samples of ten seconds, up to 500; 60 are ten minutes in which something happened
    #[arg(long, value_name = "N", default_value_t = 60)]
    limit: usize,
    /// Print one JSON object: {samples, total}
    #[arg(long)]
    json: bool,
}

impl Metrics {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let history = context.operator()?.history(self.queue.as_ref(), self.limit).await?;
        if self.json {
            return out::json(&history);
        }
        let Some(total) = history.total else {
            out::line("nothing has been sampled yet: workers write down every ten seconds what they did");
            return Ok(());
        };
        out::line(format_args!("{} samples from {} to {}", history.samples.len(), total.from, total.to));
        out::line(table(&total));
        Ok(())
    }
}

fn table(total: &Span) -> Table {
    let mut table = Table::new([
        "QUEUE",
        "COMPLETED",
        "PER S",
        "FAILED",
        "RETRIED",
        "RATIO",
        "WAIT P50/P95/P99 MS",
        "RUN P50/P95/P99 MS",
        "READY",
        "RUNNING",
    ]);
    let dash = || "-".to_owned();
    let times = |times: Option<Percentiles>| {
        times.map_or_else(dash, |times| format!("{:.1}/{:.1}/{:.1}", times.p50, times.p95, times.p99))
    };
    for (name, figures) in &total.queues {
        table.row([
            name.to_string(),
            figures.completed.to_string(),
            format!("{:.1}", figures.completed_per_s),
            figures.failed.to_string(),
            figures.retried.to_string(),
            figures.retry_ratio.map_or_else(dash, |ratio| format!("{ratio:.3}")),
            times(figures.wait_ms),
            times(figures.run_ms),
            figures.depth.map_or_else(dash, |depth| depth.ready.to_string()),
            figures.depth.map_or_else(dash, |depth| depth.running.to_string()),
        ]);
    }
    table
}
