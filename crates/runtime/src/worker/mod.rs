//! A worker: claims jobs of its queues and runs them in slots.
//!
//! Three parts share the state below. The [`turn`] loop is the only one that claims and finishes; runners take jobs out
//! of the lanes and run them; the [`pulse`], on a thread of its own, renews leases and carries progress up and
//! cancellations down.

mod hooks;
mod lane;
mod others;
mod pulse;
mod queue;
mod turn;

pub use hooks::{HookContext, HookError};
pub use queue::{Queue, RateScope};

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use longshore_clock::Timestamp;
use longshore_core::{
    DurationText, Event, EventName, Invalid, LeaseToken, Limit, Outcome as Fate, QueueName, Rate, StoreError,
    WorkerId, WorkerInfo, format_duration,
    limit::Pace,
    limits::{
        CANCEL_GRACE, LEASE, LEASE_MIN, RESULT_BYTES_MAX, RESULT_BYTES_USUAL, SCAN_INTERVAL_MIN, STALLS_MAX,
        WORKER_JOBS_NAMED, WORKER_TTL, WORKER_TTL_MIN,
    },
};
use tokio::sync::Notify;

use crate::attempt::Running;
use crate::engine::Engine;
use crate::extract::{Attempt, States};
use crate::guard::KindGuard;
use crate::handler::{Handler, Handlers, KindOptions, Kinded};
use crate::keeper::{Keeper, KeeperConfig};
use crate::layer::{Next, Returned};
use crate::roster;
use crate::signal::Interrupt;
use crate::stop::Stop;
use hooks::Hooks;
use others::Others;

/// A store that hangs must not hold up the end of a worker.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);

/// How a worker works.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    /// Its name; none makes one from host, process and chance.
    pub id: Option<WorkerId>,
    /// Slots per queue, unless a queue says otherwise.
    pub concurrency: usize,
    /// How long a lease lasts without renewal; at least 100 ms.
    pub lease: Duration,
    /// How long running attempts may go on after the first step of a stop.
    pub stop_deadline: Duration,
    /// Longest time between two looks that nobody asked for; at least 10 ms.
    pub scan_interval: Duration,
    /// Whether the worker also keeps: makes due jobs ready, takes back lost leases, prunes. Some process on a store has
    /// to; any number of them may.
    pub keeps: bool,
    /// Lost leases after which a job fails instead of being tried again, if it keeps.
    pub stalls_max: u32,
    /// After so long without a word from it, it counts as gone; it tells of itself three times as often. At least 1 s.
    pub ttl: Duration,
    /// How long a handler that was told to stop may take to clean up before it is dropped, unless its kind says otherwise.
    pub cancel_grace: Duration,
    /// Largest result of a job, in bytes of JSON; not more than 8 MiB.
    pub result_bytes_max: usize,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self {
            id: None,
            concurrency: 10,
            lease: LEASE,
            stop_deadline: Duration::from_secs(30),
            scan_interval: Duration::from_secs(1),
            keeps: true,
            stalls_max: STALLS_MAX,
            ttl: WORKER_TTL,
            cancel_grace: CANCEL_GRACE,
            result_bytes_max: RESULT_BYTES_USUAL,
        }
    }
}

/// Which queues a worker serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Served {
    /// These.
    Named(Vec<QueueName>),
    /// Every queue there is, and those to come.
    All,
}

/// Builds a worker, then runs it.
pub struct Worker {
    engine: Engine,
    config: WorkerConfig,
    handlers: Handlers,
    states: States,
    queues: Vec<Queue>,
    hooks: Hooks,
    all: bool,
    mistakes: Vec<Invalid>,
}

impl Worker {
    /// A worker without queues and handlers.
    pub fn new(engine: Engine) -> Self {
        let config = WorkerConfig::default();
        Self {
            states: States::of(&engine),
            engine,
            config,
            handlers: Handlers::new(),
            queues: Vec::new(),
            hooks: Hooks::default(),
            all: false,
            mistakes: Vec::new(),
        }
    }

    /// With this configuration.
    #[must_use]
    pub fn config(mut self, config: WorkerConfig) -> Self {
        self.config = config;
        self
    }

