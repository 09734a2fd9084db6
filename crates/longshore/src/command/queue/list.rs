use clap::Args;
use longshore_core::State;

use crate::context::Context;
use crate::out;
use crate::table::Table;

#[derive(Args, Debug)]
pub(crate) struct List {
    /// Print one JSON object: {queues: […]}
    #[arg(long)]
    json: bool,
}

impl List {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let queues = context.operator()?.queues().await?;
        if self.json {
            return out::json(&serde_json::json!({ "queues": queues }));
        }
        let mut table = Table::new([
            "QUEUE",
            "PAUSED",
            "BLOCKED",
            "SCHEDULED",
            "READY",
            "RUNNING",
            "COMPLETED",
            "FAILED",
            "CANCELLED",
        ]);
        for queue in queues {
            let counts = State::ALL.map(|state| queue.counts.get(state).to_string());
            let paused = if queue.paused { "yes" } else { "no" }.to_owned();
            table.row([queue.name.to_string(), paused].into_iter().chain(counts));
        }
        out::line(table);
        Ok(())
    }
}
