use clap::{ArgGroup, Args};
use longshore_core::{KindName, Limit};

use crate::command::queue::set::read_limits;
use crate::command::whole;
use crate::context::Context;
use crate::out;

#[derive(Args, Debug)]
#[command(group(ArgGroup::new("what").required(true)))]
pub(crate) struct Set {
    /// The kind
    kind: KindName,
    /// Jobs that run at once, over all queues and nodes
    #[arg(long, value_name = "N", value_parser = whole::<u32>, group = "what")]
    concurrency: Option<u32>,
    /// All limits as JSON: [{"key": "args.host", "concurrency": 2, "rate": 5}]; [] takes them off
    #[arg(long, value_name = "JSON", group = "what")]
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
