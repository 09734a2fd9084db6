use std::mem::discriminant;
use std::time::Duration;

use longshore_core::life::Move;
use longshore_core::{Claim, Claimed, End, Ended, Outcome, Refusal, Renewal, Renewed, State, Timestamp};

use super::{Held, Ledger, key, when};

impl Ledger {
    /// The store has given jobs to a worker.
    pub(crate) fn claimed(&mut self, claim: &Claim, jobs: &[Claimed], now: Timestamp) {
        for lane in &claim.lanes {
            let given = jobs.iter().filter(|job| job.spec.queue == lane.queue).count();
            self.expect(given <= lane.limit, || {
                format!("{given} jobs of {} came, {} were wanted", lane.queue, lane.limit)
            });
        }
        for job in jobs {
            self.claimed_one(claim, job, now);
        }
    }

    fn claimed_one(&mut self, claim: &Claim, job: &Claimed, now: Timestamp) {
        let (id, queue, token) = (&job.spec.id, &job.spec.queue, job.lease.token);
        let wanted = claim.lanes.iter().any(|lane| lane.queue == *queue);
        self.expect(wanted, || {
            format!("{id} of {queue} was given to somebody who did not ask for that queue")
        });
        self.expect(!self.paused.contains(queue), || {
            format!("{id} was claimed from {queue}, which is paused")
        });
        let before = self.tokens.insert(key(token), id.clone());
        self.expect(before.is_none(), || format!("the lease on {id} is one that there was before"));
        if let Some(life) = self.jobs.get(id) {
            let (deadline, held) = (life.deadline, life.held.clone());
            let right = (life.attempt + 1, life.stalls) == (job.attempt, job.stalls);
            self.expect(held.is_none(), || format!("{id} was claimed while {held:?} is a lease on it"));
            self.expect(deadline.is_none_or(|deadline| deadline > now), || {
                format!("{id} was claimed after its deadline {}", when(deadline))
            });
            self.expect(right, || format!("{id} was claimed with a wrong attempt or number of stalls"));
        }
        let most = job.spec.options.max_attempts;
        self.expect(job.attempt <= most, || format!("{id} begins attempt {} of {most}", job.attempt));
        self.expect(job.lease.until == now + claim.lease, || format!("the lease on {id} has a wrong end"));
        self.step(id, Move::Claim, Some(State::Running), now);
        if let Some(life) = self.jobs.get_mut(id) {
            (life.attempt, life.claims) = (job.attempt, life.claims + 1);
            life.held = Some(Held { token, until: job.lease.until, lease: claim.lease });
        }
        self.tally.claimed += 1;
        self.count_start(id, now);
    }

    /// The store has answered renewals.
    pub(crate) fn renewed(&mut self, renewals: &[Renewal], lease: Duration, answers: &[Renewed]) {
        for (renewal, answer) in renewals.iter().zip(answers) {
            let Some(id) = self.job_of(renewal.token).cloned() else { continue };
            self.touched.insert(id.clone());
            let held = self.jobs.get_mut(&id).and_then(|life| {
                let cancel = life.cancel;
                life.held.as_mut().filter(|held| held.token == renewal.token).map(|held| (held, cancel))
            });
            match (held, answer) {
                (Some((held, asked)), Renewed::Held { until, cancel }) => {
                    (held.until, held.lease) = (*until, lease);
                    self.expect(asked == *cancel, || format!("a renewal of {id} told {cancel} for {asked}"));
                }
                (None, Renewed::Lost) => {}
                (Some(_), Renewed::Lost) => self.find(format!("a live lease on {id} was told to be lost")),
                (None, Renewed::Held { .. }) => self.find(format!("a lost lease on {id} was renewed")),
            }
        }
    }

    /// The store has answered ends.
    pub(crate) fn ended(&mut self, ends: &[End], answers: &[Ended], now: Timestamp) {
        self.expect(ends.len() == answers.len(), || "a finish did not answer for each end".to_owned());
        for (end, answer) in ends.iter().zip(answers) {
            self.ended_one(end, answer, now);
        }
    }

    fn ended_one(&mut self, end: &End, answer: &Ended, now: Timestamp) {
        let Some(id) = self.job_of(end.token()).cloned() else {
            return self.find("an end of a lease that nobody was given".to_owned());
        };
        self.touched.insert(id.clone());
        let life = self.jobs.get(&id);
        let holds = life.is_some_and(|life| life.held.as_ref().is_some_and(|held| held.token == end.token()));
        let way = discriminant(&end.outcome);
        let repeats = life
            .and_then(|life| life.last)
            .filter(|(token, before, _)| (*token, *before) == (end.token(), way))
            .map(|(_, _, state)| state);
        match answer {
            Ended::Moved(state) => {
                self.expect(holds, || format!("a late end of {id} was accepted and led to {state}"));
                let by_move = end.outcome.by_move(life_cancel(self, &id));
                self.step(&id, by_move, Some(*state), now);
                self.after_end(&id, end, by_move, *state);
                end.then.iter().for_each(|spec| self.follow(spec, now));
            }
            Ended::Repeated(state) => {
                self.tally.repeated += 1;
                self.expect(!holds && repeats == Some(*state), || {
                    format!("an end of {id} was answered as a repetition of {state}, it was {repeats:?}")
                });
            }
            Ended::Refused(refusal) => {
                self.tally.refused += 1;
                let there = self.jobs.contains_key(&id);
                self.expect(!holds, || format!("the end of {id} by the lease that holds it was refused"));
                self.expect(repeats.is_none(), || format!("a repeated end of {id} was refused"));
                self.expect(there || *refusal == Refusal::Gone, || {
                    format!("{id} is gone, its end heard {refusal:?}")
                });
            }
        }
    }

    fn after_end(&mut self, id: &longshore_core::JobId, end: &End, by_move: Move, state: State) {
        let Some(life) = self.jobs.get_mut(id) else { return };
        life.last = Some((end.token(), discriminant(&end.outcome), state));
        match (by_move, &end.outcome) {
            (Move::Retry, Outcome::Retry { at, .. }) => life.run_at = Some(*at),
            (Move::Snooze, Outcome::Snooze { until, .. }) => {
                (life.run_at, life.attempt) = (Some(*until), life.attempt - 1);
            }
            (Move::HandBack, _) => life.attempt -= 1,
            _ => {}
        }
    }
}

fn life_cancel(ledger: &Ledger, id: &longshore_core::JobId) -> bool {
    ledger.jobs.get(id).is_some_and(|life| life.cancel)
}
