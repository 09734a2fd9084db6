use clap::Args;
use longshore_core::ScheduleName;

use super::show;
use crate::context::Context;
use crate::out;

#[derive(Args, Debug)]
pub(crate) struct Named {
    /// The schedule
    name: ScheduleName,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Named {
    pub(crate) async fn show(self, context: &Context) -> anyhow::Result<()> {
        // Everything is what JSON shows; a person gets the same.
        out::json(&context.operator()?.schedule(&self.name).await?.shown)
    }

    pub(crate) async fn pause(self, context: &Context) -> anyhow::Result<()> {
        show(&context.operator()?.pause_schedule(&self.name).await?, self.json)
    }

    pub(crate) async fn resume(self, context: &Context) -> anyhow::Result<()> {
        show(&context.operator()?.resume_schedule(&self.name).await?, self.json)
    }

    pub(crate) async fn remove(self, context: &Context) -> anyhow::Result<()> {
        context.operator()?.remove_schedule(&self.name).await?;
        if self.json {
            return out::json(&serde_json::json!({ "removed": self.name }));
        }
        out::line(format_args!("{} is removed", self.name));
        Ok(())
    }

    pub(crate) async fn run_now(self, context: &Context) -> anyhow::Result<()> {
        let receipt = context.operator()?.run_schedule(&self.name).await?;
        if self.json {
            return out::json(&receipt);
        }
        out::line(format_args!("{} {}", receipt.id, receipt.state));
        Ok(())
    }
}
