//! Limits, and the lanes that keep what they hold up out of the way.
//!
//! In a queue with keys, or with ageing, every ready job stands in the lane of all that counts it, its buckets. A lane is open, in the
//! order of its first job, or it waits for a bucket without room; so a claim looks only at jobs that may start, and at
//! each lane that has just filled up once.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use longshore_core::limit::{self, Bucket, HOLDERS_MAX, Hold, Pace};
use longshore_core::limiter::Tally;
use longshore_core::{
    Invalid, Job, JobId, JobSpec, KindInfo, KindName, Limit, Priority, QueueName, State, Timestamp, Wake,
};

use crate::table::{Entry, Orders, Queue, Table};

/// Where a ready job stands: rank, turn, place.
pub(crate) type Spot = (Priority, u64, u64);

/// A bucket of the whole store: that of a queue has its name beside it.
type Key = (Option<QueueName>, Bucket);
type LaneKey = Arc<[Key]>;

#[derive(Default)]
pub(crate) struct Limits {
    pub(crate) kinds: BTreeMap<KindName, Vec<Limit>>,
    /// The lanes of jobs that are ready in a queue with lanes, or run.
    lane_of: HashMap<u64, LaneKey>,
    counters: HashMap<Key, Counter>,
    /// Counters that have no room before a time.
    opening: BTreeSet<(Timestamp, Key)>,
}

#[derive(Default)]
struct Counter {
    running: u32,
    starts: Tally,
    opens_at: Option<Timestamp>,
    /// The lanes that wait for it, in each queue by their first jobs. No queue is here without a lane.
    waiting: BTreeMap<QueueName, BTreeSet<(Spot, LaneKey)>>,
}

impl Counter {
    fn wait(&mut self, name: &QueueName, spot: Spot, lane: LaneKey) {
        self.waiting.entry(name.clone()).or_default().insert((spot, lane));
    }

    fn wait_no_more(&mut self, name: &QueueName, spot: Spot, lane: &LaneKey) {
        if let Some(lanes) = self.waiting.get_mut(name) {
            lanes.remove(&(spot, lane.clone()));
            if lanes.is_empty() {
                self.waiting.remove(name);
            }
        }
    }
}

#[derive(Default)]
pub(crate) struct Lanes {
    by_key: HashMap<LaneKey, Lane>,
    open: BTreeSet<(Spot, LaneKey)>,
    /// Starts in the whole queue.
    starts: Tally,
}

#[derive(Default)]
struct Lane {
    line: BTreeSet<Spot>,
    waits_for: Option<Key>,
}

/// What the limit of a whole queue has room for.
pub(crate) struct Gate {
    pub(crate) room: usize,
    pub(crate) next: Option<Timestamp>,
}

impl Orders {
    fn has_lanes(&self, queue: &Queue) -> bool {
        let has_keys = queue.limits.iter().any(|limit| limit.key.is_some());
        has_keys || queue.ageing.is_some() || !self.limits.kinds.is_empty()
    }

    fn lane_key(&self, spec: &JobSpec) -> LaneKey {
        let of_queue = self.queues.get(&spec.queue).map_or(&[][..], |queue| &queue.limits);
        let of_kind = self.limits.kinds.get(&spec.kind).map_or(&[][..], Vec::as_slice);
        let whose = |bucket: &Bucket| bucket.kind.is_none().then(|| spec.queue.clone());
        limit::buckets(spec, of_queue, of_kind).into_iter().map(|bucket| (whose(&bucket), bucket)).collect()
    }

    /// The limit of a bucket, as it is now.
    fn limit_of(&self, (queue, bucket): &Key) -> Option<&Limit> {
        let limits = match (queue, &bucket.kind) {
            (Some(queue), _) => &self.queues.get(queue)?.limits,
            (None, Some(kind)) => self.limits.kinds.get(&KindName::new(kind).ok()?)?,
            (None, None) => return None,
        };
        limits.iter().find(|limit| limit.key.as_deref().unwrap_or_default() == bucket.path)
    }

