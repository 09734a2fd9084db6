use longshore_core::life::Move;
use longshore_core::{Amended, Change, JobId, KindName, Limit, QueueInfo, QueueName, State, Timestamp};

use super::Ledger;

impl Ledger {
    /// The store has answered an operator.
    pub(crate) fn amended(&mut self, ids: &[JobId], change: Change, answers: &[Amended], now: Timestamp) {
        self.expect(ids.len() == answers.len(), || "an amendment did not answer for each job".to_owned());
        for (id, answer) in ids.iter().zip(answers) {
            self.touched.insert(id.clone());
            self.tally.amended += 1;
            let Some(state) = self.jobs.get(id).map(|life| life.state) else {
                self.expect(matches!(answer, Amended::Unknown), || {
                    format!("{id} is gone, {change:?} answered {answer:?}")
                });
                continue;
            };
            match change {
                Change::Cancel => self.cancelled(id, state, answer, now),
                Change::Revive => self.revived(id, state, answer, now),
                Change::Remove { force } => {
                    let right = match answer {
                        Amended::Moved { to: None, .. } => state != State::Running || force,
                        Amended::WrongState(told) => state == State::Running && !force && *told == state,
                        _ => false,
                    };
                    self.expect(right, || {
                        format!("{change:?} of {id}, which is {state}, answered {answer:?}")
                    });
                    if matches!(answer, Amended::Moved { .. }) {
                        self.step(id, Move::Remove, None, now);
                    }
                }
            }
        }
    }

    fn cancelled(&mut self, id: &JobId, state: State, answer: &Amended, now: Timestamp) {
        let right = match answer {
            Amended::Moved { to, .. } => {
                *to == Some(State::Cancelled) && !state.is_end() && state != State::Running
            }
            Amended::Asked(_) => state == State::Running,
            Amended::WrongState(told) => state.is_end() && *told == state,
            _ => false,
        };
        self.expect(right, || format!("cancelling {id}, which is {state}, answered {answer:?}"));
        match answer {
            Amended::Moved { .. } => self.step(id, Move::Cancel, Some(State::Cancelled), now),
            Amended::Asked(_) => {
                self.jobs.get_mut(id).into_iter().for_each(|life| life.cancel = true);
            }
            _ => {}
        }
    }

    fn revived(&mut self, id: &JobId, state: State, answer: &Amended, now: Timestamp) {
        let ended = matches!(state, State::Failed | State::Cancelled);
        let rival = self.rival(id, now).filter(|_| ended);
        let right = match answer {
            Amended::Moved { .. } => ended && rival.is_none(),
            Amended::UniqueConflict(other) => rival.as_ref() == Some(other),
            Amended::WrongState(told) => !ended && *told == state,
            _ => false,
        };
        self.expect(right, || format!("reviving {id}, which is {state}, answered {answer:?}"));
        let Amended::Moved { to: Some(to), .. } = answer else { return };
        let waits = self.unmet(id);
        let by_move = if waits.is_empty() { Move::Revive } else { Move::ReviveBlocked };
        self.step(id, by_move, Some(*to), now);
        if let Some(life) = self.jobs.get_mut(id) {
            (life.attempt, life.stalls, life.finished_at, life.last) = (0, 0, None, None);
            (life.released, life.waits, life.revived) = (false, waits, life.revived + 1);
            life.deadline = life.spec.options.ttl.map(|ttl| now + ttl.0);
        }
        self.take_key_anew(id, now);
    }

    /// The store has set a queue.
    pub(crate) fn set_queue(&mut self, queue: &QueueName, info: &QueueInfo, paused: Option<bool>) {
        match paused {
            Some(true) => drop(self.paused.insert(queue.clone())),
            Some(false) => drop(self.paused.remove(queue)),
            None => {}
        }
        let right = info.paused == self.paused.contains(queue);
        self.expect(right, || format!("{queue} was answered as {info:?}"));
        if self.of_queue.get(queue).is_none_or(|limits| *limits != info.limits) {
            self.starts.forget();
        }
        self.of_queue.insert(queue.clone(), info.limits.clone());
        self.most.insert(queue.clone(), info.retention.most);
    }

    /// The store has set the limits of a kind.
    pub(crate) fn set_kind(&mut self, kind: &KindName, limits: &[Limit]) {
        self.starts.forget();
        self.of_kind.insert(kind.clone(), limits.to_vec());
    }

    /// The store has answered whether it forgot a queue.
    pub(crate) fn removed_queue(&mut self, queue: &QueueName, gone: bool) {
        let empty = !self.jobs.values().any(|life| life.spec.queue == *queue);
        self.expect(empty || !gone, || format!("{queue} was forgotten with jobs in it"));
        if gone {
            self.starts.forget();
            self.paused.remove(queue);
            self.of_queue.remove(queue);
            self.most.remove(queue);
        }
    }
}