    /// Gives all handlers a shared thing, which they take as `State<T>`.
    #[must_use]
    pub fn state<T: Send + Sync + 'static>(self, state: T) -> Self {
        self.shared_state(Arc::new(state))
    }

    /// The same for a thing that is shared already.
    #[must_use]
    pub fn shared_state<T: Send + Sync + 'static>(mut self, state: Arc<T>) -> Self {
        self.states.put(state);
        self
    }

    /// Serves this queue.
    #[must_use]
    pub fn queue(mut self, queue: Queue) -> Self {
        self.queues.push(queue);
        self
    }

    /// Serves every queue there is, and those to come. Queues that are named as well keep their own slots.
    #[must_use]
    pub fn all_queues(mut self) -> Self {
        self.all = true;
        self
    }

    /// Adds a handler whose first parameter is `Args<J>`; the kind is that of `J`.
    #[must_use]
    pub fn register<P: Kinded + 'static>(self, handler: impl Handler<P>) -> Self {
        self.handle(P::KIND, handler)
    }

    /// Adds the handler of a kind.
    #[must_use]
    pub fn handle<P: 'static>(mut self, kind: &str, handler: impl Handler<P>) -> Self {
        self.mistakes.extend(self.handlers.add(kind, handler).err());
        self
    }

    /// Adds the handler of a kind with options.
    #[must_use]
    pub fn handle_with<P: 'static>(
        mut self,
        kind: &str,
        options: KindOptions,
        handler: impl Handler<P>,
    ) -> Self {
        self.mistakes.extend(self.handlers.add_with(kind, options, handler).err());
        self
    }

    /// Puts a guard before the handler of a kind: a breaker, a rate, a bound, a budget for retries.
    #[must_use]
    pub fn guard(mut self, kind: &str, guard: KindGuard) -> Self {
        self.mistakes.extend(self.handlers.guard(kind, guard).err());
        self
    }

    /// Adds all handlers of a set.
    #[must_use]
    pub fn handlers(mut self, handlers: Handlers) -> Self {
        self.handlers.extend(handlers);
        self
    }

    /// Puts an async function around every handler, inside those that were put before.
    #[must_use]
    pub fn layer<F, Fut>(mut self, around: F) -> Self
    where
        F: Fn(Attempt, Next) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Returned> + Send + 'static,
    {
        self.handlers.layer(around);
        self
    }

    /// Calls this before the first claim; a failure ends the worker at once. Several are called in their order.
    #[must_use]
    pub fn on_startup<F, Fut>(mut self, hook: F) -> Self
    where
        F: Fn(HookContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), HookError>> + Send + 'static,
    {
        self.hooks.on_startup(hook);
        self
    }

    /// Calls this after the worker has left; failures are logged, and the rest is called all the same.
    #[must_use]
    pub fn on_shutdown<F, Fut>(mut self, hook: F) -> Self
    where
        F: Fn(HookContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), HookError>> + Send + 'static,
    {
        self.hooks.on_shutdown(hook);
        self
    }

    /// Runs until `shutdown` ends; then finishes what runs and hands back the rest.
    ///
    /// Fails only if the worker cannot start. A store that goes away later is waited for.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), StoreError> {
        let stop = Stop::new();
        let running = self.run_until(stop.clone());
        tokio::pin!(running);
        tokio::select! {
            ended = &mut running => return ended,
            () = shutdown => stop.drain(),
        }
        running.await
    }

    /// Runs until `stop` is taken: its first step drains, its second cuts.
    pub async fn run_until(mut self, stop: Stop) -> Result<(), StoreError> {
        let hooks = std::mem::take(&mut self.hooks);
        let desk = Arc::new(self.open()?);
        let context = desk.hook_context();
        hooks.start(&context).await?;
        let ended = Box::pin(Self::work(desk, stop)).await;
        hooks.stop(&context).await;
        ended
    }

    async fn work(desk: Arc<Desk>, stop: Stop) -> Result<(), StoreError> {
        let _held = Held(desk.clone());
        let store = desk.engine.store();
        for name in &desk.named {
            Box::pin(queue::introduce(&desk.engine, name)).await?;
        }
        for (name, rate) in &desk.rates {
            Box::pin(queue::set_rate(&desk.engine, name, *rate)).await?;
        }
        // A store that cannot be reached at the start is a mistake to tell, not something to wait for.
        let info = desk.info();
        let begin = async {
            // What was asked for before its breakers could open is not meant for them.
            pulse::follow_resets(&desk).await;
            roster::tell(&**store, &info, desk.engine.now()).await
        };
        tokio::select! {
            told = begin => told?,
            () = stop.draining() => return Ok(()),
        }
        desk.tell(EventName::WorkerUp);
        let pulse = pulse::start(desk.clone())?;
        let keeps = KeeperConfig {
            scan_interval: desk.config.scan_interval,
            renewed_within: desk.config.lease / 6 + Duration::from_secs(1),
            stalls_max: desk.config.stalls_max,
        };
        let keeper = desk.config.keeps.then(|| Keeper::new(desk.engine.clone(), keeps));
        let ended = tokio::select! {
            ended = turn::run(&desk, &stop) => ended,
            () = keep(keeper) => Ok(()),
            // A keeper does it by itself.
            () = Box::pin(desk.engine.sample_on(false)), if !desk.config.keeps => Ok(()),
        };
        drop(pulse);
        let clock = &desk.engine.door().clock;
        tokio::select! {
            _ = async { tokio::join!(roster::leave(&**store, &desk.id, clock.now()), desk.engine.sample(false)) } => {}
            // Its entry goes away by itself.
            () = clock.sleep(LEAVE_WITHIN) => {}
        }
        desk.tell(EventName::WorkerDown);
        ended
    }

    fn open(mut self) -> Result<Desk, StoreError> {
        if let Some(mistake) = self.mistakes.into_iter().next() {
            return Err(mistake.into());
        }
        let (mut slots, mut rates, mut paces) = (HashMap::new(), Vec::new(), HashMap::new());
        let mut own_rates = BTreeMap::new();
        let mut named = Vec::new();
        for queue in &self.queues {
            let name = QueueName::new(&queue.name)?;
            let count = queue.concurrency.unwrap_or(self.config.concurrency);
            if count == 0 {
                return Err(Invalid::new("concurrency", "at least 1 slot", count).into());
            }
            slots.insert(name.clone(), count);
            match queue.rate()? {
                Some((rate, RateScope::Queue)) => rates.push((name.clone(), rate)),
                Some((rate, RateScope::Worker)) => {
                    let own = queue::own_rate(rate);
                    paces.insert(name.clone(), own.pace());
                    own_rates.insert(name.clone(), own);
                }
                None => {}
            }
            named.push(name);
        }
        if self.all && self.config.concurrency == 0 {
            return Err(Invalid::new("concurrency", "at least 1 slot", 0).into());
        }
        if named.is_empty() && !self.all {
            return Err(Invalid::new("queues", "at least one queue to serve", "none").into());
        }
        for interval in self.queues.iter().filter_map(|queue| queue.scan_interval) {
            self.config.scan_interval = self.config.scan_interval.min(interval);
        }
        let least = [
            ("lease", self.config.lease, LEASE_MIN),
            ("scan_interval", self.config.scan_interval, SCAN_INTERVAL_MIN),
            ("worker_ttl", self.config.ttl, WORKER_TTL_MIN),
        ];
        for (field, got, least) in least {
            if got < least {
                let expected = format!("at least {}", format_duration(least));
                return Err(Invalid::new(field, expected, format_duration(got)).into());
            }
        }
        if self.config.result_bytes_max > RESULT_BYTES_MAX {
            let expected = format!("at most {RESULT_BYTES_MAX} bytes");
            return Err(Invalid::new("max_result_bytes", expected, self.config.result_bytes_max).into());
        }
        let id = match self.config.id.clone() {
            Some(id) => id,
            None => WorkerId::new(format!(
                "{}-{}-{:06x}",
                host(),
                std::process::id(),
                self.engine.door().chance.bits() & 0xff_ffff
            ))?,
        };
        self.handlers.arm(&self.engine)?;
        Ok(Desk {
            id,
            started_at: self.engine.now(),
            handlers: {
                self.handlers.are_limited_to(self.config.cancel_grace, self.config.result_bytes_max);
                self.handlers
            },
            states: Arc::new(self.states),
            served: if self.all { Served::All } else { Served::Named(named.clone()) },
            named,
            slots,
            rates,
            paces,
            own_rates,
            config: self.config,
            engine: self.engine,
            others: Others::default(),
            held: Mutex::default(),
            ends: Mutex::default(),
            news: Notify::new(),
            pulse: Arc::new(Notify::new()),
            cancels: AtomicU64::new(0),
            recheck: AtomicBool::new(false),
            finished: AtomicU64::new(0),
            told: Mutex::default(),
            active: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
            retell: AtomicBool::new(false),
        })
    }
}

