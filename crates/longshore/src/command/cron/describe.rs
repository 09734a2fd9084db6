use clap::Args;
use longshore_cron::{Cron, Zone};

use crate::out;

#[derive(Args, Debug)]
pub(crate) struct Describe {
    /// The expression
    expression: Cron,
    /// The IANA zone
    #[arg(long, default_value = "UTC")]
    timezone: Zone,
    /// Print one JSON object: {cron_expression, timezone, description, never_fires}
    #[arg(long)]
    json: bool,
}

impl Describe {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let (description, never_fires) =
            (self.expression.describe(&self.timezone), self.expression.never_fires());
        if self.json {
            return out::json(&serde_json::json!({
                "cron_expression": self.expression.to_string(),
                "timezone": self.timezone.to_string(),
                "description": description,
                "never_fires": never_fires,
            }));
        }
        out::line(description);
        if never_fires {
            out::line("which never comes");
        }
        Ok(())
    }
}
