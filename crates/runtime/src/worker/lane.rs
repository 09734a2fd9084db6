use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use longshore_clock::{Stopwatch, Timestamp};
use longshore_core::limit::Pace;
use longshore_core::limiter::Tally;
use longshore_core::{Outcome as Fate, QueueName, Reason};

use super::others::OTHERS_WITHIN;
use super::{Desk, lock};
use crate::attempt::{self, Running};
use crate::observe::{QueueMeters, count};

/// How much work a lane may hold ahead of its slots, as time at its present pace.
const READ_AHEAD: Duration = Duration::from_millis(5);
/// Work that was read ahead and has not started after so long goes back.
const STALE: Duration = Duration::from_millis(50);
/// Jobs read ahead at most, whatever the pace.
const READ_AHEAD_MAX: f64 = 4_000.0;

/// One queue at one worker: its slots, and the jobs that wait in front of them.
pub(super) struct Lane {
    pub(super) queue: QueueName,
    slots: usize,
    /// What this worker alone may start, and what it remembers of it.
    pace: Pace,
    starts: Mutex<Tally>,
    line: Mutex<Line>,
    ended: AtomicU64,
    pub(super) meters: Arc<QueueMeters>,
}

#[derive(Default)]
struct Line {
    waiting: VecDeque<Arc<Running>>,
    /// Runners at work; each is one slot.
    runners: usize,
    /// When jobs were last put in line.
    filled_at: Timestamp,
}

/// What a lane can take.
pub(super) struct Room {
    /// Jobs that can start at once.
    pub(super) slots: usize,
    /// The same with what is read ahead.
    pub(super) limit: usize,
}

/// What only the turn loop knows of a lane.
pub(super) struct Tempo {
    /// The last claim found less than it wanted, and nobody has rung since.
    pub(super) dry: bool,
    /// It was dry because of a rate, which has room again then.
    pub(super) again_at: Option<Timestamp>,
    /// The queue has limits, so nothing is read ahead.
    pub(super) limited: bool,
    /// Attempts ended per second, smoothed.
    pace: f64,
    since: Stopwatch,
}

impl Tempo {
    pub(super) fn new() -> Self {
        Self { dry: false, again_at: None, limited: false, pace: 0.0, since: Stopwatch::start() }
    }
}

impl Lane {
    pub(super) fn new(queue: QueueName, slots: usize, pace: Pace, meters: Arc<QueueMeters>) -> Self {
        let (line, starts) = (Mutex::default(), Mutex::default());
        Self { queue, slots, pace, starts, line, ended: AtomicU64::new(0), meters }
    }

    /// How many jobs the worker's own rate lets start now, and when more.
    fn paced(&self, now: Timestamp) -> (usize, Option<Timestamp>) {
        match self.pace {
            Pace::Free => (usize::MAX, None),
            Pace::Never => (0, None),
            Pace::By(rule) => {
                let (room, wait) = rule.room(&lock(&self.starts), now);
                (room as usize, (room == 0).then(|| now + wait))
            }
        }
    }

    /// Counts jobs that were claimed to start at once.
    pub(super) fn count_starts(&self, jobs: usize, now: Timestamp) {
        if let Pace::By(rule) = self.pace {
            let mut starts = lock(&self.starts);
            for _ in 0..jobs {
                rule.take(&mut starts, 1, now);
            }
        }
    }

    /// What this lane can take now.
    pub(super) fn room(&self, tempo: &mut Tempo, now: Timestamp) -> Room {
        if tempo.dry {
            return Room { slots: 0, limit: 0 };
        }
        let (paced, again_at) = self.paced(now);
        if paced == 0 {
            (tempo.dry, tempo.again_at) = (true, again_at);
            return Room { slots: 0, limit: 0 };
        }
        let ahead = (tempo.pace * READ_AHEAD.as_secs_f64()).min(READ_AHEAD_MAX) as usize;
        let ahead = if tempo.limited || self.pace != Pace::Free { 0 } else { ahead };
        let line = lock(&self.line);
        let taken = line.runners + line.waiting.len();
        Room {
            slots: self.slots.saturating_sub(taken).min(paced),
            limit: (self.slots + ahead).saturating_sub(taken).min(paced),
        }
    }

    /// Takes note of what ended. Turns that follow on each other closely are measured together, because a handful of
    /// ends in a few microseconds says nothing about the next milliseconds.
    pub(super) fn measure(&self, tempo: &mut Tempo) {
        let elapsed = tempo.since.elapsed();
        if elapsed < READ_AHEAD / 5 {
            return;
        }
        let ended = self.ended.swap(0, Ordering::Relaxed) as f64;
        let weight = (elapsed.as_secs_f64() / READ_AHEAD.as_secs_f64()).min(1.0);
        tempo.since = Stopwatch::start();
        tempo.pace += (ended / elapsed.as_secs_f64() - tempo.pace) * weight;
    }

    /// Puts claimed jobs in line and sets runners to work on them.
    pub(super) fn fill(self: &Arc<Self>, desk: &Arc<Desk>, jobs: Vec<Arc<Running>>, now: Timestamp) {
        let new_runners = {
            let mut line = lock(&self.line);
            line.waiting.extend(jobs);
            line.filled_at = now;
            let new_runners = line.waiting.len().min(self.slots - line.runners.min(self.slots));
            line.runners += new_runners;
            new_runners
        };
        desk.active.fetch_add(new_runners as u64, Ordering::Relaxed);
        for _ in 0..new_runners {
            tokio::spawn(self.clone().serve(desk.clone()));
        }
    }

    /// One runner: takes jobs out of the line until it is empty.
    async fn serve(self: Arc<Self>, desk: Arc<Desk>) {
        while let Some(running) = self.next() {
            count(&self.meters.started);
            let mut fate = attempt::run(&running, &desk.handlers).await;
            if let Some(Fate::Snooze { until, reason: Some(Reason::UnknownKind) }) = &mut fate
                && desk.others.know(&desk.engine, &running.spec).await
            {
                *until = desk.engine.now() + OTHERS_WITHIN;
            }
            self.ended.fetch_add(1, Ordering::Relaxed);
            desk.ended(running, fate);
            // Handlers that never wait must not keep others off this thread.
            tokio::task::coop::consume_budget().await;
        }
        desk.active.fetch_sub(1, Ordering::Relaxed);
        desk.news.notify_one();
    }

    fn next(&self) -> Option<Arc<Running>> {
        let mut line = lock(&self.line);
        let next = line.waiting.pop_front();
        if next.is_none() {
            line.runners -= 1;
        }
        next
    }

    /// Whether jobs wait here.
    pub(super) fn has_waiting(&self) -> bool {
        !lock(&self.line).waiting.is_empty()
    }

    /// Takes out the jobs that wait.
    pub(super) fn take_waiting(&self) -> Vec<Arc<Running>> {
        lock(&self.line).waiting.drain(..).collect()
    }

    /// The same if they have waited too long.
    pub(super) fn take_stale(&self, now: Timestamp) -> Vec<Arc<Running>> {
        let filled_at = lock(&self.line).filled_at;
        if now.since(filled_at) > STALE { self.take_waiting() } else { Vec::new() }
    }
}
