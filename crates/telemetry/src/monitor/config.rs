use std::time::Duration;

use longshore_core::Invalid;

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

impl EventLoopMonitorConfig {
    /// As usual, but for what the environment says: `LOOP_MONITOR_SAMPLE_INTERVAL` in seconds,
    /// `LOOP_MONITOR_WARNING_THRESHOLD` and `LOOP_MONITOR_CRITICAL_THRESHOLD` in milliseconds,
    /// `LOOP_MONITOR_MAX_TASK_BACKLOG`.
    pub fn from_env() -> Result<Self, Invalid> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    pub(super) fn from_variables(said: impl Fn(&str) -> Option<String>) -> Result<Self, Invalid> {
        let time = |name: &str, unit: f64, usual: Duration| {
            let Some(text) = said(name) else { return Ok(usual) };
            let number = text.parse().ok().filter(|number: &f64| *number > 0.0);
            let time = number.and_then(|number| Duration::try_from_secs_f64(number * unit).ok());
            time.ok_or_else(|| Invalid::new(name, "a number above zero", format!("{text:?}")))
        };
        let usual = Self::default();
        let backlog = match said("LOOP_MONITOR_MAX_TASK_BACKLOG") {
            None => usual.max_task_backlog,
            Some(text) => text.parse().map_err(|_| {
                Invalid::new("LOOP_MONITOR_MAX_TASK_BACKLOG", "a whole number", format!("{text:?}"))
            })?,
        };
        let config = Self {
            sample_interval: time("LOOP_MONITOR_SAMPLE_INTERVAL", 1.0, usual.sample_interval)?,
            warning_threshold: time("LOOP_MONITOR_WARNING_THRESHOLD", 0.001, usual.warning_threshold)?,
            critical_threshold: time("LOOP_MONITOR_CRITICAL_THRESHOLD", 0.001, usual.critical_threshold)?,
            max_task_backlog: backlog,
            ..usual
        };
        config.check()?;
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
            return Err(Invalid::new("critical_threshold", "at least warning_threshold", got));
        }
        Ok(())
    }
}
