use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use longshore_core::life::Move;
use longshore_core::limits::ERRORS_KEPT;
use longshore_core::{
    AttemptError, Claim, Claimed, Claims, End, Ended, Inserted, Job, JobError, JobSpec, LaneWant, Lease,
    LeaseToken, Outcome, Progress, QueueName, Reason, Refusal, Renewal, Renewed, State, StoreError,
    StoreResult, Timestamp, WorkerId,
};

use crate::table::{Entry, Table};
use crate::unique::Meets;

impl Table {
    pub(crate) fn insert(&mut self, jobs: Vec<Arc<JobSpec>>, now: Timestamp) -> StoreResult<Vec<Inserted>> {
        JobSpec::check_batch(&jobs)?;
        for spec in &jobs {
            if let Some(other) = self.in_another_queue(spec) {
                return Err(StoreError::IdTaken { id: spec.id.to_string(), queue: other });
            }
        }
        self.check_parents(&jobs)?;
        self.check_keys(&jobs)?;
        let has_flow = jobs.iter().any(|spec| !spec.options.depends_on.is_empty());
        let (mut fresh, mut placed, mut renamed) = (Vec::new(), HashMap::new(), HashMap::new());
        let mut inserted = Vec::with_capacity(jobs.len());
        for spec in jobs {
            let (asked, waits) = (spec.id.clone(), !spec.options.depends_on.is_empty());
            let (place, answer) = self.insert_one(spec, now);
            if has_flow {
                placed.extend(answer.replaced.clone().map(|replaced| (replaced, place)));
                renamed.extend(answer.replaced.clone().map(|replaced| (replaced, answer.id.clone())));
                if answer.id != asked {
                    renamed.insert(asked.clone(), answer.id.clone());
                }
                placed.entry(asked).or_insert(place);
            }
            if waits && !answer.duplicate {
                fresh.push(place);
            }
            inserted.push((place, answer));
        }
        self.link_all(&fresh, &placed, now);
        for place in &fresh {
            let Some(entry) = self.jobs.get_mut(place) else { continue };
            if let Some(options) = entry.job.spec.options.with_parents_renamed(&renamed) {
                Arc::make_mut(&mut entry.job.spec).options = Arc::new(options);
            }
        }
        let state = |place: &u64| self.jobs.get(place).map(|entry| entry.job.state);
        Ok(inserted
            .into_iter()
            .map(|(place, answer)| Inserted {
                state: if answer.duplicate { answer.state } else { state(&place).unwrap_or(answer.state) },
                ..answer
            })
            .collect())
    }

    fn in_another_queue(&self, spec: &JobSpec) -> Option<String> {
        let holder = self.jobs.get(self.by_id.get(&spec.id)?)?;
        (holder.job.spec.queue != spec.queue && holder.job.state != State::Cancelled)
            .then(|| holder.job.spec.queue.to_string())
    }

    /// Inserts one job, and tells the place of the job that stands for it now. Its parents are looked at afterwards.
    fn insert_one(&mut self, spec: Arc<JobSpec>, now: Timestamp) -> (u64, Inserted) {
        let duplicate = |entry: &Entry| Inserted {
            id: entry.job.id().clone(),
            state: entry.job.state,
            duplicate: true,
            replaced: None,
        };
        if let Some(place) = self.by_id.get(&spec.id).copied() {
            match self.jobs.get(&place) {
                Some(entry) if entry.job.state != State::Cancelled => return (place, duplicate(entry)),
                _ => drop(self.remove(place)),
            }
        }
        let (mut replaced, mut until) = (None, None);
        match self.meet(&spec, now) {
            Meets::Nobody => {}
            Meets::Holder(owner) => {
                if let Some(entry) = self.jobs.get(&owner) {
                    return (owner, duplicate(entry));
                }
            }
            Meets::Replaceable(owner, window) => {
                until = Some(window);
                replaced = self.remove(owner).map(|job| job.id().clone());
            }
        }
        let id = spec.id.clone();
        let place = self.add(spec, now);
        match until {
            Some(window) => self.take_key_until(place, window, now),
            None => self.take_key(place, now),
        }
        let state = self.jobs.get(&place).map_or(State::Ready, |entry| entry.job.state);
        (place, Inserted { id, state, duplicate: false, replaced })
    }

