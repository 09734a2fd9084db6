use clap::Args;

use super::scopes;
use crate::context::Context;
use crate::out;
use crate::table::Table;
use crate::time::or_dash;

#[derive(Args, Debug)]
pub(crate) struct List {
    /// Print one JSON object: {keys: […]}
    #[arg(long)]
    json: bool,
}

impl List {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let keys = context.operator()?.keys().await?;
        if self.json {
            return out::json(&serde_json::json!({ "keys": keys }));
        }
        let mut table = Table::new(["ID", "OWNER", "SCOPES", "CREATED", "EXPIRES"]);
        for key in keys {
            let (created, expires) = (key.created_at.to_string(), or_dash(key.expires_at));
            table.row([key.id.clone(), key.owner.to_string(), scopes(&key), created, expires]);
        }
        out::line(table);
        Ok(())
    }
}