    /// A job is ready: it joins the line of its queue, and its lane if there are lanes.
    pub(crate) fn join(&mut self, entry: &Entry, spot: Spot) {
        let spec = &entry.job.spec;
        let Some(queue) = self.queues.get(&spec.queue) else { return };
        let key = self.has_lanes(queue).then(|| self.lane_key(spec));
        let Some(queue) = self.queues.get_mut(&spec.queue) else { return };
        queue.ready.insert(spot);
        let Some(key) = key else { return };
        self.limits.lane_of.insert(spot.2, key.clone());
        let lane = queue.lanes.by_key.entry(key.clone()).or_default();
        let head = lane.line.first().copied();
        lane.line.insert(spot);
        if head.is_none_or(|head| spot < head) {
            if let Some(head) = head {
                match lane.waits_for.take() {
                    None => drop(queue.lanes.open.remove(&(head, key.clone()))),
                    Some(bucket) => {
                        if let Some(counter) = self.limits.counters.get_mut(&bucket) {
                            counter.wait_no_more(&spec.queue, head, &key);
                        }
                    }
                }
            }
            queue.lanes.open.insert((spot, key));
        }
    }

    /// A job is not ready any more, or stands aside because its time to live is over.
    pub(crate) fn leave(&mut self, name: &QueueName, spot: Spot) {
        let Some(queue) = self.queues.get_mut(name) else { return };
        queue.ready.remove(&spot);
        let Some(key) = self.limits.lane_of.get(&spot.2).cloned() else { return };
        let Some(lane) = queue.lanes.by_key.get_mut(&key) else { return };
        let was_first = lane.line.first() == Some(&spot);
        lane.line.remove(&spot);
        if !was_first {
            return;
        }
        let head = lane.line.first().copied();
        let waits_for = lane.waits_for.clone();
        if head.is_none() {
            queue.lanes.by_key.remove(&key);
        }
        if let Some(bucket) = waits_for {
            if let Some(counter) = self.limits.counters.get_mut(&bucket) {
                counter.wait_no_more(name, spot, &key);
                if let Some(head) = head {
                    counter.wait(name, head, key.clone());
                }
            }
            return;
        }
        queue.lanes.open.remove(&(spot, key.clone()));
        queue.lanes.open.extend(head.map(|head| (head, key.clone())));
        for bucket in key.iter() {
            self.offer(bucket);
        }
    }

    /// Opens the best of the lanes that wait for a bucket, in each queue, if it has room; tells whether it did. Who claims
    /// first takes the room: a queue that nobody claims from must not keep it from the others.
    fn offer(&mut self, key: &Key) -> bool {
        let limit = self.limit_of(key).cloned();
        let Some(counter) = self.limits.counters.get_mut(key) else { return false };
        let full =
            limit.as_ref().and_then(|limit| limit.concurrency).is_some_and(|most| counter.running >= most);
        let never = limit.is_some_and(|limit| limit.pace() == Pace::Never);
        if full || never || counter.opens_at.is_some() {
            return false;
        }
        let mut best = Vec::new();
        counter.waiting.retain(|name, lanes| {
            best.extend(lanes.pop_first().map(|(spot, lane)| (name.clone(), spot, lane)));
            !lanes.is_empty()
        });
        let any = !best.is_empty();
        for (name, spot, lane_key) in best {
            if let Some(queue) = self.queues.get_mut(&name)
                && let Some(lane) = queue.lanes.by_key.get_mut(&lane_key)
            {
                lane.waits_for = None;
                queue.lanes.open.insert((spot, lane_key));
            }
            self.wake(Wake::Ready(name));
        }
        any
    }

