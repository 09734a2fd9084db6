use clap::Args;

use crate::context::Context;
use crate::out;

#[derive(Args, Debug)]
pub(crate) struct Migrate {
    /// Print one JSON object: {store, schema}
    #[arg(long)]
    json: bool,
}

impl Migrate {
    /// Opening a store does all of it, so that no program ever meets an older schema than its own.
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        context.open()?;
        if self.json {
            let schema = longshore_sqlite::SCHEMA;
            return out::json(&serde_json::json!({ "store": context.settings.store, "schema": schema }));
        }
        out::line(format_args!("{} is up to date", context.settings.store));
        Ok(())
    }
}
