//! Why a job is not running: the reasons, out of the store's own state.

use std::borrow::Cow;
use std::collections::HashMap;

use longshore_core::{
    Health, Hold, Job, JobId, Limit, ParentPolicy, Reason, State, Timestamp, WorkerId, WorkerInfo,
    format_duration,
};
use serde::{Deserialize, Serialize};

use crate::control::{Control, ControlError};

/// Why a job is not running.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Why {
    /// The job.
    pub id: JobId,
    /// Where it stands.
    pub state: State,
    /// Everything that keeps it from running now; empty if nothing does and a worker is about to take it.
    pub reasons: Vec<WhyReason>,
    /// It does not start before this time; none if that is not a matter of time alone.
    pub not_before: Option<Timestamp>,
}

/// One reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WhyReason {
    /// A stable word for programs.
    pub code: Cow<'static, str>,
    /// The same for people, in one line.
    pub message: String,
    /// Jobs it is about: parents, or those that fill a limit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub jobs: Vec<JobId>,
    /// When it will be over, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

fn reason(code: &'static str, message: impl Into<String>) -> WhyReason {
    WhyReason { code: code.into(), message: message.into(), jobs: Vec::new(), until: None }
}

/// Parents that are looked at one by one.
const PARENTS_SHOWN: usize = 100;

impl Control {
    /// Why a job is not running. Read from the store, one look after the other; nothing is guessed.
    pub async fn why(&self, id: &JobId) -> Result<Why, ControlError> {
        let job = self.job(id).await?;
        let mut reasons = Vec::new();
        match job.state {
            State::Running => reasons.push(self.running(&job).await?),
            State::Completed | State::Failed | State::Cancelled => {
                let mut reason = ended(&job);
                if job.reason == Some(Reason::ParentFailed) {
                    self.blame(&job, &mut reason).await?;
                }
                reasons.push(reason);
            }
            State::Scheduled => reasons.push(scheduled(&job)),
            State::Blocked => reasons = self.parents(&job).await?,
            State::Ready => reasons = self.ready(&job).await?,
        }
        if let Some(deadline) = job.deadline_at.filter(|deadline| *deadline <= self.now() && waits(&job)) {
            let message = format!("its time to live was over at {deadline}; it is about to fail as expired");
            reasons.push(WhyReason { until: Some(deadline), ..reason("expired", message) });
        }
        let not_before = reasons.iter().filter_map(|reason| reason.until).max().filter(|_| waits(&job));
        Ok(Why { id: id.clone(), state: job.state, reasons, not_before })
    }

    /// A job that is claimed may still wait for a slot of the worker that has read it ahead; the worker tells.
    async fn running(&self, job: &Job) -> Result<WhyReason, ControlError> {
        let name = job.worker.as_ref().map_or("a worker", WorkerId::as_str);
        let since = job.started_at.map(|since| format!(" since {since}")).unwrap_or_default();
        let stops = if job.cancel_requested { ", and was asked to stop" } else { "" };
        let worker = match &job.worker {
            Some(id) => self.worker(id).await?.map(|worker| worker.info),
            None => None,
        };
        if let Some(worker) = worker.filter(|worker| worker.buffered_jobs.contains(job.id())) {
            let message = format!(
                "it is buffered on worker {name}, read ahead for a slot that is about to be free, as of {}{stops}",
                worker.seen_at
            );
            return Ok(reason("buffered", message));
        }
        Ok(reason("running", format!("it is running on {name}{since}{stops}")))
    }

    /// Names the parents that did not complete.
    async fn blame(&self, job: &Job, reason: &mut WhyReason) -> Result<(), ControlError> {
        for parent in job.spec.options.depends_on.iter().take(PARENTS_SHOWN) {
            let state = match self.job(&parent.id).await {
                Ok(parent) if parent.state == State::Completed => continue,
                Ok(parent) => parent.state.as_str(),
                Err(ControlError::Unknown(_)) => "gone",
                Err(error) => return Err(error),
            };
            reason.message += &format!("; parent {} is {state}", parent.id);
            reason.jobs.push(parent.id.clone());
        }
        Ok(())
    }

