use std::time::Duration;

use longshore_core::{Invalid, Variables};

const SAMPLE_MIN: Duration = Duration::from_millis(10);

/// How often the runtime is looked at, and what is too much.
#[derive(Clone, Debug)]
pub struct EventLoopMonitorConfig {
    /// From one sample to the next, at least 10 ms.
    pub sample_interval: Duration,
    /// A lag that is worth a warning.
    pub warning_threshold: Duration,
    /// A lag that is worse; at least the other one.
    pub critical_threshold: Duration,
    /// Tasks beside one that may be alive.
    pub max_task_backlog: usize,
    /// Write a line for every sample.
    pub log_metrics: bool,
    /// With its figures as fields of their own, which a log in JSON keeps as numbers; else in words alone.
    pub structured_logging: bool,
}

impl Default for EventLoopMonitorConfig {
    fn default() -> Self {
        Self {
            sample_interval: Duration::from_secs(1),
            warning_threshold: Duration::from_millis(100),
            critical_threshold: Duration::from_millis(500),
            max_task_backlog: 1_000,
            log_metrics: true,
            structured_logging: true,
        }
    }
}

const WARNING: &str = "LOOP_MONITOR_WARNING_THRESHOLD";
const CRITICAL: &str = "LOOP_MONITOR_CRITICAL_THRESHOLD";

impl EventLoopMonitorConfig {
    /// As usual, but for what the environment says: `LOOP_MONITOR_SAMPLE_INTERVAL` in seconds,
    /// `LOOP_MONITOR_WARNING_THRESHOLD` and `LOOP_MONITOR_CRITICAL_THRESHOLD` in milliseconds,
    /// `LOOP_MONITOR_MAX_TASK_BACKLOG`.
    pub fn from_env() -> Result<Self, Invalid> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    pub(super) fn from_variables(said: impl Fn(&str) -> Option<String>) -> Result<Self, Invalid> {
        let (said, usual) = (Variables(said), Self::default());
        let (second, milli) = (Duration::from_secs(1), Duration::from_millis(1));
        let config = Self {
            sample_interval: said.time("LOOP_MONITOR_SAMPLE_INTERVAL", second, usual.sample_interval)?,
            warning_threshold: said.time(WARNING, milli, usual.warning_threshold)?,
            critical_threshold: said.time(CRITICAL, milli, usual.critical_threshold)?,
            max_task_backlog: said.number("LOOP_MONITOR_MAX_TASK_BACKLOG", usual.max_task_backlog)?,
            ..usual
        };
        let made = [("sample_interval", "LOOP_MONITOR_SAMPLE_INTERVAL"), ("critical_threshold", CRITICAL)];
        config.check().map_err(|wrong| match said.blame(wrong, &made) {
            // Only the other one was said.
            wrong if wrong.field == "critical_threshold" => {
                let most = format!("at most the critical threshold of {:?}", config.critical_threshold);
                Invalid::new(WARNING, most, format!("{:?}", config.warning_threshold))
            }
            wrong => wrong,
        })?;
        Ok(config)
    }

    pub(super) fn check(&self) -> Result<(), Invalid> {
        if self.sample_interval < SAMPLE_MIN {
            return Err(Invalid::new(
                "sample_interval",
                "at least 10 ms",
                format!("{:?}", self.sample_interval),
            ));
        }
        if self.warning_threshold.is_zero() {
            return Err(Invalid::new("warning_threshold", "a duration above zero", "0"));
        }
        if self.critical_threshold < self.warning_threshold {
            let got = format!("{:?}", self.critical_threshold);
            return Err(Invalid::new(
                "critical_threshold",
                format!("at least the warning threshold of {:?}", self.warning_threshold),
                got,
            ));
        }
        Ok(())
    }
}