    pub(crate) fn claim(&mut self, claim: &Claim, nonce: u64, now: Timestamp) -> StoreResult<Claims> {
        claim.check()?;
        self.orders.open_due(now);
        let mut claims = Claims::default();
        for lane in claim.lanes.iter().filter(|lane| lane.limit > 0) {
            let next = self.claim_lane(claim, lane, nonce, now, &mut claims);
            claims.next = claims.next.into_iter().chain(next).min();
        }
        Ok(claims)
    }

    /// Claims from one queue; tells when a rate will have room for more, if one had not enough.
    fn claim_lane(
        &mut self,
        claim: &Claim,
        lane: &LaneWant,
        nonce: u64,
        now: Timestamp,
        claims: &mut Claims,
    ) -> Option<Timestamp> {
        let queue = self.orders.queues.get(&lane.queue);
        if queue.is_some_and(|queue| queue.paused) {
            return None;
        }
        let has_limits = queue.is_some_and(|queue| !queue.limits.is_empty());
        let limited = has_limits || !self.orders.limits.kinds.is_empty();
        if limited {
            claims.limited.push(lane.queue.clone());
        }
        let wanted = if limited { lane.limit.min(lane.slots) } else { lane.limit };
        let gate = self.orders.gate(&lane.queue, now);
        let room = wanted.min(gate.room);
        let mut given = 0;
        while given < room
            && let Some(place) = self.next_ready(&lane.queue, now)
        {
            self.orders.start(&lane.queue, place, now);
            self.step(place, Move::Claim, now, |entry, _| {
                entry.nonce = nonce;
                (entry.lease_until, entry.lease) = (now + claim.lease, claim.lease);
                start_attempt(&mut entry.job, &claim.worker, now);
            });
            claims.jobs.extend(self.jobs.get(&place).map(|entry| handed_out(entry, place)));
            given += 1;
        }
        if given == wanted || !limited {
            return None;
        }
        let held_up = self.orders.queues.get(&lane.queue).is_some_and(|queue| !queue.ready.is_empty());
        let gate =
            if held_up { self.orders.gate(&lane.queue, now).next.filter(|next| *next > now) } else { None };
        gate.into_iter().chain(self.orders.next_opening(&lane.queue)).min()
    }

    /// The next job of a queue that may start.
    fn next_ready(&mut self, name: &QueueName, now: Timestamp) -> Option<u64> {
        if self.has_lanes(name) {
            return self.next_open(name, now);
        }
        let alive = |place: &u64| {
            let deadline = self.jobs.get(place).and_then(|entry| entry.job.deadline_at);
            deadline.is_none_or(|deadline| deadline > now)
        };
        self.orders.queues.get(name)?.ready.iter().map(|(_, _, place)| *place).find(alive)
    }

    /// The entry that this token holds now.
    fn held(&mut self, token: LeaseToken) -> Option<&mut Entry> {
        self.jobs
            .get_mut(&token.place())
            .filter(|entry| entry.job.state == State::Running && entry.nonce == token.nonce())
    }

    pub(crate) fn renew(&mut self, renewals: Vec<Renewal>, lease: Duration, now: Timestamp) -> Vec<Renewed> {
        let until = now + lease;
        let mut answers = Vec::with_capacity(renewals.len());
        for renewal in renewals {
            let Some(entry) = self.held(renewal.token) else {
                answers.push(Renewed::Lost);
                continue;
            };
            let before = entry.lease_until;
            (entry.lease_until, entry.lease) = (until, lease);
            if let Some(progress) = renewal.progress {
                let percent = progress.percent.max(entry.job.progress.percent);
                entry.job.progress = Progress { percent, ..progress };
            }
            answers.push(Renewed::Held { until, cancel: entry.job.cancel_requested });
            self.orders.leased.remove(&(before, renewal.token.place()));
            self.orders.leased.insert((until, renewal.token.place()));
        }
        answers
    }

