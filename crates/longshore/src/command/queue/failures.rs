use clap::Args;
use longshore_core::QueueName;

use crate::context::Context;
use crate::out;
use crate::table::Table;

#[derive(Args, Debug)]
pub(crate) struct Failures {
    /// The queue
    queue: QueueName,
    /// Print one JSON object: {failures: […]}
    #[arg(long)]
    json: bool,
}

impl Failures {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let failures = context.operator()?.failures(&self.queue).await?;
        if self.json {
            return out::json(&serde_json::json!({ "failures": failures }));
        }
        let mut table = Table::new(["FINGERPRINT", "JOBS", "KIND", "REASON", "ERROR"]);
        for group in failures {
            table.row([
                group.fingerprint.to_string(),
                group.jobs.to_string(),
                group.kind.to_string(),
                group.reason.as_str().to_owned(),
                group.message,
            ]);
        }
        out::line(table);
        Ok(())
    }
}
