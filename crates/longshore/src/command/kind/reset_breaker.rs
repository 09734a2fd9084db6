use clap::Args;
use longshore_core::{Health, KindName};
use longshore_runtime::WorkerView;

use crate::context::Context;
use crate::out;

#[derive(Args, Debug)]
pub(crate) struct ResetBreaker {
    /// The kind
    kind: KindName,
    /// Print one JSON object: {asked, workers}: how many live workers have the kind
    #[arg(long)]
    json: bool,
}

impl ResetBreaker {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let operator = context.operator_of_any()?;
        operator.reset_breaker(&self.kind).await?;
        let knows =
            |worker: &WorkerView| worker.health != Health::Stale && worker.info.kinds.contains(&self.kind);
        let workers = operator.workers().await?.into_iter().filter(knows).count();
        if self.json {
            return out::json(&serde_json::json!({ "asked": self.kind, "workers": workers }));
        }
        if workers == 0 {
            out::line(format_args!("{}: asked, but no live worker has this kind", self.kind));
        } else {
            out::line(format_args!(
                "{}: asked; live workers with this kind: {workers}; a breaker closes at the next beat",
                self.kind
            ));
        }
        Ok(())
    }
}