    pub(crate) fn finish(&mut self, ends: &[End], now: Timestamp) -> StoreResult<Vec<Ended>> {
        End::check_batch(ends)?;
        Ok(ends.iter().map(|end| self.finish_one(end, now)).collect())
    }

    fn finish_one(&mut self, end: &End, now: Timestamp) -> Ended {
        let (place, nonce) = (end.token().place(), end.token().nonce());
        let way = std::mem::discriminant(&end.outcome);
        let Some(entry) = self.held(end.token()) else {
            return match self.jobs.get(&place).map(|entry| entry.last) {
                None => Ended::Refused(Refusal::Gone),
                Some(Some((by, same, state))) if by == nonce && same == way => Ended::Repeated(state),
                Some(_) => Ended::Refused(Refusal::LeaseLost),
            };
        };
        let by_move = end.outcome.by_move(entry.job.cancel_requested);
        let to = self.step(place, by_move, now, |entry, to| {
            entry.last = Some((nonce, way, to));
            end_attempt(&mut entry.job, end, by_move, now);
        });
        for spec in &end.then {
            if self.in_another_queue(spec).is_none() {
                self.insert_one(spec.clone(), now);
            }
        }
        to.map_or(Ended::Refused(Refusal::LeaseLost), Ended::Moved)
    }
}

fn start_attempt(job: &mut Job, worker: &WorkerId, now: Timestamp) {
    job.attempt += 1;
    job.worker = Some(worker.clone());
    job.started_at = Some(now);
    job.reason = None;
    job.progress = Progress::default();
    job.cancel_requested = false;
}

fn handed_out(entry: &Entry, place: u64) -> Claimed {
    let job = &entry.job;
    Claimed {
        lease: Lease { token: LeaseToken::new(place, entry.nonce), until: entry.lease_until },
        spec: job.spec.clone(),
        attempt: job.attempt,
        stalls: job.stalls,
        created_at: job.created_at,
    }
}

/// What the end of an attempt leaves on the job.
fn end_attempt(job: &mut Job, end: &End, by_move: Move, now: Timestamp) {
    if end.started_at.is_some() {
        job.started_at = end.started_at;
    }
    match &end.outcome {
        Outcome::Retry { error, reason, .. } | Outcome::Fail { error, reason } => {
            keep_error(job, error, *reason, now)
        }
        Outcome::Done { .. } | Outcome::Snooze { .. } | Outcome::Cancel { .. } | Outcome::HandBack => {}
    }
    match (by_move, &end.outcome) {
        (Move::Done, Outcome::Done { result }) => {
            job.reason = None;
            job.result.clone_from(result);
            job.progress.percent = 100;
        }
        (Move::Retry, Outcome::Retry { at, reason, .. }) => {
            job.reason = Some(*reason);
            job.run_at = Some(*at);
        }
        (Move::Snooze, Outcome::Snooze { until, reason }) => {
            job.reason = *reason;
            job.run_at = Some(*until);
            job.attempt -= 1;
        }
        (Move::Fail, Outcome::Fail { reason, .. }) | (Move::Cancel, Outcome::Cancel { reason }) => {
            job.reason = Some(*reason)
        }
        (Move::Cancel, _) => job.reason = Some(Reason::ByOperator),
        (Move::HandBack, _) => {
            job.attempt -= 1;
            job.started_at = end.started_at;
        }
        _ => {}
    }
    job.cancel_requested = false;
    if !job.state.is_end() {
        job.progress = Progress::default();
    }
}

pub(crate) fn keep_error(job: &mut Job, error: &JobError, reason: Reason, now: Timestamp) {
    let (Some(worker), Some(started_at)) = (job.worker.clone(), job.started_at) else { return };
    job.errors.push(AttemptError {
        attempt: job.attempt,
        reason,
        message: error.message.clone(),
        trace: error.trace.clone(),
        worker,
        started_at,
        duration_ms: now.since(started_at).as_millis() as u64,
    });
    if job.errors.len() > ERRORS_KEPT {
        job.errors.remove(0);
    }
}
