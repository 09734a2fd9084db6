//! What is known of a store that others use at the same time: only what is certain is held against it.
//!
//! An answer says that something had happened by then; a request, that nothing of it had happened before. A lease is
//! certainly there from the answer to its claim until somebody begins to end it, or its time is over.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use longshore_core::limit::Pace;
use longshore_core::limiter::Rule;
use longshore_core::{
    Amended, Change, Claimed, End, Ended, Inserted, Job, JobId, JobSpec, LeaseToken, Limit, Outcome,
    ParentPolicy, QueueName, Renewal, Renewed, State, Timestamp,
};

/// Complaints kept.
const FINDINGS_MAX: usize = 20;

struct Held {
    job: JobId,
    /// The answer to its claim.
    at: u64,
    until: Timestamp,
    /// Somebody may have ended it.
    maybe_over: bool,
    accepted: u32,
    /// It was to be cancelled before its end began.
    asked_to_stop: bool,
}

#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "facts that do not exclude each other")]
struct Seen {
    spec: Option<Arc<JobSpec>>,
    leases: Vec<u128>,
    acknowledged: bool,
    maybe_removed: bool,
    maybe_amended: bool,
    done_begun: bool,
    completed: u32,
}

/// All that is known.
#[derive(Default)]
pub(super) struct Notes {
    ticks: u64,
    jobs: BTreeMap<JobId, Seen>,
    held: BTreeMap<u128, Held>,
    /// Queues that are certainly paused, since when.
    paused: BTreeMap<QueueName, u64>,
    resumed: BTreeMap<QueueName, u64>,
    pub(super) limits: BTreeMap<QueueName, Vec<Limit>>,
    /// Between which moments each start happened.
    starts: BTreeMap<(QueueName, String, String), Vec<(Timestamp, Timestamp)>>,
    /// Requests to take leases back: the moment they name, and when they were answered.
    reclaims: Vec<(Timestamp, Option<u64>)>,
    /// How long leases are given for.
    lease: Duration,
    findings: Vec<String>,
    pub(super) claims: u64,
}

fn key(token: LeaseToken) -> u128 {
    u128::from(token.place()) << 64 | u128::from(token.nonce())
}

impl Notes {
    pub(super) fn new(lease: Duration) -> Self {
        Self { lease, ..Self::default() }
    }

    /// A moment after all others.
    pub(super) fn tick(&mut self) -> u64 {
        self.ticks += 1;
        self.ticks
    }