    /// The bucket that holds up a lane now.
    fn holds_up(&mut self, lane: &LaneKey, now: Timestamp) -> Option<Key> {
        for key in lane.iter() {
            let Some(limit) = self.limit_of(key).cloned() else { continue };
            let counter = self.limits.counters.entry(key.clone()).or_default();
            if limit.concurrency.is_some_and(|most| counter.running >= most) || limit.pace() == Pace::Never {
                return Some(key.clone());
            }
            if let Pace::By(rule) = limit.pace() {
                let (room, wait) = rule.room(&counter.starts, now);
                if room == 0 {
                    if let Some(before) = counter.opens_at.replace(now + wait) {
                        self.limits.opening.remove(&(before, key.clone()));
                    }
                    self.limits.opening.insert((now + wait, key.clone()));
                    return Some(key.clone());
                }
            }
        }
        None
    }

    /// Lets a lane wait for a bucket, and offers to others what it would have taken of its other buckets.
    fn close(&mut self, name: &QueueName, spot: Spot, lane_key: &LaneKey, bucket: &Key) {
        if let Some(queue) = self.queues.get_mut(name) {
            queue.lanes.open.remove(&(spot, lane_key.clone()));
            if let Some(lane) = queue.lanes.by_key.get_mut(lane_key) {
                lane.waits_for = Some(bucket.clone());
            }
        }
        let counter = self.limits.counters.entry(bucket.clone()).or_default();
        counter.wait(name, spot, lane_key.clone());
        for other in lane_key.iter().filter(|other| *other != bucket) {
            self.offer(other);
        }
    }

    /// Offers what has come with time.
    pub(crate) fn open_due(&mut self, now: Timestamp) {
        while let Some((at, key)) = self.limits.opening.first().cloned()
            && at <= now
        {
            self.limits.opening.pop_first();
            let pace = self.limit_of(&key).map_or(Pace::Free, Limit::pace);
            let Some(counter) = self.limits.counters.get_mut(&key) else { continue };
            counter.opens_at = None;
            let room = if let Pace::By(rule) = pace { rule.room(&counter.starts, now).0 } else { u32::MAX };
            (0..room).take_while(|_| self.offer(&key)).for_each(drop);
        }
    }

    /// What the whole queue has room for.
    pub(crate) fn gate(&self, name: &QueueName, now: Timestamp) -> Gate {
        let mut gate = Gate { room: usize::MAX, next: None };
        let Some(queue) = self.queues.get(name) else { return gate };
        let Some(limit) = queue.limits.iter().find(|limit| limit.key.is_none()) else { return gate };
        if let Some(most) = limit.concurrency {
            gate.room = (most as usize).saturating_sub(queue.counts.get(State::Running) as usize);
        }
        match limit.pace() {
            Pace::Free => {}
            Pace::Never => gate.room = 0,
            Pace::By(rule) => {
                let (room, wait) = rule.room(&queue.lanes.starts, now);
                gate.room = gate.room.min(room as usize);
                gate.next = Some(if room == 0 { now + wait } else { now });
            }
        }
        gate
    }

    /// When a rate next has room for a job of this queue.
    pub(crate) fn next_opening(&self, name: &QueueName) -> Option<Timestamp> {
        let waits = |key: &Key| {
            let counter = self.limits.counters.get(key);
            counter.is_some_and(|counter| counter.waiting.contains_key(name))
        };
        self.limits.opening.iter().find(|(_, key)| waits(key)).map(|(at, _)| *at)
    }

    /// Counts a start.
    pub(crate) fn start(&mut self, name: &QueueName, place: u64, now: Timestamp) {
        if let Some(queue) = self.queues.get_mut(name)
            && let Some(limit) = queue.limits.iter().find(|limit| limit.key.is_none())
            && let Pace::By(rule) = limit.pace()
        {
            rule.take(&mut queue.lanes.starts, 1, now);
        }
        for key in self.limits.lane_of.get(&place).cloned().iter().flat_map(|lane| lane.iter()) {
            let pace = self.limit_of(key).map_or(Pace::Free, Limit::pace);
            let counter = self.limits.counters.entry(key.clone()).or_default();
            counter.running += 1;
            if let Pace::By(rule) = pace {
                rule.take(&mut counter.starts, 1, now);
            }
        }
    }