    async fn parents(&self, job: &Job) -> Result<Vec<WhyReason>, ControlError> {
        let mut reasons = Vec::new();
        for parent in job.spec.options.depends_on.iter().take(PARENTS_SHOWN) {
            let standing = match self.job(&parent.id).await {
                Ok(standing) => standing,
                Err(ControlError::Unknown(_)) => {
                    reasons.extend(self.is_pending(&parent.id).await?.then(|| {
                        reason("parent", "a parent that belongs to somebody else has not completed")
                    }));
                    continue;
                }
                Err(error) => return Err(error),
            };
            reasons.extend(parent_reason(&standing, job));
        }
        if reasons.is_empty() {
            reasons.push(reason("releasing", "its parents have ended; the keeper is about to release it"));
        }
        Ok(reasons)
    }

    async fn ready(&self, job: &Job) -> Result<Vec<WhyReason>, ControlError> {
        let mut reasons = Vec::new();
        let queue = &job.spec.queue;
        if self.queue(queue).await?.is_some_and(|info| info.paused) {
            reasons.push(reason("paused", format!("queue {queue} is paused")));
        }
        for hold in self.holds(job.id()).await? {
            reasons.extend(held_up(&hold, self.now()));
        }
        let (alive, held) = (self.live_workers().await?, self.held_by_workers(queue).await?);
        reasons.extend(nobody(job, &alive, &held, self.now()));
        Ok(reasons)
    }
}

fn waits(job: &Job) -> bool {
    matches!(job.state, State::Blocked | State::Scheduled | State::Ready)
}

fn ended(job: &Job) -> WhyReason {
    let at = job.finished_at.map(|at| format!(" at {at}")).unwrap_or_default();
    let why = job.reason.map(|why| format!(" ({})", why.as_str())).unwrap_or_default();
    let error = job.errors.last().filter(|_| job.state == State::Failed);
    let error = error.map(|error| format!(": {}", error.message)).unwrap_or_default();
    reason(job.state.as_str(), format!("it has {}{at}{why}{error}", past(job.state)))
}

fn past(state: State) -> &'static str {
    match state {
        State::Completed => "completed",
        State::Failed => "failed",
        _ => "been cancelled",
    }
}

fn scheduled(job: &Job) -> WhyReason {
    let due = job.run_at.map(|due| due.to_string()).unwrap_or_default();
    let message = match job.reason {
        Some(Reason::UnknownKind) => {
            format!(
                "a worker that does not know its kind {} has put it back; it is looked at again at {due}",
                job.spec.kind
            )
        }
        Some(Reason::CircuitOpen) => {
            let kind = &job.spec.kind;
            format!(
                "the breaker of kind {kind} was open on the worker that took it; it is tried again at {due}"
            )
        }
        Some(Reason::Throttled) => {
            format!("the guard of kind {} let no more through; it is tried again at {due}", job.spec.kind)
        }
        Some(why) if job.attempt > 0 => {
            let most = job.spec.options.max_attempts;
            format!(
                "attempt {} of {most} failed ({}); the next one is scheduled for {due}",
                job.attempt,
                why.as_str()
            )
        }
        _ => format!("it is scheduled for {due}"),
    };
    let code = match job.reason {
        Some(why @ (Reason::CircuitOpen | Reason::Throttled)) => why.as_str(),
        _ => "scheduled",
    };
    WhyReason { until: job.run_at, ..reason(code, message) }
}

fn parent_reason(parent: &Job, child: &Job) -> Option<WhyReason> {
    let id = parent.id();
    let was_retried = child.reason == Some(Reason::ByOperator);
    let message = match (parent.state, child.spec.options.on_parent_failure) {
        (State::Completed, _) => return None,
        (state @ (State::Failed | State::Cancelled), policy)
            if was_retried || (state, policy) == (State::Failed, ParentPolicy::Wait) =>
        {
            format!("parent {id} is {state}; this job waits until a retry of it completes")
        }
        (State::Failed | State::Cancelled, _) => {
            format!("parent {id} is {}; the keeper is about to act on it", parent.state)
        }
        (state, _) => format!("parent {id} is {state}"),
    };
    Some(WhyReason { jobs: vec![id.clone()], ..reason("parent", message) })
}

