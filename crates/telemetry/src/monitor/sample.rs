use std::time::Duration;

use longshore_clock::Timestamp;
use serde::Serialize;
use tokio::runtime::Handle;

use super::EventLoopMonitorConfig;
use super::readings::{Readings, Worked};

/// Of a runtime that was shut down.
const GONE: &str = "CRITICAL: the runtime is gone";
/// Warnings that are kept.
const WARNINGS_MAX: usize = 20;

/// One look at a runtime.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LoopMonitorMetrics {
    /// When.
    pub timestamp: Timestamp,
    /// Tasks alive.
    pub task_count: usize,
    /// Tasks alive but one.
    pub backlog_size: usize,
    /// The largest lag since the look before, in milliseconds.
    pub loop_latency_ms: f64,
    /// Tasks that no thread has taken up yet.
    pub callback_queue_depth: usize,
    /// Whether the lag is below the warning threshold and the runtime is still there.
    pub is_healthy: bool,
    /// What is too much, in words.
    pub warning_messages: Vec<String>,
    /// The share of the time in which its threads were at work, from 0 to 1.
    pub busy_ratio: f64,
    /// How often its threads went to sleep.
    pub parks: u64,
    /// How long they worked from one sleep to the next, on average, in milliseconds; none if none slept.
    pub mean_busy_ms: Option<f64>,
}

/// All looks together.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LoopHealthMetrics {
    /// The largest lag, in milliseconds.
    pub max_lag_ms: f64,
    /// 95 of the last hundred were at most this; none if there was none.
    pub p95_lag_ms: Option<f64>,
    /// The largest backlog.
    pub peak_backlog: usize,
    /// Looks.
    pub samples: u64,
    /// The latest warnings, at most twenty.
    pub warnings: Vec<String>,
}

impl LoopHealthMetrics {
    pub(super) fn note(&mut self, sample: &LoopMonitorMetrics) {
        self.samples += 1;
        self.max_lag_ms = self.max_lag_ms.max(sample.loop_latency_ms);
        self.peak_backlog = self.peak_backlog.max(sample.backlog_size);
        self.warnings.extend(sample.warning_messages.iter().cloned());
        let old = self.warnings.len().saturating_sub(WARNINGS_MAX);
        self.warnings.drain(..old);
    }
}

pub(super) fn take(
    config: &EventLoopMonitorConfig,
    runtime: &Handle,
    before: &mut Worked,
    timestamp: Timestamp,
    readings: &mut Readings,
) -> LoopMonitorMetrics {
    let lag = readings.lag();
    let metrics = runtime.metrics();
    // One is the probe.
    let task_count = metrics.num_alive_tasks().saturating_sub(1);
    let backlog_size = task_count.saturating_sub(1);
    let loop_latency_ms = lag.as_secs_f64() * 1_000.0;
    let mut warning_messages = Vec::new();
    let is_gone = readings.is_gone();
    if is_gone {
        warning_messages.push(GONE.to_owned());
    } else if lag >= config.critical_threshold {
        warning_messages.push(format!(
            "CRITICAL: Event loop latency {loop_latency_ms:.3}ms exceeds critical threshold {}ms",
            config.critical_threshold.as_millis()
        ));
    } else if lag >= config.warning_threshold {
        warning_messages.push(format!(
            "WARNING: Event loop latency {loop_latency_ms:.3}ms exceeds warning threshold {}ms",
            config.warning_threshold.as_millis()
        ));
    }
    if backlog_size > config.max_task_backlog {
        warning_messages
            .push(format!("WARNING: Task backlog {backlog_size} exceeds max {}", config.max_task_backlog));
    }
    let now = readings.worked();
    let (busy, parks) = (now.busy.saturating_sub(before.busy), now.parks - before.parks);
    let time = now.at.saturating_sub(before.at).as_secs_f64() * metrics.num_workers() as f64;
    *before = now;
    LoopMonitorMetrics {
        timestamp,
        task_count,
        backlog_size,
        loop_latency_ms,
        callback_queue_depth: metrics.global_queue_depth(),
        is_healthy: !is_gone && lag < config.warning_threshold,
        warning_messages,
        busy_ratio: if time > 0.0 { (busy.as_secs_f64() / time).min(1.0) } else { 0.0 },
        parks,
        mean_busy_ms: (parks > 0).then(|| busy.as_secs_f64() * 1_000.0 / parks as f64),
    }
}

