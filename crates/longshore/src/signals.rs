//! The operating system's requests to stop, as the two steps of a [`Stop`].

use std::time::Duration;

use anyhow::Context as _;
use longshore_clock::Clock;
use longshore_runtime::Stop;

/// A process that has not ended so long after it was cut is ended from here.
const CUT_WITHIN: Duration = Duration::from_secs(10);

/// The first SIGINT or SIGTERM drains, the second cuts. Heard on a thread of its own, because handlers may block all
/// others.
pub(crate) fn steer(stop: &Stop) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let stop = stop.clone();
    let (ready, listens) = std::sync::mpsc::channel();
    let listen = async move {
        let mut requests = Requests::listen();
        let _ = ready.send(());
        requests.next().await;
        stop.drain();
        tracing::info!("stopping: what runs may finish; a second signal stops at once");
        requests.next().await;
        stop.cut();
        tracing::warn!("stopping at once");
        Clock::system().sleep(CUT_WITHIN).await;
        tracing::error!(
            "handlers block every thread; the process ends without them, and their leases run out"
        );
        std::process::exit(1);
    };
    let thread = std::thread::Builder::new().name("signals".to_owned());
    thread.spawn(move || runtime.block_on(listen)).context("cannot start a thread")?;
    listens.recv().context("signals cannot be listened to")
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