/// A limit may be full in both ways at once.
fn held_up(hold: &Hold, now: Timestamp) -> Vec<WhyReason> {
    let mut reasons = Vec::new();
    let whose = match (&hold.kind, &hold.key, &hold.value) {
        (None, None, _) => "its queue".to_owned(),
        (Some(kind), None, _) => format!("kind {kind}"),
        (None, Some(key), value) => format!("{key} = {}", value.as_deref().unwrap_or_default()),
        (Some(kind), Some(key), value) => {
            format!("kind {kind}, {key} = {}", value.as_deref().unwrap_or_default())
        }
    };
    if let Some(most) = hold.concurrency {
        let by: Vec<String> = hold.held_by.iter().map(ToString::to_string).collect();
        let by = if by.is_empty() { String::new() } else { format!(", held by {}", by.join(", ")) };
        let message = format!("{whose} is at {}/{most}{by}", hold.running);
        reasons.push(WhyReason { jobs: hold.held_by.clone(), ..reason("concurrency", message) });
    }
    if hold.rate.is_none() {
        return reasons;
    }
    let message = match hold.next_at {
        Some(at) => format!("{whose} has a rate token in {}", format_duration(at.since(now))),
        None => format!("{whose} has a rate of 0: nothing starts"),
    };
    reasons.push(WhyReason { until: hold.next_at, ..reason("rate", message) });
    reasons
}

/// Why no worker takes it, as far as the workers themselves are concerned. `held` counts the jobs of its queue that each
/// worker runs.
fn nobody(
    job: &Job,
    alive: &[WorkerInfo],
    held: &HashMap<WorkerId, u32>,
    now: Timestamp,
) -> Option<WhyReason> {
    let (queue, kind) = (&job.spec.queue, &job.spec.kind);
    let serving: Vec<&WorkerInfo> = alive.iter().filter(|worker| worker.serves(queue)).collect();
    if serving.is_empty() {
        return Some(reason("no_worker", format!("no live worker serves queue {queue}")));
    }
    if !serving.iter().any(|worker| worker.kinds.contains(kind)) {
        return Some(reason("unknown_kind", format!("no live worker of queue {queue} knows kind {kind}")));
    }
    let free: Vec<&WorkerInfo> = serving
        .into_iter()
        .filter(|worker| held.get(&worker.id).copied().unwrap_or(0) < worker.slots_of(queue))
        .collect();
    if free.is_empty() {
        let running: u32 = held.values().sum();
        let message =
            format!("every slot of the workers of queue {queue} is taken; {running} of its jobs run");
        return Some(reason("busy", message));
    }
    if free.iter().all(|worker| worker.health(now) == Health::Aging) {
        let words = free.iter().map(|worker| {
            format!("{} was last heard of {} ago", worker.id, format_duration(now.since(worker.seen_at)))
        });
        let words: Vec<String> = words.collect();
        return Some(reason("silent_worker", format!("its workers may have gone: {}", words.join(", "))));
    }
    // Whether such a worker has a token now, only it knows.
    let own_rate = |worker: &&WorkerInfo| Some((worker.id.clone(), worker.own_rates.get(queue)?.clone()));
    let paced: Vec<(WorkerId, Limit)> = free.iter().filter_map(own_rate).collect();
    if paced.len() < free.len() {
        return None;
    }
    let paced: Vec<String> =
        paced.iter().map(|(worker, limit)| format!("{worker} takes {}", describe_limit(limit))).collect();
    Some(reason("worker_rate", format!("its workers have rates of their own: {}", paced.join(", "))))
}

/// The limits of a queue in one line each, for people.
pub fn describe_limit(limit: &Limit) -> String {
    let mut parts = Vec::new();
    parts.extend(limit.concurrency.map(|most| format!("{most} at once")));
    parts.extend(limit.rate.map(|rate| {
        let interval = limit.interval.map_or("1s".to_owned(), |interval| format_duration(interval.0));
        let burst = limit.burst.map(|burst| format!(", {burst} in a burst")).unwrap_or_default();
        format!("{rate} starts per {interval}{burst}")
    }));
    let whose = limit.key.as_ref().map(|key| format!(" for each {key}")).unwrap_or_default();
    format!("{}{whose}", parts.join(" and "))
}
