//! Small words for jobs, names and times, so that a question reads as its sentence.

use std::sync::Arc;
use std::time::Duration;

use longshore_core::life::Move;
use longshore_core::{
    Claim, DurationText, End, JobError, JobId, JobSpec, Json, KindName, LaneWant, LeaseToken, Options,
    Outcome, Parent, ParentPolicy, Priority, QueueName, Reason, Timestamp, Unique, WorkerId,
};

/// The first moment of every question.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_772_366_400_000);

/// A lease of ordinary length.
pub(crate) const LEASE: Duration = Duration::from_secs(30);

/// A lease that no store has given.
pub(crate) const FOREIGN: LeaseToken = LeaseToken::new(1 << 40, 7);

/// The moment so many milliseconds after the start.
pub(crate) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(START.as_millis() + millis)
}

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn id(text: &str) -> JobId {
    JobId::parse(text).unwrap()
}

pub(crate) fn queue(text: &str) -> QueueName {
    QueueName::new(text).unwrap()
}

pub(crate) fn worker(text: &str) -> WorkerId {
    WorkerId::new(text).unwrap()
}

pub(crate) fn json(text: &str) -> Json {
    Json::parse(text).unwrap()
}

/// A claim by the usual worker with the usual lease.
pub(crate) fn claim_of(lanes: &[(&str, usize)]) -> Claim {
    let lanes = lanes
        .iter()
        .map(|(name, limit)| LaneWant { queue: queue(name), limit: *limit, slots: *limit })
        .collect();
    Claim { worker: worker("anna"), lanes, lease: LEASE }
}

/// A job to be inserted: queue `default`, kind `test`, args `null`, every option at its default.
#[derive(Clone, Debug)]
pub(crate) struct Draft(JobSpec);

pub(crate) fn job(text: &str) -> Draft {
    Draft(JobSpec::new(id(text), QueueName::default(), KindName::new("test").unwrap(), Json::default()))
}

impl Draft {
    pub(crate) fn queue(mut self, name: &str) -> Self {
        self.0.queue = queue(name);
        self
    }

    pub(crate) fn kind(mut self, name: &str) -> Self {
        self.0.kind = KindName::new(name).unwrap();
        self
    }

    pub(crate) fn args(mut self, text: &str) -> Self {
        self.0.args = json(text);
        self
    }

    pub(crate) fn priority(mut self, value: f64) -> Self {
        self.0.priority = Priority::new(value).unwrap();
        self
    }

    pub(crate) fn run_at(mut self, due: Timestamp) -> Self {
        self.0.run_at = Some(due);
        self
    }

    pub(crate) fn owner(mut self, name: &str) -> Self {
        self.0.owner = Some(name.into());
        self
    }

    pub(crate) fn correlation(mut self, text: &str) -> Self {
        self.0.correlation_id = Some(text.into());
        self
    }

    pub(crate) fn options(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(Arc::make_mut(&mut self.0.options));
        self
    }

    pub(crate) fn retention(self, length: Duration) -> Self {
        self.options(|options| options.retention = Some(DurationText(length)))
    }

    pub(crate) fn result_retention(self, length: Duration) -> Self {
        self.options(|options| options.result_retention = Some(DurationText(length)))
    }

    pub(crate) fn ttl(self, length: Duration) -> Self {
        self.options(|options| options.ttl = Some(DurationText(length)))
    }

    pub(crate) fn unique(self, unique: Unique) -> Self {
        self.options(|options| options.unique = Some(unique))
    }

    pub(crate) fn limit_key(self, key: &str) -> Self {
        self.options(|options| options.limit_key = Some(key.to_owned()))
    }

    /// Waits for these jobs.
    pub(crate) fn after(self, parents: &[&str]) -> Self {
        let parents = parents.iter().map(|parent| Parent::new(id(parent))).collect();
        self.options(|options| options.depends_on = parents)
    }

    pub(crate) fn policy(self, policy: ParentPolicy) -> Self {
        self.options(|options| options.on_parent_failure = policy)
    }

    pub(crate) fn spec(self) -> Arc<JobSpec> {
        Arc::new(self.0)
    }
}

pub(crate) fn specs(drafts: impl IntoIterator<Item = Draft>) -> Vec<Arc<JobSpec>> {
    drafts.into_iter().map(Draft::spec).collect()
}

pub(crate) fn done() -> Outcome {
    Outcome::Done { result: None }
}

pub(crate) fn done_with(text: &str) -> Outcome {
    Outcome::Done { result: Some(json(text)) }
}

pub(crate) fn retry(due: Timestamp) -> Outcome {
    Outcome::Retry { at: due, error: JobError::new("the disk is full"), reason: Reason::Error }
}

pub(crate) fn snooze(until: Timestamp) -> Outcome {
    Outcome::Snooze { until, reason: None }
}

pub(crate) fn fail() -> Outcome {
    Outcome::Fail { error: JobError::new("no such printer\nat print"), reason: Reason::Panic }
}

pub(crate) fn cancel() -> Outcome {
    Outcome::Cancel { reason: Reason::ByHandler }
}

/// An end with jobs that follow from it.
pub(crate) fn end_then(token: LeaseToken, outcome: Outcome, then: Vec<Arc<JobSpec>>) -> End {
    let mut end = End::by_token(token, outcome);
    end.then = then;
    end
}

/// Each outcome with the move that it makes; those that wait do so until `due`.
pub(crate) fn outcomes(due: Timestamp) -> [(Move, Outcome); 6] {
    [
        (Move::Done, done_with("[1]")),
        (Move::Retry, retry(due)),
        (Move::Snooze, snooze(due)),
        (Move::Fail, fail()),
        (Move::Cancel, cancel()),
        (Move::HandBack, Outcome::HandBack),
    ]
}
