use anyhow::bail;
use clap::Args;
use longshore_core::WorkerId;

use super::Shown;
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
        let opened = context.open_existing()?;
        let control = opened.control();
        let Some(info) = control.workers().await?.into_iter().find(|worker| worker.id == self.id) else {
            bail!("there is no worker {}; `longshore worker list` shows those of the last hour", self.id);
        };
        let worker = Shown::of(&control, info);
        if self.json {
            return out::json(&worker);
        }
        let info = &worker.info;
        let say = |name: &str, text: &str| out::line(format_args!("{name:<12}{text}"));
        say("id", info.id.as_str());
        say("host", &info.host);
        say("process", &info.pid.to_string());
        say("version", &info.version);
        say("health", worker.health);
        say("queues", &worker.queues());
        say("slots", &format!("{} for each queue", info.concurrency));
        say("running", &info.running.to_string());
        say("buffered", &info.buffered.to_string());
        say("finished", &info.finished.to_string());
        say("started", &info.started_at.to_string());
        say("seen", &ago(info.seen_at, opened.now()));
        info.kinds
            .iter()
            .enumerate()
            .for_each(|(index, kind)| say(if index == 0 { "kinds" } else { "" }, kind.as_str()));
        Ok(())
    }
}
