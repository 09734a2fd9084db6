use std::sync::Arc;
use std::time::Duration;

use longshore_clock::{Door, ManualClock};
use longshore_core::{
    EventName, Job as Record, JobId, JobSpec, Json, KindName, QueueName, State, Store, StoreResult,
};
use longshore_memory::MemoryStore;
use longshore_runtime::testing::TestKit;
use longshore_runtime::{
    Client, Control, Engine, Job, Keeper, KeeperConfig, Numbered, Queue, Stop, Subscription, Worker,
    WorkerConfig,
};
use longshore_sqlite::{SqliteConfig, SqliteStore, Synchronous};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub(crate) const HOUR: Duration = Duration::from_secs(3_600);

/// A kind of job for handlers that only care about being called.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) number: u32,
}

impl Job for Task {
    type Output = u32;
    const KIND: &'static str = "task";
}

pub(crate) fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

pub(crate) fn queue(name: &str) -> QueueName {
    QueueName::new(name).unwrap()
}

/// Waits for what has to come; how long it takes says nothing but that something is broken.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), what).await.expect("what was waited for does not come")
}

/// Lets all other tasks of a runtime with one thread go on until they wait.
pub(crate) async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

/// A store in one file of a folder; every handle is what another process would have.
pub(crate) fn file(dir: &TempDir, door: &Door) -> Arc<dyn Store> {
    let config =
        SqliteConfig { synchronous: Synchronous::Normal, ..SqliteConfig::new(dir.path().join("jobs.db")) };
    Arc::new(SqliteStore::open(&config, door).unwrap())
}

/// One engine, and short ways to use it.
pub(crate) struct Room {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) engine: Engine,
    pub(crate) client: Client,
    pub(crate) control: Control,
}

impl Room {
    pub(crate) fn on(store: Arc<dyn Store>, door: Door) -> Self {
        let engine = Engine::start(store.clone(), door);
        Self { store, client: engine.client(), control: engine.control(), engine }
    }

    /// In memory, on the machine's clock.
    pub(crate) fn new() -> Self {
        let door = Door::system();
        Self::on(Arc::new(MemoryStore::new(&door)), door)
    }

    /// In memory, on a clock that stands still.
    pub(crate) fn manual() -> (Self, ManualClock) {
        let (door, manual) = TestKit::door();
        (Self::on(Arc::new(MemoryStore::new(&door)), door), manual)
    }

    /// A worker on the queue `default` that keeps nothing.
    pub(crate) fn worker(&self) -> Worker {
        Worker::new(self.engine.clone()).config(calm()).queue(Queue::new("default"))
    }

    /// A job of a kind, with `null` for args.
    pub(crate) fn spec(&self, kind: &str) -> JobSpec {
        JobSpec::new(
            self.client.new_id(),
            QueueName::default(),
            KindName::new(kind).unwrap(),
            Json::default(),
        )
    }

    pub(crate) async fn insert(&self, spec: JobSpec) -> JobId {
        let id = spec.id.clone();
        self.client.insert(vec![Arc::new(spec)]).await.unwrap();
        id
    }

    pub(crate) async fn add(&self, kind: &str) -> JobId {
        self.insert(self.spec(kind)).await
    }

    /// A job of a kind with one try.
    pub(crate) async fn add_once(&self, kind: &str) -> JobId {
        let mut spec = self.spec(kind);
        Arc::make_mut(&mut spec.options).max_attempts = 1;
        self.insert(spec).await
    }

    pub(crate) async fn job(&self, id: &JobId) -> Record {
        self.control.job(id).await.unwrap()
    }

    /// The job as soon as it has ended.
    pub(crate) async fn ended(&self, id: &JobId) -> Record {
        // A store that fails seven times in a row is asked again after ten seconds.
        let waited = tokio::time::timeout(Duration::from_secs(60), self.control.wait(id, HOUR)).await;
        let job = match waited {
            Ok(job) => job.unwrap(),
            // What it is doing instead says more than that it does not end.
            Err(_) => self.job(id).await,
        };
        assert!(job.state.is_end(), "{job:?}");
        job
    }

