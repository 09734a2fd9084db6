use std::collections::BTreeSet;

use clap::Args;
use longshore_core::limits::PAGE_JOBS_MAX;
use longshore_core::{JobFilter, KindName, Page, QueueInfo, QueueName, State, WorkerInfo, format_duration};
use longshore_runtime::Control;
use serde::Serialize;

use super::known;
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

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    info: QueueInfo,
    /// Seconds that the next ready job has waited.
    oldest_ready_age: Option<f64>,
    /// Live workers that serve it.
    workers: Vec<WorkerInfo>,
    /// Kinds of waiting jobs that none of these workers has a handler for.
    kinds_without_worker: BTreeSet<String>,
}

impl Info {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let opened = context.open_existing()?;
        let control = opened.control();
        let info = known(&control, &self.queue).await?;
        let workers: Vec<WorkerInfo> = control
            .workers()
            .await?
            .into_iter()
            .filter(|worker| serves(&control, worker, &self.queue))
            .collect();
        let age = info.oldest_ready_at.map(|since| opened.now().since(since));
        let shown = Shown {
            kinds_without_worker: orphans(&control, &self.queue, &workers).await?,
            oldest_ready_age: age.map(|age| age.as_secs_f64()),
            info,
            workers,
        };
        if self.json {
            return out::json(&shown);
        }
        print(&shown, age.map(rough).as_deref());
        Ok(())
    }
}

fn serves(control: &Control, worker: &WorkerInfo, queue: &QueueName) -> bool {
    control.is_alive(worker) && (worker.queues.is_empty() || worker.queues.contains(queue))
}

/// Among the newest waiting jobs: a queue that is full of one unknown kind shows it soon enough.
async fn orphans(
    control: &Control,
    queue: &QueueName,
    workers: &[WorkerInfo],
) -> anyhow::Result<BTreeSet<String>> {
    let states = vec![State::Ready, State::Scheduled];
    let filter = JobFilter { queue: Some(queue.clone()), states, ..JobFilter::default() };
    let waiting = control.list(filter, Page { after: None, limit: PAGE_JOBS_MAX }).await?;
    let known: BTreeSet<&KindName> = workers.iter().flat_map(|worker| &worker.kinds).collect();
    let unknown = waiting.jobs.iter().map(|job| &job.spec.kind).filter(|kind| !known.contains(kind));
    Ok(unknown.map(ToString::to_string).collect())
}

fn print(shown: &Shown, age: Option<&str>) {
    let Shown { info, workers, .. } = shown;
    let say = |name: &str, text: &str| out::line(format_args!("{name:<22}{text}"));
    say("queue", info.name.as_str());
    say("paused", if info.paused { "yes" } else { "no" });
    for state in State::ALL {
        say(state.as_str(), &info.counts.get(state).to_string());
    }
    say("oldest ready", age.unwrap_or("-"));
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
    let workers = workers.iter().map(|worker| worker.id.as_str()).collect::<Vec<_>>();
    let orphans = shown.kinds_without_worker.iter().map(String::as_str).collect::<Vec<_>>();
    for (name, list) in [("workers", workers), ("kinds without worker", orphans)] {
        say(name, list.first().unwrap_or(&"none"));
        for more in list.iter().skip(1) {
            say("", more);
        }
    }
}
