use clap::Args;

use super::queues;
use crate::context::Context;
use crate::out;
use crate::table::Table;
use crate::time::ago;

#[derive(Args, Debug)]
pub(crate) struct List {
    /// Print one JSON object: {workers: […]}
    #[arg(long)]
    json: bool,
}

impl List {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let operator = context.operator()?;
        let workers = operator.workers().await?;
        if self.json {
            return out::json(&serde_json::json!({ "workers": workers }));
        }
        let mut table =
            Table::new(["ID", "HOST", "PID", "QUEUES", "SLOTS", "RUNNING", "FINISHED", "SEEN", "HEALTH"]);
        for worker in workers {
            let info = &worker.info;
            table.row([
                info.id.to_string(),
                info.host.clone(),
                info.pid.to_string(),
                queues(info),
                info.concurrency.to_string(),
                info.running.to_string(),
                info.finished.to_string(),
                ago(info.seen_at, operator.now()),
                worker.health.as_str().to_owned(),
            ]);
        }
        out::line(table);
        Ok(())
    }
}
