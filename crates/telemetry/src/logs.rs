//! Where log lines go: standard error, as text or as one JSON object a line.

use tracing_subscriber::EnvFilter;

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs: timestamp, level, target, message and fields.
    Json,
}

/// Starts logging. `level` is one of error, warn, info, debug, trace, or a filter such as `info,longshore=debug`.
/// Does nothing if somebody has set up logging before.
pub fn start(format: Format, level: &str) -> Result<(), String> {
    let filter = EnvFilter::try_new(level).map_err(|error| error.to_string())?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // Whoever read the log may be gone; saying so where nobody reads would panic in the middle of whatever was logged.
        .log_internal_errors(false);
    let _ = match format {
        Format::Text => builder.try_init(),
        Format::Json => builder.json().flatten_event(true).try_init(),
    };
    Ok(())
}
