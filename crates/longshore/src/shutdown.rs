//! When the operating system asks this process to end.

/// Ends when the process is asked to stop: by SIGINT (Ctrl-C) or SIGTERM. To be handed to `Worker::run`.
///
/// If signals cannot be listened to, it never ends, and the default of the operating system applies.
pub async fn shutdown_signal() {
    if asked().await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(unix)]
async fn asked() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

#[cfg(not(unix))]
async fn asked() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}
