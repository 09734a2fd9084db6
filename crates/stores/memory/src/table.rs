use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use longshore_core::life::{self, Move};
use longshore_core::{
    Counts, DurationText, Job, JobId, JobSpec, Limit, Moved, ParentEnd, QueueInfo, QueueName, Retention,
    State, Timestamp, Wake,
};

use crate::flow::Flows;
use crate::limits::{Lanes, Limits, Spot};
use crate::unique::Uniques;

/// All jobs, and the orders they stand in.
#[derive(Default)]
pub(crate) struct Table {
    /// By place. A place is given once, in the order of inserts.
    pub(crate) jobs: BTreeMap<u64, Entry>,
    pub(crate) by_id: HashMap<JobId, u64>,
    pub(crate) orders: Orders,
    pub(crate) flows: Flows,
    pub(crate) uniques: Uniques,
}

/// For each thing that is asked often, an order in which the answer stands first.
#[derive(Default)]
pub(crate) struct Orders {
    pub(crate) queues: BTreeMap<QueueName, Queue>,
    pub(crate) scheduled: BTreeSet<(Timestamp, u64)>,
    /// Waiting jobs with a time to live.
    pub(crate) expiring: BTreeSet<(Timestamp, u64)>,
    pub(crate) leased: BTreeSet<(Timestamp, u64)>,
    pub(crate) ended: BTreeSet<(Timestamp, u64)>,
    pub(crate) results: BTreeSet<(Timestamp, u64)>,
    pub(crate) limits: Limits,
    /// The next place, and the next turn in line.
    next: u64,
    wakes: Vec<Wake>,
}

pub(crate) struct Entry {
    pub(crate) job: Job,
    /// Its turn in line among ready jobs of one priority. Kept while it runs, so that a job given back is next again.
    pub(crate) turn: u64,
    /// The claim that holds it, while it runs.
    pub(crate) nonce: u64,
    pub(crate) lease_until: Timestamp,
    pub(crate) lease: Duration,
    /// The claim that ended its latest attempt, how, and where that led.
    pub(crate) last: Option<(u64, std::mem::Discriminant<longshore_core::Outcome>, State)>,
    pub(crate) result_expires_at: Option<Timestamp>,
}

#[derive(Default)]
pub(crate) struct Queue {
    pub(crate) paused: bool,
    pub(crate) retention: Retention,
    pub(crate) counts: Counts,
    pub(crate) ready: BTreeSet<Spot>,
    pub(crate) limits: Vec<Limit>,
    pub(crate) ageing: Option<DurationText>,
    pub(crate) scan_interval: Option<DurationText>,
    pub(crate) lanes: Lanes,
}

impl Orders {
    pub(crate) fn wake(&mut self, wake: Wake) {
        if !self.wakes.contains(&wake) {
            self.wakes.push(wake);
        }
    }

    fn next(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// The one function that knows which orders a state stands in.
    fn set(&mut self, place: u64, entry: &Entry, enters: bool) {
        let job = &entry.job;
        if let Some(deadline) = job.deadline_at
            && matches!(job.state, State::Blocked | State::Scheduled | State::Ready)
        {
            set(&mut self.expiring, (deadline, place), enters);
            if enters {
                self.wake(Wake::Due);
            }
        }
        let Some(queue) = self.queues.get_mut(&job.spec.queue) else { return };
        let count = queue.counts.get(job.state);
        queue.counts.set(job.state, if enters { count + 1 } else { count - 1 });
        match job.state {
            State::Ready => {
                let spot = self.spot(entry, place);
                if enters {
                    self.join(entry, spot);
                    self.wake(Wake::Ready(job.spec.queue.clone()));
                } else {
                    self.leave(&job.spec.queue, spot);
                }
            }
            State::Scheduled => {
                set(&mut self.scheduled, (job.run_at.unwrap_or_default(), place), enters);
                if enters {
                    self.wake(Wake::Due);
                }
            }
            State::Running => {
                set(&mut self.leased, (entry.lease_until, place), enters);
                if !enters {
                    self.stop(&job.spec.queue, place);
                }
            }
            State::Completed | State::Failed | State::Cancelled => {
                set(&mut self.ended, (job.expires_at.unwrap_or(Timestamp::MAX), place), enters);
                if let Some(over) = entry.result_expires_at {
                    set(&mut self.results, (over, place), enters);
                }
            }
            State::Blocked => {}
        }
        if enters && !matches!(job.state, State::Ready | State::Running) {
            self.forget_lane(place);
        }
    }

    /// Where a ready job stands.
    pub(crate) fn spot(&self, entry: &Entry, place: u64) -> Spot {
        let ageing = self.queues.get(&entry.job.spec.queue).and_then(|queue| queue.ageing);
        (longshore_core::rank(&entry.job.spec, entry.job.created_at, ageing), entry.turn, place)
    }
}

impl Table {
    pub(crate) fn take_wakes(&mut self) -> Vec<Wake> {
        std::mem::take(&mut self.orders.wakes)
    }

