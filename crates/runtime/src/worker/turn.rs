//! The turn loop: the only place where a worker claims and finishes.
//!
//! One turn is in flight at a time. It carries everything that ended since the last one and asks for what the lanes can
//! take, so batches size themselves by how long a turn takes.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use longshore_clock::Deadline;
use longshore_core::{
    Claim, Claims, End, Ended, EventName, LaneWant, Outcome as Fate, QueueInfo, QueueName, Reason, State,
    StoreError, Timestamp, Turned, Wake, limit::Pace, limits::INSERT_JOBS_MAX,
};
use longshore_resilience::Retry;

use super::lane::{Lane, Tempo};
use super::{Desk, Served, lock};
use crate::attempt::Running;
use crate::observe::count;
use crate::signal::Interrupt;
use crate::stop::Stop;

/// How often lanes with waiting jobs are looked at, to hand back what waits too long.
const HAND_BACK_EVERY: Duration = Duration::from_millis(50);
/// How long handlers that were told to go are waited for on top of their grace.
const LET_GO: Duration = Duration::from_secs(1);
/// How long the last ends are offered to a store that does not answer, once the worker is cut or out of time.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// What the listener heard since the turn loop last looked.
#[derive(Default)]
struct Heard {
    ready: HashSet<QueueName>,
    paused: HashSet<QueueName>,
    missed: bool,
}

struct Turns<'a> {
    desk: &'a Arc<Desk>,
    stop: &'a Stop,
    lanes: HashMap<QueueName, (Arc<Lane>, Tempo)>,
    heard: &'a Mutex<Heard>,
    scan_at: Deadline,
}

pub(super) async fn run(desk: &Arc<Desk>, stop: &Stop) -> Result<(), StoreError> {
    let heard = Mutex::new(Heard { missed: true, ..Heard::default() });
    // Listens before the first look, so that nothing falls between the two.
    let mut wakes = desk.engine.store().wakeups();
    let listen = async {
        while let Some(wake) = wakes.next().await {
            let mut heard = lock(&heard);
            match wake {
                Wake::Ready(queue) => drop(heard.ready.insert(queue)),
                Wake::Paused(queue) => drop(heard.paused.insert(queue)),
                Wake::Missed => heard.missed = true,
                _ => continue,
            }
            drop(heard);
            desk.news.notify_one();
        }
        std::future::pending::<()>().await;
    };
    let turns = Turns { desk, stop, lanes: HashMap::new(), heard: &heard, scan_at: Deadline::NEVER };
    tokio::select! {
        ended = turns.run() => ended,
        () = listen => Ok(()),
    }
}

