//! Everything in one process: the HTTP server, a worker, the keeper, and what sweeps up behind them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use longshore_clock::Door;
use longshore_core::Store;
use longshore_pool::SharedCpuPool;
use longshore_runtime::{Engine, Handlers, Keeper, Stop};
use longshore_server::{Api, ApiConfig};
use longshore_services::sweep_every;
use longshore_telemetry::monitor::{EventLoopMonitor, EventLoopMonitorConfig};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use crate::config::Settings;
use crate::worker::Services;
use crate::{queues, retention};

/// Produced files that nobody can ask for any more are removed this often.
pub(crate) const SWEEP_EVERY: Duration = Duration::from_secs(600);

/// A running system.
pub(crate) struct System {
    pub(crate) engine: Engine,
    pub(crate) address: SocketAddr,
    store: Arc<dyn Store>,
    parts: JoinSet<anyhow::Result<()>>,
    serving: JoinHandle<anyhow::Result<()>>,
    stop: Stop,
    /// Stops the server, which is the last to go: while jobs end, whoever waits for them is still answered.
    closing: Stop,
}

/// What a system shall have besides the server and the keeper.
#[derive(Default)]
pub(crate) struct Wanted {
    /// A worker on the configured queues.
    pub(crate) worker: bool,
    /// The handlers for trying things out.
    pub(crate) test_kinds: bool,
    /// Handlers of the caller.
    pub(crate) handlers: Handlers,
}

/// Watches the runtime that everything here runs on; a line for every second would fill the log.
pub(crate) fn watch() -> anyhow::Result<Arc<EventLoopMonitor>> {
    let config = EventLoopMonitorConfig { log_metrics: false, ..EventLoopMonitorConfig::from_env()? };
    let monitor = EventLoopMonitor::new(config, tokio::runtime::Handle::current())?;
    monitor.start().context("cannot start a thread to watch the runtime")?;
    Ok(Arc::new(monitor))
}

impl System {
    /// Starts all parts. Connections are accepted when this returns.
    pub(crate) async fn start(settings: &Settings, wanted: Wanted, stop: Stop) -> anyhow::Result<Self> {
        // First of all, so that a system that cannot be reached touches no store.
        let listener = listen(settings.listen).await?;
        let address = listener.local_addr().context("the listener has no address")?;
        let door = Door::system();
        let mut kinds = Vec::new();
        if wanted.worker {
            kinds = Services::kinds(wanted.test_kinds);
            kinds.extend(wanted.handlers.kinds());
            settings.check_kinds(&kinds)?;
        }
        let services = Services::open(settings, &door)?;
        let url = &settings.store;
        let store =
            longshore::open_store(url, &door).with_context(|| format!("cannot open the store {url}"))?;
        let engine = Engine::start(store.clone(), door.clone());
        engine.parts().register("cpu", SharedCpuPool)?;
        queues::apply(&*store, &engine, settings).await?;
        let mut parts = JoinSet::new();
        if wanted.worker {
            let handlers = services.handlers(wanted.test_kinds);
            let worker = services
                .worker(
                    settings,
                    settings.worker(),
                    &engine,
                    &settings.worker_queues,
                    handlers,
                    std::convert::identity,
                )
                .handlers(wanted.handlers.clone());
            let stop = stop.clone();
            parts.spawn(async move { worker.run_until(stop).await.context("the worker") });
        } else {
            let keeper = Keeper::new(engine.clone(), settings.keeper()).run(stop.clone());
            parts.spawn(async move {
                keeper.await;
                Ok(())
            });
        }
        let kept = retention::apply(store.clone(), door.clock, settings.retention, stop.clone());
        let swept = sweep_every(services.files.clone(), engine.control(), SWEEP_EVERY, stop.clone());
        parts.spawn(async move {
            tokio::join!(kept, swept);
            Ok(())
        });
        let config = settings.api(address);
        mention_identity(&engine, &config, address).await;
        let api = Api::new(engine.clone(), Some(services.files), Some(services.pdf), &kinds, config);
        let api = api.watched_by(watch()?);
        let (closing, failed) = (Stop::new(), stop.clone());
        let serving = longshore_server::serve(listener, api.leaves_with(stop.clone()), closing.clone());
        let serving = tokio::spawn(async move {
            let served = serving.await.context("the HTTP server");
            failed.drain();
            served
        });
        Ok(Self { engine, address, store, parts, serving, stop, closing })
    }

    /// Where it can be reached.
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits until all parts have stopped. A part that fails stops the others.
    pub(crate) async fn wait(mut self) -> anyhow::Result<()> {
        let broken = |error| Err(anyhow!("a part of the system broke down: {error}"));
        let mut ended = Ok(());
        while let Some(part) = self.parts.join_next().await {
            let part = part.unwrap_or_else(broken);
            if part.is_err() {
                self.stop.drain();
                ended = ended.and(part);
            }
        }
        if self.stop.is_cut() {
            self.closing.cut();
        }
        self.closing.drain();
        tokio::select! {
            served = &mut self.serving => ended = ended.and(served.unwrap_or_else(broken)),
            () = self.stop.cutting() => self.closing.cut(),
        }
        let closed = self.store.close().await.context("closing the store");
        ended.and(closed)
    }
}

/// Says what an operator should know before the first request is refused, or is not.
async fn mention_identity(engine: &Engine, config: &ApiConfig, address: SocketAddr) {
    if !config.identity.is_on && !address.ip().is_loopback() {
        tracing::warn!(%address, "identity is off: whoever reaches this address may do everything");
    }
    if config.identity.is_on && engine.keys().list().await.is_ok_and(|keys| keys.is_empty()) {
        tracing::warn!(
            "identity is on and there is no API key yet; make one: longshore key create --owner NAME --scope admin"
        );
    }
}

/// Listens at an address; an error says what to do.
pub(crate) async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => anyhow!(
            "cannot listen on {address}: another program does. Stop it, or choose another address, such as --listen {}:0 for any free port",
            address.ip()
        ),
        _ => anyhow!("cannot listen on {address}: {error}. Choose another address with --listen"),
    })
}
