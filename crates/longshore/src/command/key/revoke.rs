use clap::Args;

use crate::context::Context;
use crate::out;

#[derive(Args, Debug)]
pub(crate) struct Revoke {
    /// The id of the key, as `longshore key list` shows it
    id: String,
    /// Print one JSON object: {id, revoked}
    #[arg(long)]
    json: bool,
}

impl Revoke {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        context.operator()?.revoke_key(&self.id).await?;
        if self.json {
            return out::json(&serde_json::json!({ "id": self.id, "revoked": true }));
        }
        out::line(format_args!("API key {} is worth nothing any more", self.id));
        Ok(())
    }
}
