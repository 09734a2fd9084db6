//! The keeper: moves due, released, lost and old jobs. It sleeps until the next time that the store named, and is woken when
//! something earlier comes in.

use std::time::Duration;

use futures_util::StreamExt;
use longshore_clock::{Clock, Stopwatch};
use longshore_core::limits::{LEASE, SCAN_INTERVAL_MIN, STALLS_MAX, STEP_RECORDS_MAX};
use longshore_core::{Event, EventName, Kept, Moved, State, StoreResult, Timestamp, Wake};
use longshore_resilience::Retry;
use longshore_telemetry::performance;
use tokio::sync::watch;

use crate::engine::Engine;
use crate::schedule::Scheduler;
use crate::stop::Stop;

/// How the keeper keeps.
#[derive(Clone, Debug)]
pub struct KeeperConfig {
    /// Longest time between two scans that nobody asked for, at least 10 ms; five times as long where no ring can get lost, because no other process uses the store. Lost leases are
    /// looked for every few seconds all the same, because nobody rings when a worker dies.
    pub scan_interval: Duration,
    /// Lost leases after which a job fails instead of being tried again.
    pub stalls_max: u32,
    /// After an outage, a halt of this process or a change of the clock, leases are taken back only after this time, in
    /// which live workers renew theirs: a sixth of a lease, and a second.
    pub renewed_within: Duration,
}

impl Default for KeeperConfig {
    fn default() -> Self {
        Self {
            scan_interval: Duration::from_secs(1),
            stalls_max: STALLS_MAX,
            renewed_within: LEASE / 6 + Duration::from_secs(1),
        }
    }
}

/// The loops that move due, lost and old jobs. Any number of them may run on one store.
pub struct Keeper {
    engine: Engine,
    config: KeeperConfig,
}

#[derive(Clone, Copy)]
enum Duty {
    Promote,
    Expire,
    Settle,
    Sort,
    Reclaim,
    Prune,
}

impl Duty {
    /// What its steps are measured as.
    fn name(self) -> &'static str {
        match self {
            Self::Promote => "keeper.promote",
            Self::Expire => "keeper.expire",
            Self::Settle => "keeper.settle",
            Self::Sort => "keeper.sort",
            Self::Reclaim => "keeper.reclaim",
            Self::Prune => "keeper.prune",
        }
    }
}

/// A lease may end before all that was known at the last scan.
const RECLAIM_EVERY: Duration = Duration::from_secs(5);
/// A job whose time to live is over runs nowhere, so it may wait for its end.
const EXPIRE_EVERY: Duration = Duration::from_secs(30);
/// Nothing has to be sorted because of the time alone.
const SORT_EVERY: Duration = Duration::from_secs(300);
/// Old records are not urgent.
const PRUNE_EVERY: Duration = Duration::from_secs(60);
/// A log that is looked at to see whether the store answers again; nothing is ever in it.
const PROBE: &str = "probe";
/// What the clock and the scheduler may do without anybody noticing.
const UNNOTICED: Duration = Duration::from_secs(2);
/// Between two lost leases of one moment, and between two rounds of pruning.
const BREATH: Duration = Duration::from_millis(20);

/// Tells whether time went on as usual since the last scan for lost leases: nobody set the clock forward, this process
/// was not halted, and the store answered.
struct Calm {
    since: Stopwatch,
    offset: i64,
    is_over: bool,
}

impl Calm {
    fn new(clock: &Clock) -> Self {
        Self { since: clock.stopwatch(), offset: clock.offset(), is_over: false }
    }

    fn was_kept(&self, clock: &Clock) -> bool {
        let set_by = clock.offset().saturating_sub(self.offset);
        !self.is_over
            && self.since.elapsed() <= RECLAIM_EVERY + UNNOTICED
            && set_by <= UNNOTICED.as_millis() as i64
    }
}

impl Keeper {
    /// For one engine.
    pub fn new(engine: Engine, config: KeeperConfig) -> Self {
        Self { engine, config }
    }