    /// A job runs no more: its room is offered to others.
    pub(crate) fn stop(&mut self, name: &QueueName, place: u64) {
        let Some(queue) = self.queues.get(name) else { return };
        let gated = queue.limits.iter().any(|limit| limit.key.is_none() && limit.concurrency.is_some());
        if gated && !queue.ready.is_empty() {
            self.wake(Wake::Ready(name.clone()));
        }
        let Some(lane) = self.limits.lane_of.remove(&place) else { return };
        for key in lane.iter() {
            if let Some(counter) = self.limits.counters.get_mut(key) {
                counter.running = counter.running.saturating_sub(1);
            }
        }
        for key in lane.iter() {
            self.offer(key);
        }
    }

    /// A queue without jobs is forgotten.
    pub(crate) fn forget_counters(&mut self, name: &QueueName) {
        self.limits.counters.retain(|(queue, _), _| queue.as_ref() != Some(name));
        self.limits.opening.retain(|(_, (queue, _))| queue.as_ref() != Some(name));
    }

    /// The job has left, or is somewhere where no limit counts it.
    pub(crate) fn forget_lane(&mut self, place: u64) {
        self.limits.lane_of.remove(&place);
    }
}

impl Table {
    /// Refuses jobs without a value that their queue or kind counts by.
    pub(crate) fn check_keys(&self, jobs: &[Arc<JobSpec>]) -> Result<(), Invalid> {
        for (index, spec) in jobs.iter().enumerate() {
            let of_queue = self.orders.queues.get(&spec.queue).map_or(&[][..], |queue| &queue.limits);
            let of_kind = self.orders.limits.kinds.get(&spec.kind).map_or(&[][..], Vec::as_slice);
            limit::check_keys(spec, of_queue, of_kind)
                .map_err(|error| error.below(&format!("jobs[{index}]")))?;
        }
        Ok(())
    }

    /// The next job of a queue with lanes that may start.
    pub(crate) fn next_open(&mut self, name: &QueueName, now: Timestamp) -> Option<u64> {
        loop {
            let (spot, lane) = self.orders.queues.get(name)?.lanes.open.first().cloned()?;
            let deadline = self.jobs.get(&spot.2).and_then(|entry| entry.job.deadline_at);
            if deadline.is_some_and(|deadline| deadline <= now) {
                // The keeper ends it.
                self.orders.leave(name, spot);
                continue;
            }
            match self.orders.holds_up(&lane, now) {
                Some(bucket) => self.orders.close(name, spot, &lane, &bucket),
                None => return Some(spot.2),
            }
        }
    }

    pub(crate) fn has_lanes(&self, name: &QueueName) -> bool {
        self.orders.queues.get(name).is_some_and(|queue| self.orders.has_lanes(queue))
    }

    pub(crate) fn set_kind(&mut self, kind: KindName, limits: Vec<Limit>) {
        if limits.is_empty() {
            self.orders.limits.kinds.remove(&kind);
        } else {
            self.orders.limits.kinds.insert(kind, limits);
        }
        let names: Vec<QueueName> = self.orders.queues.keys().cloned().collect();
        for name in &names {
            self.line_up_anew(name);
        }
    }

    pub(crate) fn kinds(&self) -> Vec<KindInfo> {
        let info = |(name, limits): (&KindName, &Vec<Limit>)| KindInfo {
            name: name.clone(),
            limits: limits.clone(),
        };
        self.orders.limits.kinds.iter().map(info).collect()
    }

