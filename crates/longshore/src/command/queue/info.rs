use std::time::Duration;

use clap::Args;
use longshore_core::{KindName, QueueInfo, QueueName, State, format_duration};
use longshore_runtime::QueueView;

use crate::context::Context;
use crate::out;
use crate::time::rough;

#[derive(Args, Debug)]
pub(crate) struct Info {
    /// The queue
    queue: QueueName,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Info {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let view = context.operator()?.queue(&self.queue).await?;
        if self.json {
            return out::json(&view);
        }
        print(&view);
        Ok(())
    }
}

fn print(view: &QueueView) {
    let QueueView { info, workers, .. } = view;
    let age = view.oldest_ready_age.map(|age| rough(Duration::from_secs_f64(age)));
    say("queue", info.name.as_str());
    say("paused", if info.paused { "yes" } else { "no" });
    for state in State::ALL {
        say(state.as_str(), &info.counts.get(state).to_string());
    }
    say("oldest ready", age.as_deref().unwrap_or("-"));
    print_settings(info);
    let workers = workers.iter().map(|worker| worker.info.id.as_str()).collect::<Vec<_>>();
    let orphans = view.kinds_without_worker.iter().map(KindName::as_str).collect::<Vec<_>>();
    for (name, list) in [("workers", workers), ("kinds without worker", orphans)] {
        say(name, list.first().unwrap_or(&"none"));
        for more in list.iter().skip(1) {
            say("", more);
        }
    }
}

fn say(name: &str, text: &str) {
    out::line(format_args!("{name:<22}{text}"));
}

/// What operators set.
pub(super) fn print_settings(info: &QueueInfo) {
    let kept = |state| format_duration(info.retention.of(state));
    let [completed, failed, cancelled] = [State::Completed, State::Failed, State::Cancelled].map(kept);
    let most = info.retention.most;
    say(
        "ended jobs stay",
        &format!("completed {completed}, failed {failed}, cancelled {cancelled}; {most} of each at most"),
    );
    let limits: Vec<String> = info.limits.iter().map(longshore_runtime::describe_limit).collect();
    say("limits", if limits.is_empty() { "none" } else { &limits[0] });
    limits.iter().skip(1).for_each(|limit| say("", limit));
    say("ageing", &info.ageing.map_or_else(|| "none".to_owned(), |ageing| format_duration(ageing.0)));
    say(
        "scan interval",
        &info
            .scan_interval
            .map_or_else(|| "as each worker has it".to_owned(), |scan| format_duration(scan.0)),
    );
}