/// What the parts of one worker share.
struct Desk {
    id: WorkerId,
    started_at: Timestamp,
    engine: Engine,
    config: WorkerConfig,
    handlers: Handlers,
    states: Arc<States>,
    served: Served,
    named: Vec<QueueName>,
    slots: HashMap<QueueName, usize>,
    /// Rates of queues that this worker sets for all, and those that it keeps for itself.
    rates: Vec<(QueueName, Rate)>,
    paces: HashMap<QueueName, Pace>,
    own_rates: BTreeMap<QueueName, Limit>,
    /// Who else works here, for jobs of kinds that this one does not know.
    others: Others,
    /// Every lease this worker holds, buffered or running.
    held: Mutex<HashMap<LeaseToken, Arc<Running>>>,
    /// Attempts that ended and wait for the next turn.
    ends: Mutex<Vec<(Arc<Running>, Option<Fate>)>>,
    /// Rung when the turn loop has something new to look at.
    news: Notify,
    /// Rung when the pulse has.
    pulse: Arc<Notify>,
    /// Rings of cancellations that the pulse has heard.
    cancels: AtomicU64,
    /// A cancellation may have come between a claim and its answer: every lease has to be looked at.
    recheck: AtomicBool,
    finished: AtomicU64,
    /// What it had finished when it last told of itself, and when that was.
    told: Mutex<Option<(u64, Timestamp)>>,
    active: AtomicU64,
    stopping: AtomicBool,
    /// Something is to be told of it that cannot wait for the next beat.
    retell: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Desk {
    fn hook_context(&self) -> HookContext {
        let queues = if self.served == Served::All { Vec::new() } else { self.named.clone() };
        HookContext { client: self.engine.client(), worker_id: self.id.clone(), queues }
    }

    fn info(&self) -> WorkerInfo {
        let running = self.active.load(Ordering::Relaxed) as u32;
        let seen_at = self.engine.now();
        let (mut running_jobs, mut buffered_jobs, mut leases) = (Vec::new(), Vec::new(), 0);
        for held in lock(&self.held).values() {
            leases += 1;
            let jobs = if held.started_at().is_some() { &mut running_jobs } else { &mut buffered_jobs };
            if jobs.len() < WORKER_JOBS_NAMED {
                jobs.push(held.spec.id.clone());
            }
        }
        let finished = self.finished.load(Ordering::Relaxed);
        let before = lock(&self.told).replace((finished, seen_at));
        let finished_per_second = before.and_then(|(before, at)| {
            let seconds = seen_at.since(at).as_secs_f64();
            (seconds > 0.0).then(|| (finished - before) as f64 / seconds)
        });
        WorkerInfo {
            id: self.id.clone(),
            host: host(),
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            queues: if self.served == Served::All { Vec::new() } else { self.named.clone() },
            kinds: self.handlers.kinds(),
            concurrency: self.config.concurrency as u32,
            slots: self
                .slots
                .iter()
                .filter(|(_, slots)| **slots != self.config.concurrency)
                .map(|(queue, slots)| (queue.clone(), *slots as u32))
                .collect(),
            own_rates: self.own_rates.clone(),
            running,
            buffered: u32::saturating_sub(leases, running),
            running_jobs,
            buffered_jobs,
            finished,
            finished_per_second,
            started_at: self.started_at,
            seen_at,
            stopping: self.stopping.load(Ordering::Relaxed),
            ttl: DurationText(self.config.ttl),
        }
    }

    fn tell(&self, name: EventName) {
        let event = Event { worker: Some(self.id.as_str().into()), ..Event::new(name, self.engine.now()) };
        self.engine.hub().tell(event);
    }

    /// Takes an end for the next turn; a second end of one attempt is none.
    fn ended(&self, running: Arc<Running>, fate: Option<Fate>) {
        if !running.take_end() {
            return;
        }
        let mut ends = lock(&self.ends);
        ends.push((running, fate));
        let first = ends.len() == 1;
        drop(ends);
        if first {
            self.news.notify_one();
        }
    }
}

/// What a worker holds. A worker that ends before it could hand everything back, because it was dropped or its store has
/// gone, must not leave handlers at work behind it.
struct Held(Arc<Desk>);

impl Drop for Held {
    fn drop(&mut self) {
        for running in lock(&self.0.held).values() {
            running.signal.raise(Interrupt::Lost);
        }
    }
}

/// Keeps until the worker is done; it goes on while the worker drains.
async fn keep(keeper: Option<Keeper>) {
    match keeper {
        Some(keeper) => keeper.run(Stop::new()).await,
        None => std::future::pending().await,
    }
}

/// The name of this machine.
fn host() -> String {
    let read =
        std::fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| std::env::var("HOSTNAME").ok());
    let name: String = read.unwrap_or_default().trim().chars().filter(|c| !c.is_control()).take(60).collect();
    if name.is_empty() { "host".to_owned() } else { name }
}
