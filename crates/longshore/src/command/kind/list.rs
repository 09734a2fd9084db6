use clap::Args;
use longshore_runtime::describe_limit;

use crate::context::Context;
use crate::out;
use crate::table::Table;

#[derive(Args, Debug)]
pub(crate) struct List {
    /// Print one JSON object: {kinds: […]}
    #[arg(long)]
    json: bool,
}

impl List {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let kinds = context.operator()?.kinds().await?;
        if self.json {
            return out::json(&serde_json::json!({ "kinds": kinds }));
        }
        let mut table = Table::new(["KIND", "LIMITS"]);
        for kind in kinds {
            let limits: Vec<String> = kind.limits.iter().map(describe_limit).collect();
            table.row([kind.name.to_string(), limits.join("; ")]);
        }
        out::line(table);
        Ok(())
    }
}
