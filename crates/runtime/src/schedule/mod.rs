//! Schedules: rules that make jobs later.
//!
//! A schedule is one document of the store, found by its name. Whoever keeps, fires it: the document and the jobs that
//! it makes are written in one step that only one keeper can make, so each nominal time makes its jobs once.

mod book;
mod keep;
mod plan;
mod rule;
mod shown;

use std::time::Duration;

use longshore_core::{
    DurationText, Invalid, JobId, JobSpec, Json, KindName, Options, Priority, QueueName, ScheduleName,
    Timestamp, check_duration,
};
use longshore_cron::Zone;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub(crate) use book::Counted;
pub use book::{ScheduleError, Schedules};
pub(crate) use keep::Scheduler;
pub use rule::{Rule, TimeRange};
pub use shown::ShownSchedule;

/// What becomes of times that nobody was there to fire at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Misfire {
    /// One job for all of them, for the latest.
    #[default]
    Once,
    /// None.
    Skip,
    /// One for each, the newest hundred.
    All,
}

/// What becomes of a time while the job made before has not ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Overlap {
    /// It makes no job, and is counted.
    #[default]
    Skip,
    /// Its job waits for the one before; further ones are skipped while it waits.
    Queue,
    /// Its job runs beside.
    Parallel,
}

/// What a user asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// Unique in the store.
    pub name: ScheduleName,
    /// When.
    pub rule: Rule,
    /// The zone in which a cron rule, and time ranges, are read.
    #[serde(default)]
    pub timezone: Zone,
    /// Not before.
    #[serde(default)]
    pub start_at: Option<Timestamp>,
    /// Not after.
    #[serde(default)]
    pub end_at: Option<Timestamp>,
    /// Only within these times of the day; empty is always.
    #[serde(default)]
    pub time_ranges: Vec<TimeRange>,
    /// At most so many times.
    #[serde(default)]
    pub max_fires: Option<u64>,
    /// After a time without a keeper.
    #[serde(default)]
    pub misfire: Misfire,
    /// While the job before has not ended.
    #[serde(default)]
    pub overlap: Overlap,
    /// Each job starts up to so much later, by chance.
    #[serde(default)]
    pub jitter: Option<DurationText>,
    /// The kind of its jobs.
    pub kind: KindName,
    /// The queue of its jobs.
    #[serde(default)]
    pub queue: QueueName,
    /// The args of its jobs.
    #[serde(default)]
    pub args: Json,
    /// The priority of its jobs.
    #[serde(default)]
    pub priority: Priority,
    /// Whose jobs they are.
    #[serde(default)]
    pub owner: Option<std::sync::Arc<str>>,
    /// The options of its jobs.
    #[serde(default)]
    pub options: Options,
}

/// How a schedule stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// It makes no jobs.
    pub paused: bool,
    /// Why it was paused, if the engine did it.
    #[serde(default)]
    pub reason: Option<String>,
    /// The next nominal time; none if there is none.
    pub next_at: Option<Timestamp>,
    /// The latest nominal time that made a job.
    #[serde(default)]
    pub last_nominal_at: Option<Timestamp>,
    /// When that was.
    #[serde(default)]
    pub last_fired_at: Option<Timestamp>,
    /// The job that it made.
    #[serde(default)]
    pub last_job_id: Option<JobId>,
    /// Times that made a job.
    #[serde(default)]
    pub fires: u64,
    /// Times skipped because the job before had not ended.
    #[serde(default)]
    pub skipped: u64,
    /// Times that were missed and made no job.
    #[serde(default)]
    pub missed: u64,
    /// From where `every` counts.
    pub anchor_at: Timestamp,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was last changed by somebody.
    pub updated_at: Timestamp,
}

/// A schedule with how it stands: the document in the store. People are shown its [`shown`](Self::shown) form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScheduleRecord {
    /// What was asked for.
    pub schedule: Schedule,
    /// How it stands.
    pub standing: Standing,
}

/// Longest jitter: more would blur the rule.
const JITTER_MAX: Duration = Duration::from_secs(86_400);
/// Shortest interval of `every`.
const EVERY_MIN: Duration = Duration::from_millis(10);
/// Time ranges of one schedule.
const RANGES_MAX: usize = 20;

impl Schedule {
    /// A schedule with every option at its default.
    pub fn new(name: ScheduleName, rule: Rule, kind: KindName) -> Self {
        Self {
            name,
            rule,
            timezone: Zone::utc(),
            start_at: None,
            end_at: None,
            time_ranges: Vec::new(),
            max_fires: None,
            misfire: Misfire::default(),
            overlap: Overlap::default(),
            jitter: None,
            kind,
            queue: QueueName::default(),
            args: Json::default(),
            priority: Priority::default(),
            owner: None,
            options: Options::default(),
        }
    }

