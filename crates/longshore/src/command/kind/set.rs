use clap::Args;
use longshore_core::{KindName, Limit};

use crate::command::queue::set::read_limits;
use crate::context::Context;
use crate::out;

#[derive(Args, Debug)]
pub(crate) struct Set {
    /// The kind
    kind: KindName,
    /// Jobs that run at once, over all queues and nodes
    #[arg(long, value_name = "N", required_unless_present = "limits")]
    concurrency: Option<u32>,
    /// All limits as JSON: [{"key": "args.host", "concurrency": 2, "rate": 5}]; [] takes them off
    #[arg(long, value_name = "JSON", conflicts_with = "concurrency")]
    limits: Option<String>,
    /// Print one JSON object: {name, limits}
    #[arg(long)]
    json: bool,
}

impl Set {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let limits = match &self.limits {
            Some(text) => read_limits(text)?,
            None => vec![Limit { concurrency: self.concurrency, ..Limit::default() }],
        };
        context.operator_of_any()?.set_kind(&self.kind, &limits).await?;
        if self.json {
            return out::json(&serde_json::json!({ "name": self.kind, "limits": limits }));
        }
        let said: Vec<String> = limits.iter().map(longshore_runtime::describe_limit).collect();
        let said = if said.is_empty() { "none".to_owned() } else { said.join("; ") };
        out::line(format_args!("{}: limits {said}", self.kind));
        Ok(())
    }
}
