use clap::Args;
use longshore_core::KindName;

use crate::context::Context;
use crate::out;

#[derive(Args, Debug)]
pub(crate) struct ResetBreaker {
    /// The kind
    kind: KindName,
    /// Print one JSON object: {asked}
    #[arg(long)]
    json: bool,
}

impl ResetBreaker {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        context.operator_of_any()?.reset_breaker(&self.kind).await?;
        if self.json {
            return out::json(&serde_json::json!({ "asked": self.kind }));
        }
        out::line(format_args!("{}: every worker with a breaker closes it at its next beat", self.kind));
        Ok(())
    }
}