    /// How many jobs of a queue are in a state.
    pub(crate) async fn count(&self, name: &str, state: State) -> u64 {
        self.control.queue(&queue(name)).await.unwrap().map_or(0, |info| info.counts.get(state))
    }
}

/// A worker at work.
pub(crate) struct Shift {
    pub(crate) stop: Stop,
    task: JoinHandle<StoreResult<()>>,
}

impl Shift {
    pub(crate) fn start(worker: Worker) -> Self {
        let stop = Stop::new();
        Self { task: tokio::spawn(worker.run_until(stop.clone())), stop }
    }

    /// Waits until the worker has stopped.
    pub(crate) async fn end(self) -> StoreResult<()> {
        soon(self.task).await.unwrap()
    }

    pub(crate) async fn drain(self) {
        self.stop.drain();
        self.end().await.unwrap();
    }

    /// What a crash leaves of it: nothing.
    pub(crate) async fn crash(self) {
        self.task.abort();
        assert!(soon(self.task).await.unwrap_err().is_cancelled());
    }
}

/// Keeps until the test is over.
pub(crate) fn keep(engine: &Engine, scan_interval: Duration) {
    let config = KeeperConfig { scan_interval, stalls_max: u32::MAX, renewed_within: millis(50) };
    tokio::spawn(Keeper::new(engine.clone(), config).run(Stop::new()));
}

/// No look that nobody asked for, and no keeper: tests that need one have their own.
pub(crate) fn calm() -> WorkerConfig {
    WorkerConfig { keeps: false, scan_interval: HOUR, ..WorkerConfig::default() }
}

/// Leases that run out soon.
pub(crate) fn short_lease() -> WorkerConfig {
    WorkerConfig { lease: millis(300), ..calm() }
}

/// Leases that run out while a test waits, but not because its machine stands still for a moment.
pub(crate) fn steady_lease() -> WorkerConfig {
    WorkerConfig { lease: millis(2_000), ..calm() }
}

/// The next event of this name.
pub(crate) async fn hear(events: &mut Subscription, name: EventName) -> Numbered {
    soon(async {
        loop {
            let told = events.next().await.expect("the engine is there");
            if told.event.event == name {
                return told;
            }
        }
    })
    .await
}

/// Tells when it is dropped.
pub(crate) struct Dropped(pub(crate) mpsc::UnboundedSender<()>);

impl Drop for Dropped {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

/// A handler that says when it has begun, never ends, and says when it is dropped.
pub(crate) struct Endless {
    begun: mpsc::UnboundedReceiver<()>,
    dropped: mpsc::UnboundedReceiver<()>,
    senders: (mpsc::UnboundedSender<()>, mpsc::UnboundedSender<()>),
}

impl Endless {
    pub(crate) fn new() -> Self {
        let ((begin, begun), (drop, dropped)) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
        Self { begun, dropped, senders: (begin, drop) }
    }

    pub(crate) fn handler(
        &self,
    ) -> impl Fn() -> std::pin::Pin<Box<dyn Future<Output = Result<(), longshore_runtime::Outcome>> + Send>>
    + Clone
    + Send
    + Sync
    + 'static {
        let (begin, drop) = self.senders.clone();
        move || {
            let (begin, guard) = (begin.clone(), Dropped(drop.clone()));
            Box::pin(async move {
                let _guard = guard;
                begin.send(()).unwrap();
                std::future::pending().await
            })
        }
    }

    pub(crate) async fn begun(&mut self) {
        soon(self.begun.recv()).await.unwrap();
    }

    pub(crate) async fn dropped(&mut self) {
        soon(self.dropped.recv()).await.unwrap();
    }

    /// Whether it was dropped already.
    pub(crate) fn is_dropped(&mut self) -> bool {
        self.dropped.try_recv().is_ok()
    }
}
