use std::time::Duration;

use clap::Args;
use longshore_core::parse_duration;
use longshore_runtime::{NewKey, Scope};

use super::scopes;
use crate::context::Context;
use crate::out;

#[derive(Args, Debug)]
pub(crate) struct Create {
    /// To whom the jobs belong that are inserted with it
    #[arg(long)]
    owner: String,
    /// What it allows, with commas between: read (look at one's own jobs), submit (insert jobs, change one's own), admin (everything)
    #[arg(long, value_name = "SCOPES", value_delimiter = ',', required = true)]
    scope: Vec<Scope>,
    /// After so long it is worth nothing, such as 90d; never, if not given
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    expires_in: Option<Duration>,
    /// Print one JSON object: the key as it is kept, and its text as `key`
    #[arg(long)]
    json: bool,
}

impl Create {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let new = NewKey { owner: self.owner, scopes: self.scope, expires_in: self.expires_in };
        let (kept, text) = context.operator_of_any()?.create_key(&new).await?;
        if self.json {
            let mut shown = serde_json::to_value(&kept)?;
            shown["key"] = text.into();
            return out::json(&shown);
        }
        let until = kept.expires_at.map(|at| format!(", until {at}")).unwrap_or_default();
        out::line(format_args!("API key {} for {}: {}{until}", kept.id, kept.owner, scopes(&kept)));
        out::line("It is shown this once. Send it as Authorization: Bearer KEY");
        out::line(text);
        Ok(())
    }
}
