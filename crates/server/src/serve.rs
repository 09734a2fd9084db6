use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use longshore_runtime::Stop;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tower::ServiceExt;

use crate::app::{Api, probes, router};
use crate::identity::Peer;
use crate::patient::Patient;

/// Bytes of the head of a request.
const HEAD_BYTES_MAX: usize = 64 * 1_024;

/// Serves everything until `stop`: its first step lets open requests end, its second cuts them.
pub async fn serve(listener: TcpListener, api: Api, stop: Stop) -> io::Result<()> {
    let routes = router(api.clone(), stop.clone());
    answer(listener, &api, routes, stop).await
}

/// Serves health and metrics, and nothing else, until `stop`.
pub async fn serve_probes(listener: TcpListener, api: Api, stop: Stop) -> io::Result<()> {
    let routes = probes(api.clone(), stop.clone());
    answer(listener, &api, routes, stop).await
}

async fn answer(listener: TcpListener, api: &Api, routes: Router, stop: Stop) -> io::Result<()> {
    let (clock, patience) = (&api.system.door().clock, &api.patience);
    let places = Arc::new(Semaphore::new(api.config.connections_max.min(Semaphore::MAX_PERMITS)));
    let connections = GracefulShutdown::new();
    // Dropping them cuts the connections, also when this future is dropped.
    let mut tasks = JoinSet::new();
    let mut protocol = http1::Builder::new();
    protocol
        .timer(TokioTimer::new())
        .header_read_timeout(patience.head)
        .max_header_size(HEAD_BYTES_MAX)
        .max_buf_size(HEAD_BYTES_MAX);
    // A connection beyond the limit waits in the listener's line.
    let accept = async || {
        let place = places.clone().acquire_owned().await;
        listener.accept().await.map(|(socket, peer)| (socket, Peer(peer.ip()), place))
    };
    loop {
        let accepted = tokio::select! {
            accepted = accept() => accepted,
            Some(_) = tasks.join_next() => continue,
            () = stop.draining() => break,
        };
        let (socket, peer, place) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, most likely: those in use will be given back.
                tracing::warn!(%error, "could not accept a connection");
                clock.sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let _ = socket.set_nodelay(true);
        let routes = routes.clone().map_request(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            request
        });
        let service = TowerToHyperService::new(routes);
        let connection = connections.watch(
            protocol.serve_connection(TokioIo::new(Patient::new(socket, clock, patience.reader)), service),
        );
        let count = Counted::new(&api.connections);
        tasks.spawn(async move {
            let _open = (place, count);
            // A client that hangs up is not our error.
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
    drop(listener);
    tokio::select! {
        () = connections.shutdown() => {}
        () = stop.cutting() => {}
        () = clock.sleep(patience.last_requests) => {}
    }
    Ok(())
}

/// One of the connections that are open now.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(all: &Arc<AtomicUsize>) -> Self {
        all.fetch_add(1, Ordering::Relaxed);
        Self(all.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
