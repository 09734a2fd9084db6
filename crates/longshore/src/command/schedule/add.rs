use std::time::Duration;

use clap::{ArgGroup, Args, ValueEnum};
use longshore_core::{
    DurationText, Invalid, JobDefaults, Json, KindName, Priority, QueueName, ScheduleName, Timestamp,
    parse_duration,
};
use longshore_cron::{Cron, Zone};
use longshore_runtime::{Misfire, Overlap, Rule, Schedule, TimeRange};
use serde::Serialize;

use super::show;
use crate::command::job::{GivenOptions, OptionFlags, read_args};
use crate::command::whole;
use crate::context::Context;

#[derive(Args, Debug)]
#[command(group(ArgGroup::new("rule").required(true)))]
pub(crate) struct Add {
    /// The name, unique in the store
    name: ScheduleName,
    /// The kind of its jobs
    #[arg(long)]
    kind: KindName,
    /// A cron expression: five fields, or six with leading seconds
    #[arg(long, value_name = "EXPR", group = "rule")]
    cron: Option<Cron>,
    /// Again and again after this time, such as 5m
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, allow_hyphen_values = true, group = "rule")]
    every: Option<Duration>,
    /// With --every: at once as well
    #[arg(long, requires = "every")]
    start_now: bool,
    /// The IANA zone of the expression and the time ranges
    #[arg(long, default_value = "UTC")]
    timezone: Zone,
    /// Not before
    #[arg(long, value_name = "TIME")]
    start_at: Option<Timestamp>,
    /// Not after
    #[arg(long, value_name = "TIME")]
    end_at: Option<Timestamp>,
    /// Only within these times of the day, such as 09:00-17:30; may be given several times
    #[arg(long = "time-range", value_name = "HH:MM-HH:MM")]
    time_ranges: Vec<TimeRange>,
    /// At most so many times
    #[arg(long, value_name = "N", value_parser = whole::<u64>)]
    max_fires: Option<u64>,
    /// What becomes of times that nobody was there to fire at
    #[arg(long, value_enum, default_value_t = MisfireArg::Once)]
    misfire: MisfireArg,
    /// What becomes of a time while the job before has not ended
    #[arg(long, value_enum, default_value_t = OverlapArg::Skip)]
    overlap: OverlapArg,
    /// Each job starts up to so much later, by chance
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    jitter: Option<Duration>,
    /// The queue of its jobs
    #[arg(long, default_value = "default")]
    queue: QueueName,
    /// The input of its jobs: JSON, @FILE, or - for standard input
    #[arg(long, default_value = "null", allow_hyphen_values = true)]
    args: String,
    /// The priority of its jobs; lower runs first
    #[arg(long, allow_negative_numbers = true)]
    priority: Option<Priority>,
    #[command(flatten)]
    options: OptionFlags,
    /// Print the schedule as one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum MisfireArg {
    /// One job for all of them
    Once,
    /// None
    Skip,
    /// One for each, at most a hundred
    All,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum OverlapArg {
    /// It makes no job
    Skip,
    /// Its job waits for the one before
    Queue,
    /// Its job runs beside
    Parallel,
}

impl From<MisfireArg> for Misfire {
    fn from(given: MisfireArg) -> Self {
        match given {
            MisfireArg::Once => Self::Once,
            MisfireArg::Skip => Self::Skip,
            MisfireArg::All => Self::All,
        }
    }
}

impl From<OverlapArg> for Overlap {
    fn from(given: OverlapArg) -> Self {
        match given {
            OverlapArg::Skip => Self::Skip,
            OverlapArg::Queue => Self::Queue,
            OverlapArg::Parallel => Self::Parallel,
        }
    }
}

/// What was really given, as HTTP takes it.
#[derive(Serialize)]
struct Given<'a> {
    name: &'a ScheduleName,
    kind: &'a KindName,
    #[serde(skip_serializing_if = "Option::is_none")]
    cron: Option<&'a Cron>,
    #[serde(skip_serializing_if = "Option::is_none")]
    every: Option<DurationText>,
    start_now: bool,
    timezone: &'a Zone,
    start_at: Option<Timestamp>,
    end_at: Option<Timestamp>,
    time_ranges: &'a [TimeRange],
    max_fires: Option<u64>,
    misfire: Misfire,
    overlap: Overlap,
    jitter: Option<DurationText>,
    queue: &'a QueueName,
    args: &'a Json,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<Priority>,
    #[serde(flatten)]
    options: GivenOptions<'a>,
}

impl Add {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let args = read_args(&self.args, context)?;
        let schedule = self.schedule(&context.settings.jobs(&self.queue), args.clone())?;
        schedule.check()?;
        let scheduled = context.operator_of_any()?.put_schedule(schedule, &self.given(&args)).await?;
        show(&scheduled, self.json)
    }

    fn given<'a>(&'a self, args: &'a Json) -> Given<'a> {
        Given {
            name: &self.name,
            kind: &self.kind,
            cron: self.cron.as_ref(),
            every: self.every.map(DurationText),
            start_now: self.start_now,
            timezone: &self.timezone,
            start_at: self.start_at,
            end_at: self.end_at,
            time_ranges: &self.time_ranges,
            max_fires: self.max_fires,
            misfire: self.misfire.into(),
            overlap: self.overlap.into(),
            jitter: self.jitter.map(DurationText),
            queue: &self.queue,
            args,
            priority: self.priority,
            options: self.options.given(),
        }
    }

    fn schedule(&self, usual: &JobDefaults, args: Json) -> Result<Schedule, Invalid> {
        let rule = match (&self.cron, self.every) {
            (Some(cron), _) => Rule::Cron { cron: cron.clone() },
            (None, every) => {
                let every = DurationText(every.unwrap_or_default());
                Rule::Every { every, start_now: self.start_now }
            }
        };
        Ok(Schedule {
            timezone: self.timezone.clone(),
            start_at: self.start_at,
            end_at: self.end_at,
            time_ranges: self.time_ranges.clone(),
            max_fires: self.max_fires,
            misfire: self.misfire.into(),
            overlap: self.overlap.into(),
            jitter: self.jitter.map(DurationText),
            queue: self.queue.clone(),
            args,
            priority: self.priority.or(usual.priority).unwrap_or_default(),
            owner: self.options.owner.as_deref().map(Into::into),
            options: self.options.options(usual.options())?,
            ..Schedule::new(self.name.clone(), rule, self.kind.clone())
        })
    }
}
