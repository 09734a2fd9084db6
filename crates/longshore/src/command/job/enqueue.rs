use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use longshore_core::{
    DurationText, Invalid, JobDefaults, JobId, JobSpec, Json, KindName, Parent, ParentPolicy, Priority,
    QueueName, Timestamp, Unique, parse_duration,
};
use longshore_runtime::{Caller, Control};

use super::options::OptionFlags;
use crate::context::Context;
use crate::exit::Usage;
use crate::out;

#[derive(Args, Debug)]
pub(crate) struct Enqueue {
    /// The kind, which picks the handler
    kind: KindName,
    /// The queue
    #[arg(long, default_value = "default")]
    queue: QueueName,
    /// The input: JSON, @FILE, or - for standard input
    #[arg(long, default_value = "null", allow_hyphen_values = true)]
    args: String,
    /// Lower runs first; 5 is usual
    #[arg(long, allow_negative_numbers = true)]
    priority: Option<Priority>,
    /// Not before this much time has passed, such as 30s
    #[arg(long, value_parser = parse_duration, conflicts_with = "run_at")]
    delay: Option<Duration>,
    /// Not before this time, such as 2026-03-01T12:00:00Z
    #[arg(long, value_name = "TIME")]
    run_at: Option<Timestamp>,
    /// An id of your own; a second job with the same id is not created
    #[arg(long)]
    id: Option<JobId>,
    /// Whose job it is
    #[arg(long)]
    owner: Option<String>,
    #[command(flatten)]
    options: OptionFlags,
    /// Be the only job of the queue with this key, until it has ended
    #[arg(long, value_name = "KEY")]
    unique: Option<String>,
    /// Be it for so long instead, whatever becomes of the job
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, requires = "unique")]
    unique_ttl: Option<Duration>,
    /// Take the place of the job that holds the key, while that one is scheduled
    #[arg(long, requires = "unique")]
    replace: bool,
    /// Make the time of the key begin anew if another job holds it
    #[arg(long, requires = "unique_ttl")]
    extend: bool,
    /// Wait until this job has completed; may be given several times. NAME:ID names its result for the handler
    #[arg(long = "depends-on", value_name = "ID", value_parser = read_parent)]
    depends_on: Vec<Parent>,
    /// What happens when such a job does not complete
    #[arg(long, value_name = "POLICY", value_parser = ["wait", "fail", "cancel", "run"], default_value = "wait", requires = "depends_on")]
    on_parent_failure: String,
    /// Print one JSON object: {id, state}
    #[arg(long)]
    json: bool,
}

impl Enqueue {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let args = read_args(&self.args)?;
        let (bytes, most) = (args.as_str().len(), context.settings.max_job_payload_bytes);
        if bytes > most {
            return Err(Usage(format!(
                "--args: expected at most {most} bytes (max_job_payload_bytes), got {bytes} bytes"
            ))
            .into());
        }
        let opened = context.open()?;
        refuse_unknown(&opened.control(), &self.kind).await?;
        let caller = self.owner.as_deref().map(Caller::operator).transpose()?.unwrap_or_default();
        let client = opened.client(caller);
        let id = self.id.clone().unwrap_or_else(|| client.new_id());
        let spec = JobSpec::new(id, self.queue.clone(), self.kind.clone(), args);
        let spec = self.spec(spec, &context.settings.jobs(&self.queue), opened.now())?;
        let receipt = opened
            .tell(client.insert(vec![Arc::new(spec)]))
            .await?
            .pop()
            .context("the store gave no receipt")?;
        if self.json {
            return out::json(&receipt);
        }
        out::line(format_args!(
            "{} {}{}",
            receipt.id,
            receipt.state,
            if receipt.duplicate { " (known before)" } else { "" }
        ));
        Ok(())
    }

    fn spec(&self, mut spec: JobSpec, usual: &JobDefaults, now: Timestamp) -> anyhow::Result<JobSpec> {
        spec.priority = self.priority.or(usual.priority).unwrap_or(spec.priority);
        spec.run_at = self.delay.map(|delay| now + delay).or(self.run_at);
        let mut options = self.options.options(usual.options());
        options.unique = self.unique.clone().map(|key| Unique {
            ttl: self.unique_ttl.map(DurationText),
            extend: self.extend,
            replace: self.replace,
            ..Unique::new(key)
        });
        options.depends_on.clone_from(&self.depends_on);
        options.on_parent_failure = match self.on_parent_failure.as_str() {
            "fail" => ParentPolicy::Fail,
            "cancel" => ParentPolicy::Cancel,
            "run" => ParentPolicy::Run,
            _ => ParentPolicy::Wait,
        };
        spec.options = Arc::new(options);
        spec.check()?;
        Ok(spec)
    }
}

/// Reads a parent with or without a name; ids have no colons.
fn read_parent(text: &str) -> Result<Parent, Invalid> {
    let (name, id) = text.rsplit_once(':').map_or((None, text), |(name, id)| (Some(name.to_owned()), id));
    Ok(Parent { id: JobId::parse(id)?, name })
}

/// Reads args as the command line gives them.
pub(crate) fn read_args(given: &str) -> anyhow::Result<Json> {
    let text = match given.strip_prefix('@') {
        _ if given == "-" => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("--args -: cannot read standard input")?;
            text
        }
        Some(path) => std::fs::read_to_string(path).with_context(|| format!("--args: cannot read {path}"))?,
        None => given.to_owned(),
    };
    Json::parse(&text)
        .map_err(|error| Usage(format!("--args: expected JSON, @FILE or -, got {error}")).into())
}

/// A kind that no live worker knows is most often a typing mistake. If no worker is alive, nobody can tell.
async fn refuse_unknown(control: &Control, kind: &KindName) -> anyhow::Result<()> {
    let kinds = control.live_kinds().await?;
    if kinds.is_empty() || kinds.contains(kind) {
        return Ok(());
    }
    let known: Vec<&str> = kinds.iter().map(KindName::as_str).collect();
    let known = known.join(", ");
    Err(Usage(format!("KIND: expected a kind that a live worker knows ({known}), got {:?}", kind.as_str()))
        .into())
}