    /// Puts a new job in its place.
    pub(crate) fn add(&mut self, spec: Arc<JobSpec>, now: Timestamp) -> u64 {
        let place = self.orders.next();
        if !self.orders.queues.contains_key(&spec.queue) {
            self.orders.queues.insert(spec.queue.clone(), Queue::default());
        }
        let mut job = Job::new(spec, now);
        if !job.spec.options.depends_on.is_empty() {
            // Until its parents were looked at.
            (job.state, job.run_at) = (State::Blocked, None);
        }
        self.by_id.insert(job.id().clone(), place);
        let entry = Entry {
            job,
            turn: place,
            nonce: 0,
            lease_until: Timestamp::ZERO,
            lease: Duration::ZERO,
            last: None,
            result_expires_at: None,
        };
        self.orders.set(place, &entry, true);
        self.jobs.insert(place, entry);
        place
    }

    /// Makes a move of the state table. `change` sets what else the move means, between leaving the old place in every
    /// order and entering the new one. Returns the state after, or none if the table does not allow the move.
    pub(crate) fn step(
        &mut self,
        place: u64,
        by_move: Move,
        now: Timestamp,
        change: impl FnOnce(&mut Entry, State),
    ) -> Option<State> {
        let entry = self.jobs.get_mut(&place)?;
        let to = life::allowed(entry.job.state, by_move)?.to?;
        self.orders.set(place, entry, false);
        entry.job.state = to;
        // A job that was given back keeps its turn; every other way to become ready leads to the end of the line.
        if to == State::Ready && !matches!(by_move, Move::HandBack | Move::Reclaim) {
            entry.turn = self.orders.next();
        }
        change(entry, to);
        if to.is_end() {
            entry.job.finished_at = Some(now);
            let spec = entry.job.spec.clone();
            self.give_back(place, &spec, false);
            if self.flows.mark(place, ParentEnd::Ended(to)) {
                self.orders.wake(Wake::Settle);
            }
            self.write_expiry(place, now);
        }
        if let Some(entry) = self.jobs.get(&place) {
            self.orders.set(place, entry, true);
        }
        Some(to)
    }

    /// Changes a job in place, in every order.
    pub(crate) fn change(&mut self, place: u64, change: impl FnOnce(&mut Entry)) {
        let Some(entry) = self.jobs.get_mut(&place) else { return };
        self.orders.set(place, entry, false);
        change(entry);
        self.orders.set(place, entry, true);
    }

    /// Takes a job out of every order, and its record away.
    pub(crate) fn remove(&mut self, place: u64) -> Option<Job> {
        let entry = self.jobs.remove(&place)?;
        self.orders.set(place, &entry, false);
        self.orders.forget_lane(place);
        if self.by_id.get(entry.job.id()) == Some(&place) {
            self.by_id.remove(entry.job.id());
        }
        self.give_back(place, &entry.job.spec, true);
        if self.flows.mark(place, ParentEnd::Removed) {
            self.orders.wake(Wake::Settle);
        }
        Some(entry.job)
    }

    /// Decides anew when an ended job goes.
    pub(crate) fn set_expiry(&mut self, place: u64, now: Timestamp) {
        let Some(entry) = self.jobs.get(&place).filter(|entry| entry.job.state.is_end()) else { return };
        self.orders.set(place, entry, false);
        self.write_expiry(place, now);
        if let Some(entry) = self.jobs.get(&place) {
            self.orders.set(place, entry, true);
        }
    }

    /// When record and result go: after their retention, but not before the children and the unique key allow it.
    fn write_expiry(&mut self, place: u64, now: Timestamp) {
        let Some(spec) = self.jobs.get(&place).map(|entry| entry.job.spec.clone()) else { return };
        let held_until = self.held_until(place, &spec).unwrap_or(Timestamp::ZERO);
        let needed = self.flows.has_children(place);
        let queue = self.orders.queues.get(&spec.queue).map(|queue| queue.retention).unwrap_or_default();
        let Some(entry) = self.jobs.get_mut(&place) else { return };
        let finished_at = entry.job.finished_at.unwrap_or(now);
        let stays = spec.options.retention.map_or(queue.of(entry.job.state), |own| own.0);
        entry.job.expires_at = (!needed).then(|| (finished_at + stays).max(held_until));
        entry.result_expires_at = spec
            .options
            .result_retention
            .filter(|_| !needed && entry.job.result.is_some())
            .map(|own| finished_at + own.0);
    }

    pub(crate) fn moved(&self, place: u64, from: State) -> Option<Moved> {
        let job = &self.jobs.get(&place)?.job;
        Some(Moved {
            spec: job.spec.clone(),
            from,
            state: job.state,
            reason: job.reason,
            attempt: job.attempt,
            created_at: job.created_at,
            started_at: job.started_at,
        })
    }

    pub(crate) fn info(&self, name: &QueueName) -> Option<QueueInfo> {
        let queue = self.orders.queues.get(name)?;
        let next = queue.ready.first().and_then(|(_, _, place)| self.jobs.get(place));
        Some(QueueInfo {
            name: name.clone(),
            paused: queue.paused,
            counts: queue.counts,
            oldest_ready_at: next.map(|entry| entry.job.created_at),
            retention: queue.retention,
            limits: queue.limits.clone(),
            ageing: queue.ageing,
            scan_interval: queue.scan_interval,
        })
    }
}

fn set<T: Ord>(order: &mut BTreeSet<T>, item: T, enters: bool) {
    if enters {
        order.insert(item);
    } else {
        order.remove(&item);
    }
}
