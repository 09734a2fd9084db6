use clap::Args;
use longshore_lab::features::{Plan, run};
use longshore_lab::queue::Subject;

use super::subject::subject;
use crate::out;

/// A new file, which the lab removes again.
const STORE: &str = "sqlite:longshore-lab.db";

#[derive(Args, Debug)]
pub(crate) struct Features {
    /// Jobs that are enqueued with and without a unique key
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1_000..=10_000_000))]
    jobs: u64,
    /// Jobs that a limit holds up
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(0..=10_000_000))]
    blocked: u64,
    /// Jobs that have ended before listings are timed
    #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(0..=10_000_000))]
    history: u64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Features {
    /// Measures one store; `--store` names a new file.
    pub(crate) async fn run(self, stores: Vec<String>) -> anyhow::Result<()> {
        let url = stores.first().map_or(STORE, String::as_str);
        let subject: std::sync::Arc<dyn Subject> = subject(url)?;
        let plan = Plan {
            jobs: self.jobs as usize,
            blocked: self.blocked as usize,
            history: self.history as usize,
            ..Plan::default()
        };
        let engine = subject.open().await?;
        let report = run(&engine, &plan).await;
        drop(engine);
        subject.discard().await?;
        let report = report?;
        if self.json {
            return out::json(&report);
        }
        out::line(serde_json::to_string_pretty(&report)?);
        Ok(())
    }
}
