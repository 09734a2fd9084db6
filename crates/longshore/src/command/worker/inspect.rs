use clap::Args;
use longshore_core::{JobId, WorkerId};

use super::queues;
use crate::context::Context;
use crate::out;
use crate::time::ago;

#[derive(Args, Debug)]
pub(crate) struct Inspect {
    /// The worker
    id: WorkerId,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Inspect {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let operator = context.operator()?;
        let worker = operator.worker(&self.id).await?;
        if self.json {
            return out::json(&worker);
        }
        let info = &worker.info;
        let say = |name: &str, text: &str| out::line(format_args!("{name:<12}{text}"));
        say("id", info.id.as_str());
        say("host", &info.host);
        say("process", &info.pid.to_string());
        say("version", &info.version);
        say("health", worker.health.as_str());
        say("queues", &queues(info));
        say("slots", &format!("{} for each queue", info.concurrency));
        say("running", &info.running.to_string());
        say("buffered", &info.buffered.to_string());
        let rate = info.finished_per_second.map(|rate| format!(" ({rate:.1}/s)")).unwrap_or_default();
        say("finished", &format!("{}{rate}", info.finished));
        say("started", &info.started_at.to_string());
        say("seen", &ago(info.seen_at, operator.now()));
        let kinds = info.kinds.iter().map(ToString::to_string).collect();
        let ids = |ids: &[JobId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
        let lists =
            [("kinds", kinds), ("runs", ids(&info.running_jobs)), ("read ahead", ids(&info.buffered_jobs))];
        for (name, list) in lists {
            for (index, one) in list.iter().enumerate() {
                say(if index == 0 { name } else { "" }, one);
            }
        }
        Ok(())
    }
}
