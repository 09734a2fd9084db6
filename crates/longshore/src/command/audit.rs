use clap::Args;
use longshore_core::QueueName;
use longshore_runtime::AuditFilter;

use crate::command::whole;
use crate::context::Context;
use crate::out;
use crate::table::Table;

#[derive(Args, Debug)]
pub(crate) struct Audit {
    /// Only this action, such as queue.pause; a final * stands for any ending
    #[arg(long)]
    action: Option<String>,
    /// Only what was done, what was refused, or what the store did not do
    #[arg(long, value_parser = ["ok", "refused", "failed"])]
    outcome: Option<String>,
    /// Only what was about this queue
    #[arg(long)]
    queue: Option<QueueName>,
    /// Only entries with this text in actor, target or details
    #[arg(long)]
    text: Option<String>,
    /// How many entries, up to 500
    #[arg(long, value_name = "N", value_parser = whole::<usize>, default_value_t = 50)]
    limit: usize,
    /// Print one JSON object: {entries: […]}
    #[arg(long)]
    json: bool,
}

impl Audit {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let Self { action, outcome, queue, text, limit, json } = self;
        let filter = AuditFilter { action, outcome, queue, text };
        let entries = context.operator()?.audit(filter, limit).await?;
        if json {
            return out::json(&serde_json::json!({ "entries": entries }));
        }
        let mut table = Table::new(["AT", "ACTION", "TARGET", "OUTCOME", "SOURCE", "ACTOR", "DETAILS"]);
        for entry in entries {
            let source = serde_json::to_value(entry.source)?;
            table.row([
                entry.at.to_string(),
                entry.action,
                entry.target,
                entry.outcome,
                source.as_str().unwrap_or_default().to_owned(),
                entry.actor.map_or_else(|| "-".to_owned(), |actor| actor.to_string()),
                if entry.details.is_null() { "-".to_owned() } else { entry.details.to_string() },
            ]);
        }
        out::line(table);
        Ok(())
    }
}
