//! Where log lines go: standard error, as text or as one JSON object a line.

use std::fmt;

use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs: timestamp, level, logger, module, message, fields and error.
    Json,
}

/// Starts logging, and with `traces` sends the spans of this process to a collector. `level` is one of error, warn, info, debug,
/// trace, or a filter such as `info,longshore=debug`. Does nothing if somebody has set up logging before.
#[cfg(feature = "otlp")]
pub fn start_with(format: Format, level: &str, traces: Option<&crate::traces::Traces>) -> Result<(), String> {
    use tracing_subscriber::filter::{FilterExt, FilterFn};
    use tracing_subscriber::layer::{Layer, SubscriberExt};
    use tracing_subscriber::util::SubscriberInitExt;

    let Some(traces) = traces else { return start(format, level) };
    let filter = EnvFilter::try_new(level).map_err(|error| error.to_string())?;
    // Spans for collectors would stand before every line.
    let filter = filter.and(FilterFn::new(|metadata| metadata.target() != crate::traces::TARGET));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .log_internal_errors(false);
    let lines = match format {
        Format::Text => lines.with_filter(filter).boxed(),
        Format::Json => lines.event_format(Lines).with_filter(filter).boxed(),
    };
    let _ = tracing_subscriber::registry().with(lines).with(traces.layer()).try_init();
    Ok(())
}

/// Starts logging. `level` is one of error, warn, info, debug, trace, or a filter such as `info,longshore=debug`.
/// Does nothing if somebody has set up logging before.
pub fn start(format: Format, level: &str) -> Result<(), String> {
    let filter = EnvFilter::try_new(level).map_err(|error| error.to_string())?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // Colours are for people who look at a terminal.
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        // Whoever read the log may be gone; saying so where nobody reads would panic in the middle of whatever was logged.
        .log_internal_errors(false);
    let _ = match format {
        Format::Text => builder.try_init(),
        Format::Json => builder.event_format(Lines).try_init(),
    };
    Ok(())
}

/// One JSON object a line.
struct Lines;

/// What an event says.
#[derive(Default)]
struct Said {
    message: String,
    error: Option<String>,
    fields: Map<String, Value>,
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.say(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.say(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.say(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.say(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.say(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.say(field, value.into());
    }
}

impl Said {
    fn say(&mut self, field: &Field, value: Value) {
        let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        match field.name() {
            "message" => self.message = text(value),
            "error" => self.error = Some(text(value)),
            name => drop(self.fields.insert(name.to_owned(), value)),
        }
    }
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let (mut said, mut timestamp) = (Said::default(), String::new());
        event.record(&mut said);
        SystemTime.format_time(&mut Writer::new(&mut timestamp))?;
        let about = event.metadata();
        let line = json!({
            "timestamp": timestamp, "level": about.level().as_str(), "logger": about.target(),
            "module": about.module_path(), "message": said.message, "fields": said.fields, "error": said.error,
        });
        writeln!(writer, "{line}")
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_for_programs_says_what_happened_where_and_why() {
        let paper = Paper::default();
        let writer = paper.clone();
        let subscriber =
            tracing_subscriber::fmt().event_format(Lines).with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(subscriber, || {
            let error = "disk full\nat write";
            tracing::warn!(queue = "mail", jobs = 3_u64, error, "could not {} it", "store");
        });
        let text = String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&line["level"], &line["message"]), (&json!("WARN"), &json!("could not store it")));
        assert_eq!(line["fields"], json!({ "queue": "mail", "jobs": 3 }));
        assert_eq!(line["error"], "disk full\nat write");
        assert_eq!(line["logger"], line["module"]);
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{text}");
    }
}
