use clap::Args;
use longshore_core::JobId;

use super::show_changed;
use crate::context::Context;
use crate::out;

#[derive(Args, Debug)]
pub(crate) struct Remove {
    /// The job
    id: JobId,
    /// Remove it even while it runs; what its handler still does is not recorded
    #[arg(long)]
    force: bool,
    /// Print the job as it last was, as JSON
    #[arg(long)]
    json: bool,
}

impl Remove {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        match context.operator()?.remove(&self.id, self.force).await? {
            Some(job) => show_changed(&job, self.json, "is removed"),
            None if self.json => out::json(&serde_json::json!({ "id": self.id })),
            None => {
                out::line(format_args!("{} is removed", self.id));
                Ok(())
            }
        }
    }
}