    /// A schedule for a typed job without a name of its own: kind, rule and args make one, so the same three are the same
    /// schedule, and other args another one.
    pub fn repeatable<J: crate::Job>(rule: Rule, job: &J) -> Result<Self, Invalid> {
        let wrong = |error: serde_json::Error| Invalid::new("args", "what JSON can hold", error);
        let (kind, args) = (KindName::new(J::KIND)?, Json::from_value(job).map_err(wrong)?);
        let digest: [u8; 32] = Sha256::digest(format!("{kind}\0{rule}\0{}", args.as_str())).into();
        let print = u128::from_be_bytes(*digest.first_chunk().unwrap_or(&[0; 16]));
        let beginning = &kind.as_str()[..kind.as_str().floor_char_boundary(100)];
        let name = ScheduleName::new(format!("{beginning}@{:016x}", print >> 64))?;
        Ok(Self { args, ..Self::new(name, rule, kind) })
    }

    /// Checks the rule, the window and the jobs that it would make.
    pub fn check(&self) -> Result<(), Invalid> {
        match &self.rule {
            Rule::Every { every, .. } => {
                if every.0 < EVERY_MIN {
                    let expected = format!("a duration from {}", longshore_core::format_duration(EVERY_MIN));
                    return Err(Invalid::new("every", expected, longshore_core::format_duration(every.0)));
                }
                check_duration("every", every.0)?;
            }
            Rule::Cron { cron } if cron.never_fires() => {
                return Err(Invalid::new("cron", "an expression that is ever due", cron).code("never_fires"));
            }
            Rule::Cron { .. } => {}
        }
        if let (Some(start), Some(end)) = (self.start_at, self.end_at)
            && end < start
        {
            return Err(Invalid::new("end_at", format!("a time from start_at ({start}) on"), end));
        }
        if self.max_fires == Some(0) {
            return Err(Invalid::new("max_fires", "a whole number from 1, or none", 0));
        }
        if let Some(jitter) = self.jitter.filter(|jitter| jitter.0 > JITTER_MAX) {
            let got = longshore_core::format_duration(jitter.0);
            return Err(Invalid::new("jitter", "a duration of at most a day", got));
        }
        if self.time_ranges.len() > RANGES_MAX {
            let expected = format!("at most {RANGES_MAX} ranges");
            return Err(Invalid::new("time_ranges", expected, self.time_ranges.len()).code("too_many"));
        }
        if !self.options.depends_on.is_empty() {
            return Err(Invalid::new(
                "depends_on",
                "no parents: a schedule makes jobs that stand alone",
                "some",
            ));
        }
        self.job(JobId::from_u128(0), None).check()
    }

    /// The job for a nominal time.
    pub(crate) fn job(&self, id: JobId, nominal_at: Option<Timestamp>) -> JobSpec {
        let mut spec = JobSpec::new(id, self.queue.clone(), self.kind.clone(), self.args.clone());
        spec.priority = self.priority;
        spec.owner.clone_from(&self.owner);
        let options = Options { schedule: Some(self.name.clone()), nominal_at, ..self.options.clone() };
        spec.options = std::sync::Arc::new(options);
        crate::identity::keep_key_apart(&mut spec);
        spec
    }
}

impl ScheduleRecord {
    /// A new one, or a changed one that keeps its counts: the next time is kept if the rule is.
    fn put(schedule: Schedule, before: Option<&Self>, now: Timestamp) -> Self {
        let kept = before.filter(|before| before.is_due_like(&schedule));
        let mut standing = before
            .map_or(Standing { created_at: now, anchor_at: now, ..Standing::default() }, |before| {
                before.standing.clone()
            });
        standing.updated_at = now;
        if standing.reason.take().is_some() {
            // The engine paused it because of what was changed now.
            standing.paused = false;
        }
        if kept.is_none() {
            standing.anchor_at = schedule.start_at.unwrap_or(now);
            standing.next_at = schedule.first(standing.anchor_at, now);
        } else if standing.next_at.is_none() {
            // It had come to its end, which may lie later now.
            standing.next_at = schedule.after(standing.anchor_at, now);
        }
        let mut record = Self { schedule, standing };
        record.close();
        record
    }

    /// Whether another schedule begins as this one did, and has the same rule.
    fn is_due_like(&self, other: &Schedule) -> bool {
        let one = &self.schedule;
        let window = (one.start_at, &one.time_ranges) == (other.start_at, &other.time_ranges);
        window && one.rule == other.rule && one.timezone == other.timezone
    }

    /// There is no next time after the end of the window, or after the last fire.
    fn close(&mut self) {
        let over = self.schedule.max_fires.is_some_and(|most| self.standing.fires >= most);
        let end = self.schedule.end_at;
        self.standing.next_at =
            self.standing.next_at.filter(|next| !over && end.is_none_or(|end| *next <= end));
    }
}
