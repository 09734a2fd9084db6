//! The operating system's requests to stop, as the two steps of a [`Stop`].

use longshore_runtime::Stop;

/// The first SIGINT or SIGTERM drains, the second cuts.
pub(crate) fn steer(stop: &Stop) {
    let stop = stop.clone();
    tokio::spawn(async move {
        longshore::shutdown_signal().await;
        tracing::info!("stopping: what runs may finish; a second signal stops at once");
        stop.drain();
        longshore::shutdown_signal().await;
        tracing::warn!("stopping at once");
        stop.cut();
    });
}