/// How bad a lag is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Alarm {
    #[default]
    None,
    Warning,
    Critical,
}

impl Alarm {
    fn of(lag_ms: f64, config: &EventLoopMonitorConfig) -> Self {
        let is_over = |threshold: Duration| lag_ms >= threshold.as_secs_f64() * 1e3;
        match () {
            () if is_over(config.critical_threshold) => Self::Critical,
            () if is_over(config.warning_threshold) => Self::Warning,
            () => Self::None,
        }
    }
}

impl LoopMonitorMetrics {
    /// A line for the sample, and one for each warning: that of a lag when it becomes worse, until it is low again.
    pub(super) fn log(&self, config: &EventLoopMonitorConfig, told: &mut Alarm) {
        let lag = (self.loop_latency_ms * 1_000.0).round() / 1_000.0;
        if config.log_metrics && config.structured_logging {
            tracing::info!(
                event = "loop_monitor_metrics",
                task_count = self.task_count,
                backlog_size = self.backlog_size,
                loop_latency_ms = lag,
                is_healthy = self.is_healthy,
                "the loop is {lag} ms late"
            );
        } else if config.log_metrics {
            tracing::info!("the loop is {lag} ms late, {} tasks", self.task_count);
        }
        let now = Alarm::of(self.loop_latency_ms, config);
        let is_worse = now > *told;
        for warning in &self.warning_messages {
            if is_worse || !warning.contains("latency") {
                tracing::warn!("{warning}");
            }
        }
        *told = if now == Alarm::None { now } else { now.max(*told) };
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, PoisonError};

    use super::*;

    #[test]
    fn a_lag_is_told_of_when_it_becomes_worse() {
        let config = EventLoopMonitorConfig::default();
        let alarms = [99.0, 100.0, 500.0].map(|lag| Alarm::of(lag, &config));
        assert_eq!(alarms, [Alarm::None, Alarm::Warning, Alarm::Critical]);
        assert!(alarms.is_sorted());
    }

    /// What is logged, as text.
    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(config: &EventLoopMonitorConfig, lag_ms: f64) -> String {
        let paper = Paper::default();
        let own = paper.clone();
        let lines =
            tracing_subscriber::fmt().with_writer(move || own.clone()).with_ansi(false).without_time();
        let sample = LoopMonitorMetrics {
            timestamp: Timestamp::ZERO,
            task_count: 3,
            backlog_size: 2,
            loop_latency_ms: lag_ms,
            callback_queue_depth: 0,
            is_healthy: true,
            warning_messages: Vec::new(),
            busy_ratio: 0.0,
            parks: 0,
            mean_busy_ms: None,
        };
        tracing::subscriber::with_default(lines.finish(), || sample.log(config, &mut Alarm::None));
        let bytes = paper.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    #[test]
    fn a_sample_is_logged_as_fields_or_in_words() {
        let config = EventLoopMonitorConfig::default();
        let line = logged(&config, 1.234_56);
        for field in
            ["event=\"loop_monitor_metrics\"", "task_count=3", "loop_latency_ms=1.235", "is_healthy=true"]
        {
            assert!(line.contains(field), "{line}");
        }
        let words = EventLoopMonitorConfig { structured_logging: false, ..config.clone() };
        let line = logged(&words, 1.0);
        assert!(line.ends_with("the loop is 1 ms late, 3 tasks\n") && !line.contains('='), "{line}");
        assert_eq!(logged(&EventLoopMonitorConfig { log_metrics: false, ..config }, 1.0), "");
    }
}