    /// Keeps until asked to stop.
    pub async fn run(self, stop: Stop) {
        let (due, dues) = watch::channel(0_u64);
        let (settle, settles) = watch::channel(0_u64);
        let (sort, sorts) = watch::channel(0_u64);
        // Listens before the first look, so that nothing falls between the two.
        let mut wakes = self.engine.store().wakeups();
        let listen = async {
            while let Some(wake) = wakes.next().await {
                if matches!(wake, Wake::Due | Wake::Missed) {
                    due.send_modify(|count| *count += 1);
                }
                if matches!(wake, Wake::Settle | Wake::Missed) {
                    settle.send_modify(|count| *count += 1);
                }
                if matches!(wake, Wake::Sort | Wake::Missed) {
                    sort.send_modify(|count| *count += 1);
                }
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = stop.draining() => {}
            () = listen => {}
            () = Scheduler::new(self.engine.clone()).run() => {}
            () = Box::pin(self.engine.sample_on(true)) => {}
            () = self.duty(Duty::Promote, Some(dues.clone())) => {}
            () = self.duty(Duty::Expire, Some(dues)) => {}
            () = self.duty(Duty::Settle, Some(settles)) => {}
            () = self.duty(Duty::Sort, Some(sorts)) => {}
            () = self.duty(Duty::Reclaim, None) => {}
            () = self.duty(Duty::Prune, None) => {}
        }
    }

    /// Longest time between two steps of a duty that nobody asked for.
    fn pause(&self, duty: Duty) -> Duration {
        let scan = self.engine.unprompted(self.config.scan_interval.max(SCAN_INTERVAL_MIN));
        match duty {
            Duty::Promote => scan,
            // Nothing is settled because of the time alone, so where no ring gets lost this is the net below the net.
            Duty::Settle => self.engine.unprompted(scan),
            Duty::Expire => EXPIRE_EVERY,
            Duty::Reclaim => scan.min(RECLAIM_EVERY),
            Duty::Sort => SORT_EVERY,
            Duty::Prune => PRUNE_EVERY,
        }
    }

    async fn duty(&self, duty: Duty, mut rings: Option<watch::Receiver<u64>>) {
        let clock = &self.engine.door().clock;
        let breath = if matches!(duty, Duty::Reclaim | Duty::Prune) { BREATH } else { Duration::ZERO };
        let mut reconnect = Retry::reconnect(self.engine.door().clone());
        let mut calm = Calm::new(clock);
        loop {
            if matches!(duty, Duty::Reclaim) && !calm.was_kept(clock) {
                // Workers that were cut off as well renew their leases first, and keep their jobs.
                clock.sleep(self.config.renewed_within).await;
                calm = Calm::new(clock);
                continue;
            }
            // Many steps without a wait in between must not keep the other duties waiting.
            tokio::task::coop::consume_budget().await;
            if let Some(rings) = &mut rings {
                rings.mark_unchanged();
            }
            let kept = match self.step(duty).await {
                Ok(kept) => kept,
                Err(error) => {
                    if reconnect.failures() == 0 {
                        tracing::warn!(%error, "the keeper cannot reach the store and goes on trying");
                    }
                    reconnect.wait().await;
                    while self.engine.store().log_end(PROBE).await.is_err() {
                        reconnect.wait().await;
                    }
                    calm.is_over = true;
                    continue;
                }
            };
            reconnect = Retry::reconnect(self.engine.door().clone());
            calm = Calm::new(clock);
            if matches!(duty, Duty::Prune) && kept.removed >= STEP_RECORDS_MAX {
                continue;
            }
            let rung = async {
                match &mut rings {
                    None => std::future::pending().await,
                    Some(rings) => drop(rings.changed().await),
                }
            };
            tokio::select! {
                () = clock.sleep_until(kept.next.unwrap_or(Timestamp::MAX).max(clock.now() + breath)) => {}
                () = clock.sleep(self.pause(duty)) => {}
                () = rung => {}
            }
        }
    }

    async fn step(&self, duty: Duty) -> StoreResult<Kept> {
        let (store, now) = (self.engine.store(), self.engine.now());
        let _timed = performance::record(duty.name());
        let kept = match duty {
            Duty::Promote => store.promote(STEP_RECORDS_MAX, now).await?,
            Duty::Expire => store.expire(STEP_RECORDS_MAX, now).await?,
            Duty::Settle => store.settle(STEP_RECORDS_MAX, now).await?,
            Duty::Sort => store.sort(STEP_RECORDS_MAX, now).await?,
            Duty::Reclaim => store.reclaim(STEP_RECORDS_MAX, self.config.stalls_max, now).await?,
            Duty::Prune => store.prune(STEP_RECORDS_MAX, now).await?,
        };
        self.tell(duty, &kept, now);
        Ok(kept)
    }

    fn tell(&self, duty: Duty, kept: &Kept, now: Timestamp) {
        for moved in &kept.moved {
            if matches!(duty, Duty::Reclaim) {
                tracing::warn!(job = %moved.spec.id, queue = %moved.spec.queue, state = %moved.state, "took back a lost lease");
            }
            if moved.state.is_end() {
                self.engine.meters().queue(&moved.spec.queue).ended(moved.state, now.since(moved.created_at));
            }
            if self.engine.hub().is_heard() {
                self.engine.hub().tell(event(duty, moved, now));
            }
        }
    }
}

fn event(duty: Duty, moved: &Moved, now: Timestamp) -> Event {
    let name = match (duty, moved.state) {
        (Duty::Expire, _) => EventName::Expired,
        (_, State::Failed) => EventName::Failed,
        (_, State::Cancelled) => EventName::Cancelled,
        (_, State::Scheduled) => EventName::Delayed,
        (Duty::Reclaim, _) => EventName::Stalled,
        _ => EventName::Ready,
    };
    let finished_at = moved.state.is_end().then_some(now);
    let event = Event::of_job(name, now, &moved.spec, moved.state, moved.attempt, moved.created_at);
    let queue_name = (name == EventName::Stalled).then(|| moved.spec.queue.clone());
    Event {
        reason: moved.reason,
        from: Some(moved.from),
        queue_name,
        ..event.times(moved.started_at, finished_at)
    }
}

/// One round of every duty, for tests on a manual clock.
pub(crate) async fn round(engine: &Engine) -> StoreResult<usize> {
    let keeper = Keeper::new(engine.clone(), KeeperConfig::default());
    let mut moved = Scheduler::new(engine.clone()).once().await?;
    for duty in [Duty::Settle, Duty::Expire, Duty::Promote, Duty::Sort, Duty::Reclaim, Duty::Prune] {
        moved += keeper.step(duty).await?.moved.len();
    }
    Ok(moved)
}
