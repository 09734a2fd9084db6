use clap::Args;
use longshore_core::{Job, JobId, format_duration};

use crate::context::Context;
use crate::out;
use crate::time::or_dash;

#[derive(Args, Debug)]
pub(crate) struct Show {
    /// The job
    id: JobId,
    /// Print the whole record as JSON
    #[arg(long)]
    json: bool,
}

impl Show {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let job = context.operator()?.job(&self.id).await?;
        if self.json {
            return out::json(&job);
        }
        print(&job);
        Ok(())
    }
}

fn print(job: &Job) {
    let say = |name: &str, text: &str| out::line(format_args!("{name:<12}{text}"));
    let dash = |text: Option<&str>| text.unwrap_or("-").to_owned();
    let (spec, options) = (&job.spec, &job.spec.options);
    say("id", &job.id().to_string());
    say("queue", spec.queue.as_str());
    say("kind", spec.kind.as_str());
    say("args", spec.args.as_str());
    say("state", job.state.as_str());
    say("reason", &dash(job.reason.map(longshore_core::Reason::as_str)));
    say("attempt", &format!("{} of {}", job.attempt, options.max_attempts));
    say("stalls", &job.stalls.to_string());
    say("priority", &spec.priority.get().to_string());
    say(
        "progress",
        &format!("{}% {}", job.progress.percent, job.progress.message.as_deref().unwrap_or_default()),
    );
    say("timeout", &options.timeout.map_or_else(|| "none".to_owned(), |timeout| format_duration(timeout.0)));
    let more = [
        ("owner", spec.owner.as_ref().map(ToString::to_string)),
        ("correlation", spec.correlation_id.as_ref().map(ToString::to_string)),
        ("expires", job.deadline_at.map(|at| at.to_string())),
        ("unique", options.unique.as_ref().map(|unique| unique.key.clone())),
        ("limit key", options.limit_key.clone()),
        ("schedule", options.schedule.as_ref().map(ToString::to_string)),
        ("nominal", options.nominal_at.map(|at| at.to_string())),
        ("record goes", job.expires_at.map(|at| at.to_string())),
    ];
    for (name, text) in more {
        if let Some(text) = text {
            say(name, &text);
        }
    }
    for parent in &options.depends_on {
        say("waits for", &format!("{} ({:?})", parent.id, options.on_parent_failure).to_lowercase());
    }
    say("tags", &if options.tags.is_empty() { "-".to_owned() } else { options.tags.join(" ") });
    say("worker", &dash(job.worker.as_ref().map(longshore_core::WorkerId::as_str)));
    say("run at", &or_dash(job.run_at));
    say("created", &job.created_at.to_string());
    say("started", &or_dash(job.started_at));
    say("finished", &or_dash(job.finished_at));
    say("result", &dash(job.result.as_ref().map(longshore_core::Json::as_str)));
    for error in &job.errors {
        say("error", &format!("attempt {} ({}): {}", error.attempt, error.reason.as_str(), error.message));
    }
}
