//! The operating system's requests to stop, as the two steps of a [`Stop`].

use longshore_runtime::Stop;

/// The first SIGINT or SIGTERM drains, the second cuts.
pub(crate) fn steer(stop: &Stop) {
    let (stop, mut requests) = (stop.clone(), Requests::listen());
    tokio::spawn(async move {
        requests.next().await;
        tracing::info!("stopping: what runs may finish; a second signal stops at once");
        stop.drain();
        requests.next().await;
        tracing::warn!("stopping at once");
        stop.cut();
    });
}

/// Every request to stop, also those that come while nobody waits.
#[cfg(unix)]
struct Requests {
    interrupt: Option<tokio::signal::unix::Signal>,
    terminate: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Requests {
    fn listen() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind: SignalKind| {
            let listened = signal(kind);
            listened.inspect_err(|error| tracing::warn!(%error, "signals cannot be listened to")).ok()
        };
        Self { interrupt: listen(SignalKind::interrupt()), terminate: listen(SignalKind::terminate()) }
    }

    async fn next(&mut self) {
        use tokio::signal::unix::Signal;
        async fn one(signal: Option<&mut Signal>) {
            match signal {
                Some(signal) => drop(signal.recv().await),
                None => std::future::pending().await,
            }
        }
        tokio::select! {
            () = one(self.interrupt.as_mut()) => {}
            () = one(self.terminate.as_mut()) => {}
        }
    }
}

#[cfg(not(unix))]
struct Requests;

#[cfg(not(unix))]
impl Requests {
    fn listen() -> Self {
        Self
    }

    async fn next(&mut self) {
        longshore::shutdown_signal().await;
    }
}