    pub(super) fn find(&mut self, what: String) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(what);
        }
    }

    pub(super) fn find_all(&mut self, what: Vec<String>) {
        for what in what {
            self.find(what);
        }
    }

    pub(super) fn findings(&self) -> &[String] {
        &self.findings
    }

    /// Store requests so far.
    pub(super) fn steps(&self) -> u64 {
        self.ticks
    }

    pub(super) fn asked(&mut self, specs: &[Arc<JobSpec>]) {
        for spec in specs {
            self.jobs.entry(spec.id.clone()).or_default().spec.get_or_insert_with(|| spec.clone());
        }
    }

    pub(super) fn inserted(&mut self, specs: &[Arc<JobSpec>], answers: &[Inserted]) {
        for (spec, answer) in specs.iter().zip(answers) {
            self.jobs.entry(answer.id.clone()).or_default().acknowledged = true;
            if let Some(replaced) = &answer.replaced {
                self.jobs.entry(replaced.clone()).or_default().maybe_removed = true;
            }
            if spec.id == answer.id || spec.options.unique.is_some() {
                continue;
            }
            self.find(format!("{} was answered as {} without a key", spec.id, answer.id));
        }
    }

    pub(super) fn claimed(&mut self, jobs: &[Claimed], asked: u64, now: Timestamp, at: Timestamp) {
        let tick = self.tick();
        for job in jobs {
            self.claims += 1;
            let (id, spec, token) = (&job.spec.id, &job.spec, key(job.lease.token));
            if let Some(since) = self.paused.get(&spec.queue).filter(|since| **since < asked) {
                self.find(format!("{id} came from {}, which was paused at {since}", spec.queue));
            }
            if job.attempt > spec.options.max_attempts {
                self.find(format!("{id} began attempt {}", job.attempt));
            }
            let rival = self.live(at).find(|held| held.job == *id).map(|held| held.until);
            if let Some(until) = rival {
                self.find(format!("{id} was given away although a lease on it lasts until {until}"));
            }
            self.check_life(job, now);
            let until = self.shortened(job.lease.until, asked);
            let new = Held {
                job: id.clone(),
                at: tick,
                until,
                // It may have been removed between the claim and its answer.
                maybe_over: self.jobs.get(id).is_some_and(|seen| seen.maybe_removed),
                accepted: 0,
                asked_to_stop: false,
            };
            if self.held.insert(token, new).is_some() {
                self.find(format!("the lease on {id} is one that there was before"));
            }
            let seen = self.jobs.entry(id.clone()).or_default();
            seen.spec.get_or_insert_with(|| spec.clone());
            seen.leases.push(token);
            self.check_limits(spec, now, at);
        }
    }

    /// The leases that are certainly there.
    fn live(&self, at: Timestamp) -> impl Iterator<Item = &Held> {
        self.held.values().filter(move |held| !held.maybe_over && held.until > at)
    }

    fn check_life(&mut self, job: &Claimed, now: Timestamp) {
        let (id, options) = (&job.spec.id, &job.spec.options);
        let (completed, amended) =
            self.jobs.get(id).map_or((false, false), |seen| (seen.completed > 0, seen.maybe_amended));
        if completed {
            self.find(format!("{id} was given away after it had completed"));
        }
        if amended {
            return;
        }
        if let Some(deadline) = options.ttl.map(|ttl| job.created_at + ttl.0).filter(|over| *over <= now) {
            self.find(format!("{id} was given away at {now}, its deadline was {deadline}"));
        }
        if options.on_parent_failure == ParentPolicy::Run {
            return;
        }
        let done = |parent: &JobId| self.jobs.get(parent).is_some_and(|seen| seen.done_begun);
        let early = options.depends_on.iter().map(|parent| &parent.id).find(|parent| !done(parent)).cloned();
        if let Some(parent) = early {
            self.find(format!("{id} was given away before {parent} was done"));
        }
    }

    fn check_limits(&mut self, spec: &JobSpec, now: Timestamp, at: Timestamp) {
        for limit in self.limits.get(&spec.queue).cloned().unwrap_or_default() {
            let value = crate::ledger::value(spec, &limit);
            let same = |held: &&Held| {
                let other = self.jobs.get(&held.job).and_then(|seen| seen.spec.as_ref());
                other.is_some_and(|other| {
                    other.queue == spec.queue && crate::ledger::value(other, &limit) == value
                })
            };
            let running = self.live(at).filter(same).count();
            if limit.concurrency.is_some_and(|most| running > most as usize) {
                self.find(format!(
                    "{} runs as number {running} of {} {value}: {limit:?}",
                    spec.id, spec.queue
                ));
            }
            let path = limit.key.clone().unwrap_or_default();
            self.starts.entry((spec.queue.clone(), path, value)).or_default().push((now, at));
        }
    }

    /// No window had more starts than the limit allows.
    pub(super) fn check_rates(&mut self) {
        for ((queue, path, value), mut starts) in std::mem::take(&mut self.starts) {
            let of_path = |limit: &&Limit| limit.key.clone().unwrap_or_default() == path;
            let limit = self.limits.get(&queue).and_then(|limits| limits.iter().find(of_path));
            let Some(Pace::By(Rule::Smooth { rate, interval, burst })) = limit.map(Limit::pace) else {
                continue;
            };
            // All starts that certainly lie between a request and an answer.
            starts.sort_unstable();
            for (first, (from, _)) in starts.iter().enumerate() {
                let mut ends: Vec<Timestamp> = starts[first..].iter().map(|(_, end)| *end).collect();
                ends.sort_unstable();
                for (more, to) in ends.iter().enumerate() {
                    let window = to.since(*from).as_secs_f64();
                    let most = f64::from(burst) + f64::from(rate) * window / interval.as_secs_f64();
                    if more as f64 + 1.0 > most + 0.01 {
                        self.find(format!(
                            "{} starts of {queue} {value} in {window} s, at most {most:.1}",
                            more + 1
                        ));
                        return;
                    }
                }
            }
        }
    }

    pub(super) fn renewed(&mut self, renewals: &[Renewal], answers: &[Renewed], asked: u64) {
        for (renewal, answer) in renewals.iter().zip(answers) {
            let Renewed::Held { until, .. } = answer else { continue };
            let until = self.shortened(*until, asked);
            if let Some(held) = self.held.get_mut(&key(renewal.token)) {
                held.until = held.until.max(until);
            }
        }
    }

    pub(super) fn reclaiming(&mut self, now: Timestamp) {
        self.reclaims.push((now, None));
    }

    /// A request that names a moment long ago shortens leases, as if the clock had been set back.
    pub(super) fn reclaimed(&mut self, now: Timestamp) {
        let tick = self.tick();
        if let Some(open) = self.reclaims.iter_mut().find(|open| **open == (now, None)) {
            open.1 = Some(tick);
        }
        for held in self.held.values_mut() {
            held.until = held.until.min(now + 2 * self.lease);
        }
    }

    /// Until when a lease certainly lasts that was asked for then.
    fn shortened(&self, until: Timestamp, asked: u64) -> Timestamp {
        let meanwhile = self.reclaims.iter().filter(|(_, answered)| answered.is_none_or(|at| at > asked));
        meanwhile.map(|(now, _)| *now + 2 * self.lease).min().map_or(until, |cut| cut.min(until))
    }

    pub(super) fn ending(&mut self, ends: &[End]) {
        for end in ends {
            let Some(held) = self.held.get_mut(&key(end.token())) else { continue };
            held.maybe_over = true;
            if let Some(seen) = self.jobs.get_mut(&held.job) {
                seen.done_begun |= matches!(end.outcome, Outcome::Done { .. });
            }
        }
        for end in ends {
            self.asked(&end.then);
        }
    }

    pub(super) fn ended(&mut self, ends: &[End], answers: &[Ended], asked: u64) {
        for (end, answer) in ends.iter().zip(answers) {
            let Ended::Moved(state) = answer else { continue };
            let token = key(end.token());
            let Some(held) = self.held.get_mut(&token) else { continue };
            held.accepted += 1;
            let (id, at, accepted, to_stop) = (held.job.clone(), held.at, held.accepted, held.asked_to_stop);
            if accepted > 1 {
                self.find(format!("the end of one lease on {id} was accepted {accepted} times"));
            }
            let seen = self.jobs.entry(id.clone()).or_default();
            seen.completed += u32::from(*state == State::Completed);
            let (completed, leases) = (seen.completed, seen.leases.clone());
            let newer =
                |other: &u128| self.held.get(other).is_some_and(|held| held.at > at && held.at < asked);
            if leases.iter().any(newer) {
                self.find(format!(
                    "a late end of {id} was accepted as {state} although somebody else had it"
                ));
            }
            if completed > 1 {
                self.find(format!("{id} completed {completed} times"));
            }
            if to_stop && *state == State::Completed {
                self.find(format!("{id} completed although it had been asked to stop"));
            }
            for spec in &end.then {
                self.jobs.entry(spec.id.clone()).or_default().acknowledged = true;
            }
        }
    }

    pub(super) fn amending(&mut self, ids: &[JobId], change: Change) {
        for id in ids {
            let seen = self.jobs.entry(id.clone()).or_default();
            seen.maybe_amended |= change == Change::Revive;
            if matches!(change, Change::Remove { .. }) {
                seen.maybe_removed = true;
                for token in seen.leases.clone() {
                    self.held.get_mut(&token).into_iter().for_each(|held| held.maybe_over = true);
                }
            }
        }
    }

    pub(super) fn amended(&mut self, ids: &[JobId], answers: &[Amended], asked: u64) {
        for (id, answer) in ids.iter().zip(answers) {
            let Some(token) = self.jobs.get(id).and_then(|seen| seen.leases.last()).copied() else {
                continue;
            };
            if let (Amended::Asked(_), Some(held)) = (answer, self.held.get_mut(&token)) {
                // The attempt was there before the request, and its end has not begun.
                held.asked_to_stop |= held.at < asked && !held.maybe_over;
            }
        }
    }

    pub(super) fn pausing(&mut self, queue: &QueueName, paused: Option<bool>) {
        if paused == Some(false) {
            self.paused.remove(queue);
            self.resumed.insert(queue.clone(), self.ticks);
        }
    }

    pub(super) fn paused(&mut self, queue: QueueName, paused: Option<bool>, asked: u64) {
        let resumed = self.resumed.get(&queue).is_some_and(|at| *at >= asked);
        if paused == Some(true) && !resumed {
            let tick = self.tick();
            self.paused.insert(queue, tick);
        }
    }

    /// Compares what is in the store at the end with what is known.
    pub(super) fn compare(&mut self, jobs: &BTreeMap<JobId, Job>) {
        let mut wrong = Vec::new();
        for (id, seen) in &self.jobs {
            match jobs.get(id) {
                None if seen.acknowledged && !seen.maybe_removed => {
                    wrong.push(format!("{id} was acknowledged, and is nowhere"));
                }
                Some(job) if (job.state == State::Completed) != (seen.completed > 0) => {
                    wrong.push(format!(
                        "{id} is {}, its ends were accepted as completed {} times",
                        job.state, seen.completed
                    ));
                }
                _ => {}
            }
        }
        self.find_all(wrong);
    }

    /// Jobs that were accepted.
    pub(super) fn jobs(&self) -> u64 {
        self.jobs.values().filter(|seen| seen.acknowledged).count() as u64
    }
}
