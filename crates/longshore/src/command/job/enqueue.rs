use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use longshore_core::{
    DurationText, Invalid, JobDefaults, JobId, JobSpec, Json, KindName, Parent, ParentPolicy, Priority,
    QueueName, Timestamp, parse_duration,
};
use serde::Serialize;

use super::options::{GivenOptions, OptionFlags};
use crate::context::Context;
use crate::exit::Usage;
use crate::operator::Operator;
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
    #[arg(long, value_parser = parse_duration, conflicts_with = "run_at", allow_hyphen_values = true)]
    delay: Option<Duration>,
    /// Not before this time, such as 2026-03-01T12:00:00Z
    #[arg(long, value_name = "TIME")]
    run_at: Option<Timestamp>,
    /// An id of your own; a second job with the same id is not created
    #[arg(long)]
    id: Option<JobId>,
    #[command(flatten)]
    options: OptionFlags,
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
        let args = read_args(&self.args, context)?;
        let operator = context.operator_of_any()?;
        refuse_unknown(&operator, &self.kind).await?;
        let id =
            self.id.clone().unwrap_or_else(|| JobId::from_u128(longshore_clock::Door::system().new_id()));
        let spec = JobSpec::new(id, self.queue.clone(), self.kind.clone(), args.clone());
        let spec = self.spec(spec, &context.settings.jobs(&self.queue), operator.now())?;
        let receipt = operator.insert(spec, self.options.owner.as_deref(), &self.given(&args)).await?;
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
        let mut options = self.options.options(usual.options())?;
        options.depends_on.clone_from(&self.depends_on);
        options.on_parent_failure = self.policy();
        spec.options = Arc::new(options);
        spec.check()?;
        Ok(spec)
    }

    fn policy(&self) -> ParentPolicy {
        match self.on_parent_failure.as_str() {
            "fail" => ParentPolicy::Fail,
            "cancel" => ParentPolicy::Cancel,
            "run" => ParentPolicy::Run,
            _ => ParentPolicy::Wait,
        }
    }

    fn given<'a>(&'a self, args: &'a Json) -> Given<'a> {
        let Self { kind, queue, priority, delay, run_at, id, options, depends_on, .. } = self;
        Given {
            kind,
            queue,
            args,
            priority: *priority,
            delay: delay.map(DurationText),
            run_at: *run_at,
            id: id.as_ref(),
            options: options.given(),
            depends_on,
            on_parent_failure: self.policy(),
        }
    }
}

/// What was really given, as HTTP takes it.
#[derive(Serialize)]
struct Given<'a> {
    kind: &'a KindName,
    queue: &'a QueueName,
    args: &'a Json,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<Priority>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay: Option<DurationText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a JobId>,
    #[serde(flatten)]
    options: GivenOptions<'a>,
    #[serde(skip_serializing_if = "<[Parent]>::is_empty")]
    depends_on: &'a [Parent],
    on_parent_failure: ParentPolicy,
}

/// Reads a parent with or without a name; ids have no colons.
fn read_parent(text: &str) -> Result<Parent, Invalid> {
    let (name, id) = text.rsplit_once(':').map_or((None, text), |(name, id)| (Some(name.to_owned()), id));
    Ok(Parent { id: JobId::parse(id)?, name })
}

/// Reads args as the command line gives them.
pub(crate) fn read_args(given: &str, context: &Context) -> anyhow::Result<Json> {
    let text = match given.strip_prefix('@') {
        _ if given == "-" => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("--args -: cannot read standard input")?;
            text
        }
        Some(path) => std::fs::read_to_string(path).with_context(|| format!("--args: cannot read {path}"))?,
        None => given.to_owned(),
    };
    let args = Json::parse(&text)
        .map_err(|error| Usage(format!("--args: expected JSON, @FILE or -, got {error}")))?;
    let (bytes, most) = (args.as_str().len(), context.settings.max_job_payload_bytes);
    // A server has a limit of its own.
    if bytes > most && context.settings.api.is_none() {
        let wrong =
            format!("--args: expected at most {most} bytes (max_job_payload_bytes), got {bytes} bytes");
        return Err(Usage(wrong).into());
    }
    Ok(args)
}

/// A kind that no live worker knows is most often a typing mistake. If no worker is alive, nobody can tell.
async fn refuse_unknown(operator: &Operator, kind: &KindName) -> anyhow::Result<()> {
    // A server checks by itself, and lets in whoever may insert and not look at workers.
    let Operator::Store(opened) = operator else { return Ok(()) };
    let kinds = opened.control().live_kinds().await?;
    if kinds.is_empty() || kinds.contains(kind) {
        return Ok(());
    }
    let known: Vec<&str> = kinds.iter().map(KindName::as_str).collect();
    let known = known.join(", ");
    Err(Usage(format!("KIND: expected a kind that a live worker knows ({known}), got {:?}", kind.as_str()))
        .into())
}