impl Turns<'_> {
    async fn run(mut self) -> Result<(), StoreError> {
        while !self.stop.is_draining() {
            self.listen().await;
            self.ask_again();
            self.hand_back_stale();
            if !self.turn(true).await? {
                self.wait().await;
            }
        }
        self.wind_down().await
    }

    /// Takes note of what was heard, and opens lanes for queues that are new.
    async fn listen(&mut self) {
        let Heard { ready, paused, missed } = std::mem::take(&mut *lock(self.heard));
        let stop = self.stop;
        if missed || self.scan_at.is_over() {
            self.scan_in(self.desk.config.scan_interval);
            tokio::select! {
                () = self.look_at_all() => {}
                () = stop.draining() => {}
            }
        }
        for queue in ready {
            self.wake(queue);
        }
        let paused = paused.iter().filter_map(|queue| self.lanes.get(queue));
        paused.for_each(|(lane, _)| self.hand_back(lane.take_waiting()));
    }

    /// Looks again after an interval.
    fn scan_in(&mut self, interval: Duration) {
        self.scan_at = self.desk.engine.door().clock.after(self.desk.engine.unprompted(interval));
    }

    async fn look_at_all(&mut self) {
        let mut queues = self.desk.named.clone();
        match self.desk.engine.store().queues().await {
            Ok(infos) => {
                let served =
                    |info: &QueueInfo| self.desk.served == Served::All || queues.contains(&info.name);
                let infos: Vec<QueueInfo> = infos.into_iter().filter(served).collect();
                // The shortest interval that one of them wants is that of the worker.
                let wanted =
                    infos.iter().filter_map(|info| info.scan_interval).map(|interval| interval.0).min();
                if let Some(interval) = wanted.filter(|interval| *interval < self.desk.config.scan_interval) {
                    self.scan_in(interval);
                }
                queues.extend(infos.into_iter().map(|info| info.name));
            }
            Err(error) => tracing::debug!(%error, "could not look for new queues"),
        }
        for queue in queues {
            self.wake(queue);
        }
    }

    fn wake(&mut self, queue: QueueName) {
        if let Some((_, tempo)) = self.lanes.get_mut(&queue) {
            (tempo.dry, tempo.again_at) = (false, None);
            return;
        }
        if self.desk.served == Served::All || self.desk.named.contains(&queue) {
            let slots = self.desk.slots.get(&queue).copied().unwrap_or(self.desk.config.concurrency);
            let meters = self.desk.engine.meters().queue(&queue);
            let pace = self.desk.paces.get(&queue).copied().unwrap_or(Pace::Free);
            self.lanes.insert(queue.clone(), (Arc::new(Lane::new(queue, slots, pace, meters)), Tempo::new()));
        }
    }

    /// Opens lanes whose rates have room again.
    fn ask_again(&mut self) {
        let now = self.desk.engine.now();
        for (_, tempo) in self.lanes.values_mut() {
            if tempo.again_at.is_some_and(|at| at <= now) {
                (tempo.dry, tempo.again_at) = (false, None);
            }
        }
    }

    /// Returns the jobs that wait too long in front of their slots.
    fn hand_back_stale(&self) {
        let now = self.desk.engine.now();
        self.lanes.values().for_each(|(lane, _)| self.hand_back(lane.take_stale(now)));
    }

    /// Returns jobs that have not started, without spending their attempt.
    fn hand_back(&self, waiting: Vec<Arc<Running>>) {
        for running in waiting {
            self.desk.ended(running, Some(Fate::HandBack));
        }
    }

    /// Waits until there may be something to do.
    async fn wait(&self) {
        let clock = &self.desk.engine.door().clock;
        let waiting = self.lanes.values().any(|(lane, _)| lane.has_waiting());
        let scan_at = self.scan_at.clone();
        let until = if waiting { scan_at.sooner(clock.after(HAND_BACK_EVERY)) } else { scan_at };
        let again_at = self.lanes.values().filter_map(|(_, tempo)| tempo.again_at).min();
        tokio::select! {
            () = self.desk.news.notified() => {}
            () = self.stop.draining() => {}
            () = until.wait() => {}
            () = clock.sleep_until(again_at.unwrap_or(Timestamp::MAX)) => {}
        }
    }

    /// One turn: finish what ended, claim what there is room for. Tells whether there was anything to do.
    async fn turn(&mut self, claims: bool) -> Result<bool, StoreError> {
        let ended = std::mem::take(&mut *lock(&self.desk.ends));
        let wants = if claims { self.wants() } else { Vec::new() };
        if ended.is_empty() && wants.is_empty() {
            return Ok(false);
        }
        let ends: Vec<End> =
            ended.iter().filter_map(|(running, fate)| Some(running.end(fate.clone()?))).collect();
        let cancels = self.desk.cancels.load(Ordering::SeqCst);
        // Until the store has the ends, their leases are kept alive: an outage must not cost what is done already.
        let (turned, at) = self.offer(Arc::new(ends), &wants).await?;
        {
            let mut held = lock(&self.desk.held);
            for (running, _) in &ended {
                held.remove(&running.token);
            }
        }
        for (lane, tempo) in self.lanes.values_mut() {
            lane.measure(tempo);
        }
        let told = ended.into_iter().filter_map(|(running, fate)| Some((running, fate?)));
        for ((running, fate), answer) in told.zip(turned.ended) {
            self.settle(&running, &fate, &answer, at);
        }
        self.hand_out(&wants, turned.claims, at);
        if self.desk.cancels.load(Ordering::SeqCst) != cancels {
            self.desk.recheck.store(true, Ordering::SeqCst);
            self.desk.pulse.notify_one();
        }
        Ok(true)
    }

    fn wants(&mut self) -> Vec<LaneWant> {
        let mut left = INSERT_JOBS_MAX;
        let mut wants = Vec::new();
        let now = self.desk.engine.now();
        for (lane, tempo) in self.lanes.values_mut() {
            let room = lane.room(tempo, now);
            let limit = room.limit.min(left);
            left -= limit;
            if limit > 0 {
                wants.push(LaneWant { queue: lane.queue.clone(), limit, slots: room.slots.min(limit) });
            }
        }
        wants
    }

    /// Offers the turn to the store until it takes it. Ends may be repeated; a claim whose answer was lost is taken
    /// back when its lease runs out. A worker that stops claims no more, and does not wait for a store for ever.
    /// Tells as well for which time it was taken.
    async fn offer(
        &self,
        ends: longshore_core::Ends,
        wants: &[LaneWant],
    ) -> Result<(Turned, Timestamp), StoreError> {
        let desk = self.desk;
        let offered = async {
            let mut reconnect = Retry::reconnect(desk.engine.door().clone());
            loop {
                let wants = if self.stop.is_draining() { &[] } else { wants };
                let now = desk.engine.now();
                if ends.is_empty() && wants.is_empty() {
                    return Ok((Turned { ended: Vec::new(), claims: Claims::default() }, now));
                }
                match self.offer_once(ends.clone(), wants, now).await {
                    Ok(turned) => return Ok((turned, now)),
                    Err(error @ (StoreError::Closed | StoreError::Invalid(_))) => return Err(error),
                    Err(error) if reconnect.failures() == 0 => {
                        tracing::warn!(worker = %desk.id, %error, "the store does not take the turn; trying again");
                    }
                    Err(_) => {}
                }
                tokio::select! {
                    () = reconnect.wait() => {}
                    () = self.stop.draining(), if !wants.is_empty() => {}
                }
            }
        };
        tokio::select! {
            turned = offered => turned,
            () = self.last_words() => {
                let text = "it did not take the last ends of this worker, whose leases run out by themselves";
                Err(StoreError::Unavailable(text.to_owned()))
            }
        }
    }

    /// Until a store that does not answer is given up.
    async fn last_words(&self) {
        let clock = &self.desk.engine.door().clock;
        let deadline = async {
            self.stop.draining().await;
            clock.sleep(self.desk.config.stop_deadline).await;
        };
        tokio::select! {
            () = self.stop.cutting() => {}
            () = deadline => {}
        }
        clock.sleep(LAST_WORDS).await;
    }

    async fn offer_once(
        &self,
        ends: longshore_core::Ends,
        wants: &[LaneWant],
        now: Timestamp,
    ) -> Result<Turned, StoreError> {
        let (desk, store) = (self.desk, self.desk.engine.store());
        if wants.is_empty() {
            let ended = store.finish(ends, now).await?;
            return Ok(Turned { ended, claims: Claims::default() });
        }
        let claim = Claim { worker: desk.id.clone(), lanes: wants.to_vec(), lease: desk.config.lease };
        store.turn(ends, claim, now).await
    }

    fn hand_out(&mut self, wants: &[LaneWant], claims: Claims, claimed_at: Timestamp) {
        let desk = self.desk;
        let now = desk.engine.now();
        let mut by_queue: HashMap<QueueName, Vec<Arc<Running>>> = HashMap::new();
        {
            let mut held = lock(&desk.held);
            for job in claims.jobs {
                let queue = job.spec.queue.clone();
                let running = Arc::new(Running::new(
                    job,
                    claimed_at,
                    desk.states.clone(),
                    desk.engine.hub(),
                    desk.engine.door(),
                    &desk.pulse,
                ));
                held.insert(running.token, running.clone());
                match by_queue.get_mut(&queue) {
                    Some(jobs) => jobs.push(running),
                    None => drop(by_queue.insert(queue, vec![running])),
                }
            }
        }
        for want in wants {
            let Some((lane, tempo)) = self.lanes.get_mut(&want.queue) else { continue };
            let jobs = by_queue.remove(&want.queue).unwrap_or_default();
            lane.count_starts(jobs.len(), now);
            tempo.limited = claims.limited.contains(&want.queue);
            tempo.dry = jobs.len() < if tempo.limited { want.slots } else { want.limit };
            tempo.again_at = claims.next.filter(|_| tempo.limited && tempo.dry);
            if !jobs.is_empty() {
                lane.fill(desk, jobs, now);
            }
        }
    }

    /// Counts and tells how an attempt ended, once the store has it.
    fn settle(&self, running: &Running, fate: &Fate, answer: &Ended, now: Timestamp) {
        let desk = self.desk;
        let Some((lane, _)) = self.lanes.get(&running.spec.queue) else { return };
        let meters = &lane.meters;
        let state = match answer {
            Ended::Moved(state) | Ended::Repeated(state) => *state,
            Ended::Refused(refusal) => {
                count(&meters.refused);
                tracing::warn!(job = %running.spec.id, ?refusal, "an end came too late; somebody else has the job");
                return;
            }
        };
        desk.finished.fetch_add(1, Ordering::Relaxed);
        if let Some(started_at) = running.started_at() {
            let waited_from = running.spec.run_at.unwrap_or(running.created_at).max(running.created_at);
            if running.number == 1 {
                meters.wait.record(started_at.since(waited_from));
            }
            let took = now.since(started_at);
            meters.run.record(took);
            let retried = if let Fate::Retry { reason, .. } = fate { Some(*reason) } else { None };
            desk.engine.meters().kind(&running.spec.kind).ran(took, state, retried);
        }
        let (meter, name) = match (state, fate) {
            (State::Completed, _) => (&meters.completed, EventName::Completed),
            (State::Failed, _) => (&meters.failed, EventName::Failed),
            (State::Cancelled, _) => (&meters.cancelled, EventName::Cancelled),
            (State::Scheduled, Fate::Retry { .. }) => (&meters.retried, EventName::Retrying),
            (State::Scheduled, _) => (&meters.returned, EventName::Delayed),
            _ => return count(&meters.returned),
        };
        count(meter);
        if state.is_end() {
            meters.duration.record(now.since(running.created_at));
        }
        if desk.engine.hub().is_heard() {
            let mut event = running
                .event(name, state, now)
                .times(running.recorded_start(), state.is_end().then_some(now));
            match fate {
                Fate::Retry { error, reason, .. } | Fate::Fail { error, reason } => {
                    event.reason = Some(*reason);
                    event.error = Some(error.message.clone());
                }
                Fate::Cancel { reason } => event.reason = Some(*reason),
                Fate::Snooze { reason, .. } => event.reason = *reason,
                Fate::Done { result } => event.result.clone_from(result),
                Fate::HandBack => {}
            }
            // An operator can cancel a job whose handler knows nothing of it.
            if state == State::Cancelled && !matches!(fate, Fate::Cancel { .. }) {
                (event.reason, event.error, event.result) = (Some(Reason::ByOperator), None, None);
            }
            event.progress = (state == State::Completed).then_some(100);
            event.worker = Some(desk.id.as_str().into());
            desk.engine.hub().tell(event);
        }
    }

    /// Stops in two steps: lets attempts end, then asks them to, then lets go of them.
    async fn wind_down(mut self) -> Result<(), StoreError> {
        self.desk.stopping.store(true, Ordering::Relaxed);
        self.desk.retell.store(true, Ordering::SeqCst);
        self.desk.pulse.notify_one();
        self.lanes.values().for_each(|(lane, _)| self.hand_back(lane.take_waiting()));
        // Those that still wait for their guard have not begun.
        for running in lock(&self.desk.held).values().filter(|running| running.started_at().is_none()) {
            running.signal.raise(Interrupt::Stop);
        }
        let clock = &self.desk.engine.door().clock;
        let deadline = clock.after(self.desk.config.stop_deadline);
        let (mut asked, mut given_up) = (Interrupt::None, Deadline::NEVER);
        loop {
            self.turn(false).await?;
            if lock(&self.desk.held).is_empty() && lock(&self.desk.ends).is_empty() {
                return Ok(());
            }
            let ask = match asked {
                _ if self.stop.is_cut() => Interrupt::Cut,
                _ if deadline.is_over() => Interrupt::Stop,
                nothing => nothing,
            };
            if ask > asked {
                asked = ask;
                let held: Vec<Arc<Running>> = lock(&self.desk.held).values().cloned().collect();
                for running in &held {
                    running.signal.raise(ask);
                }
                let grace =
                    if ask == Interrupt::Cut { Duration::ZERO } else { self.desk.handlers.grace_max() };
                given_up = clock.after(grace + LET_GO);
            }
            if given_up.is_over() {
                // Handlers that block their threads hear nothing; their jobs go back all the same.
                let held: Vec<Arc<Running>> = lock(&self.desk.held).values().cloned().collect();
                self.hand_back(held);
                given_up = Deadline::NEVER;
                continue;
            }
            let until = if asked == Interrupt::None { deadline.clone() } else { given_up.clone() };
            tokio::select! {
                () = self.desk.news.notified() => {}
                () = self.stop.cutting(), if asked < Interrupt::Cut => {}
                () = until.wait() => {}
            }
        }
    }
}
