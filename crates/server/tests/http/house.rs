//! The whole system in a test: store, engine, worker, keeper, files, server. All of it ends with the test.

use std::sync::Arc;
use std::time::Duration;

use longshore_clock::Door;
use longshore_core::{EventName, Json, Store};
use longshore_memory::MemoryStore;
use longshore_runtime::{
    Args, Cancel, Engine, Handlers, Keeper, KeeperConfig, Outcome, Progress, State, Stop, Worker,
};
use longshore_server::{Api, ApiConfig, Patience};
use longshore_services::{Files, PdfConfig, PdfService};
use longshore_sqlite::{SqliteConfig, SqliteStore};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};

use crate::client::{Client, soon};

/// Where the templates of the project are.
const TEMPLATES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../templates");

/// What a test wants of its house.
pub(crate) struct Plan {
    pub(crate) config: ApiConfig,
    pub(crate) patience: Patience,
    pub(crate) worker: bool,
    pub(crate) pdf: bool,
    pub(crate) sqlite: bool,
}

/// Holds handlers until the test lets them go.
pub(crate) struct Gate {
    passes: Semaphore,
    arrived: Semaphore,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            config: ApiConfig::default(),
            patience: Patience::default(),
            worker: true,
            pdf: false,
            sqlite: false,
        }
    }
}

pub(crate) struct House {
    pub(crate) client: Client,
    pub(crate) engine: Engine,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) files: Option<Files>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) stop: Stop,
    pub(crate) serving: JoinHandle<std::io::Result<()>>,
    _parts: JoinSet<()>,
    _folder: TempDir,
}

impl Drop for House {
    fn drop(&mut self) {
        self.stop.cut();
    }
}

impl Gate {
    fn new() -> Self {
        Self { passes: Semaphore::new(0), arrived: Semaphore::new(0) }
    }

    /// Waits until a handler has come here.
    pub(crate) async fn arrived(&self) {
        soon(self.arrived.acquire()).await.unwrap().forget();
    }

    /// Lets one handler go on.
    pub(crate) fn pass(&self) {
        self.passes.add_permits(1);
    }

    async fn stand(&self) {
        self.arrived.add_permits(1);
        self.passes.acquire().await.unwrap().forget();
    }
}

async fn echo(Args(args): Args<Json>) -> Result<Json, Outcome> {
    Ok(args)
}

async fn nothing() -> Result<(), Outcome> {
    Ok(())
}

async fn fail() -> Result<(), Outcome> {
    Err(Outcome::fail("it failed, as it was asked to"))
}

async fn hold(gate: State<Gate>, cancel: Cancel) -> Result<&'static str, Outcome> {
    tokio::select! {
        () = gate.stand() => Ok("held"),
        () = cancel.cancelled() => Err(Outcome::cancel()),
    }
}

async fn steps(gate: State<Gate>, progress: Progress) -> Result<(), Outcome> {
    for percent in [10, 40, 80] {
        progress.at(percent, "on the way").await;
        gate.stand().await;
    }
    Ok(())
}

/// The handlers of all tests.
fn handlers() -> Handlers {
    let mut handlers = Handlers::new();
    handlers.add("test.echo", echo).unwrap();
    handlers.add("test.nothing", nothing).unwrap();
    handlers.add("test.fail", fail).unwrap();
    handlers.add("test.hold", hold).unwrap();
    handlers.add("test.steps", steps).unwrap();
    handlers
}

impl House {
    /// With a worker, on the store in memory.
    pub(crate) async fn open() -> Self {
        Self::build(Plan::default()).await
    }

    /// Where nothing runs, so that jobs stay as they were submitted.
    pub(crate) async fn asleep() -> Self {
        Self::build(Plan { worker: false, ..Plan::default() }).await
    }

    pub(crate) async fn build(plan: Plan) -> Self {
        let (folder, door) = (tempfile::tempdir().unwrap(), Door::system());
        let store: Arc<dyn Store> = if plan.sqlite {
            let config = SqliteConfig::new(folder.path().join("jobs.db"));
            Arc::new(SqliteStore::open(&config, &door).unwrap())
        } else {
            Arc::new(MemoryStore::new(&door))
        };
        let engine = Engine::start(store.clone(), door.clone());
        let (mut handlers, gate, stop) = (handlers(), Arc::new(Gate::new()), Stop::new());
        let (mut files, mut pdf) = (None, None);
        if plan.pdf {
            let root = folder.path().join("files");
            let kept = Files::open(root.to_str().unwrap(), door.clone()).unwrap();
            let config = PdfConfig { templates: TEMPLATES.into(), threads: 1, ..PdfConfig::default() };
            let service = PdfService::open(config, kept.clone(), door).unwrap();
            service.register(&mut handlers);
            (files, pdf) = (Some(kept), Some(service));
        }
        let kinds = handlers.kinds();
        let mut parts = JoinSet::new();
        let keeper = Keeper::new(engine.clone(), KeeperConfig::default());
        parts.spawn(keeper.run(stop.clone()));
        if plan.worker {
            work(&engine, handlers, &gate, &stop, &mut parts).await;
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = Client { address: listener.local_addr().unwrap() };
        let api = Api::new(engine.clone(), files.clone(), pdf, &kinds, plan.config).patience(plan.patience);
        let serving = tokio::spawn(longshore_server::serve(listener, api, stop.clone()));
        Self { client, engine, store, files, gate, stop, serving, _parts: parts, _folder: folder }
    }

    /// Jobs in the store, whatever their state.
    pub(crate) async fn jobs(&self) -> u64 {
        self.engine.control().queues().await.unwrap().iter().map(|queue| queue.counts.total()).sum()
    }

    /// The moment that lies so far ahead.
    pub(crate) fn ahead(&self, by: Duration) -> longshore_clock::Timestamp {
        self.engine.door().clock.now() + by
    }
}

/// A worker for every queue, at work when this returns.
async fn work(engine: &Engine, handlers: Handlers, gate: &Arc<Gate>, stop: &Stop, parts: &mut JoinSet<()>) {
    let mut events = engine.hub().subscribe();
    let worker = Worker::new(engine.clone()).all_queues().handlers(handlers).shared_state(gate.clone());
    let stop = stop.clone();
    parts.spawn(async move { worker.run_until(stop).await.unwrap() });
    while soon(events.next()).await.unwrap().event.event != EventName::WorkerUp {}
}
