use clap::Args;
use longshore_core::ScheduleName;

use super::show;
use crate::context::{Context, Opened};
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
        let record = context.open_existing()?.engine.schedules().get(&self.name).await?;
        // Everything is what JSON shows; a person gets it with room between.
        if self.json {
            return out::json(&record.shown());
        }
        out::line(serde_json::to_string_pretty(&record.shown())?);
        Ok(())
    }

    pub(crate) async fn pause(self, context: &Context) -> anyhow::Result<()> {
        let opened = context.open_existing()?;
        show(opened.tell(opened.engine.schedules().pause(&self.name)).await?, self.json)
    }

    pub(crate) async fn resume(self, context: &Context) -> anyhow::Result<()> {
        let opened = context.open_existing()?;
        show(opened.tell(opened.engine.schedules().resume(&self.name)).await?, self.json)
    }

    pub(crate) async fn remove(self, context: &Context) -> anyhow::Result<()> {
        let opened = context.open_existing()?;
        opened.tell(opened.engine.schedules().remove(&self.name)).await?;
        if self.json {
            return out::json(&serde_json::json!({ "removed": self.name }));
        }
        out::line(format_args!("{} is removed", self.name));
        Ok(())
    }

    pub(crate) async fn run_now(self, context: &Context) -> anyhow::Result<()> {
        let opened: Opened = context.open_existing()?;
        let receipt = opened.tell(opened.engine.schedules().run_now(&self.name)).await?;
        if self.json {
            return out::json(&receipt);
        }
        out::line(format_args!("{} {}", receipt.id, receipt.state));
        Ok(())
    }
}