    /// Brings every job of a queue into the lane that it now belongs to, the running ones too.
    pub(crate) fn line_up_anew(&mut self, name: &QueueName) {
        let Some(queue) = self.orders.queues.get_mut(name) else { return };
        let ready: Vec<u64> =
            std::mem::take(&mut queue.ready).into_iter().map(|(_, _, place)| place).collect();
        let starts = std::mem::take(&mut queue.lanes).starts;
        queue.lanes.starts = starts;
        for counter in self.orders.limits.counters.values_mut() {
            counter.waiting.remove(name);
        }
        for place in ready {
            self.orders.forget_lane(place);
            if let Some(entry) = self.jobs.get(&place) {
                let spot = self.orders.spot(entry, place);
                self.orders.join(entry, spot);
            }
        }
        let running: Vec<u64> = self.orders.leased.iter().map(|(_, place)| *place).collect();
        for place in running {
            let Some(entry) = self.jobs.get(&place).filter(|entry| entry.job.spec.queue == *name) else {
                continue;
            };
            self.orders.stop(name, place);
            let Some(queue) = self.orders.queues.get(name) else { continue };
            if self.orders.has_lanes(queue) {
                let lane = self.orders.lane_key(&entry.job.spec);
                for key in lane.iter() {
                    self.orders.limits.counters.entry(key.clone()).or_default().running += 1;
                }
                self.orders.limits.lane_of.insert(place, lane);
            }
        }
        self.orders.wake(Wake::Ready(name.clone()));
    }

    /// What has no room for a ready job.
    pub(crate) fn holds(&self, id: &JobId, now: Timestamp) -> Vec<Hold> {
        let entry = self.by_id.get(id).and_then(|place| self.jobs.get(place));
        let Some(entry) = entry.filter(|entry| entry.job.state == State::Ready) else { return Vec::new() };
        let (orders, spec) = (&self.orders, &entry.job.spec);
        let Some(queue) = orders.queues.get(&spec.queue) else { return Vec::new() };
        let mut holds = Vec::new();
        if let Some(limit) = queue.limits.iter().find(|limit| limit.key.is_none()) {
            let running = queue.counts.get(State::Running) as u32;
            let hold = Hold::of(&limit::whole(), limit, running, &queue.lanes.starts, now);
            let by = |job: &Job, _: u64| job.spec.queue == spec.queue;
            holds.extend(hold.map(|hold| Hold { held_by: self.running(by), ..hold }));
        }
        for key in orders.lane_key(spec).iter() {
            let Some(limit) = orders.limit_of(key) else { continue };
            let idle = Counter::default();
            let counter = orders.limits.counters.get(key).unwrap_or(&idle);
            let hold = Hold::of(&key.1, limit, counter.running, &counter.starts, now);
            let by = |_: &Job, place: u64| {
                orders.limits.lane_of.get(&place).is_some_and(|lane| lane.contains(key))
            };
            holds.extend(hold.map(|hold| Hold { held_by: self.running(by), ..hold }));
        }
        holds
    }

    /// The first few running jobs for which something holds.
    fn running(&self, holds: impl Fn(&Job, u64) -> bool) -> Vec<JobId> {
        let running = self.orders.leased.iter().map(|(_, place)| *place).collect::<BTreeSet<_>>();
        let jobs = running.into_iter().filter_map(|place| Some((place, &self.jobs.get(&place)?.job)));
        jobs.filter(|(place, job)| holds(job, *place))
            .map(|(_, job)| job.id().clone())
            .take(HOLDERS_MAX)
            .collect()
    }

    /// Forgets counters that count nothing.
    pub(crate) fn prune_counters(&mut self, now: Timestamp) {
        let orders = &mut self.orders;
        let idle: Vec<Key> = orders
            .limits
            .counters
            .iter()
            .filter(|(key, counter)| {
                let pace = orders.limit_of(key).map_or(Pace::Free, Limit::pace);
                let full = match pace {
                    Pace::By(rule) => rule.room(&counter.starts, now).0 >= rule.burst(),
                    Pace::Free | Pace::Never => true,
                };
                counter.running == 0 && counter.waiting.is_empty() && counter.opens_at.is_none() && full
            })
            .map(|(key, _)| key.clone())
            .collect();
        for key in idle {
            orders.limits.counters.remove(&key);
        }
    }
}
