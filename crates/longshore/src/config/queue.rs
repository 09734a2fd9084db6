use std::time::Duration;

use longshore_core::{DurationText, JobDefaults, Rate, Retention};
use longshore_runtime::{Queue, RateScope};

use super::Values;

/// What is configured of a single queue.
#[derive(Clone, Debug, Default)]
pub(crate) struct QueueSettings {
    /// Slots of a worker.
    pub(crate) concurrency: Option<usize>,
    pub(crate) rate: Option<Rate>,
    pub(crate) rate_scope: RateScope,
    pub(crate) scan_interval: Option<Duration>,
    retention_completed: Option<Duration>,
    retention_failed: Option<Duration>,
    retention_cancelled: Option<Duration>,
    retention_most: Option<u64>,
    /// For jobs that say nothing else.
    pub(crate) jobs: JobDefaults,
}

impl QueueSettings {
    /// Reads what was checked before.
    pub(super) fn of(values: &Values) -> Self {
        let (count, duration) = (|key| super::count(values, key), |key| super::duration(values, key));
        let text = |key: &str| values.get(key).map(|(value, _)| value.to_string());
        let interval = duration("rate_interval").unwrap_or(Duration::from_secs(1));
        let burst = count("rate_burst").map(|burst| burst as u32);
        Self {
            concurrency: count("concurrency").map(|slots| slots as usize),
            rate: count("rate_limit").map(|rate| Rate { rate: rate as u32, interval, burst }),
            rate_scope: match text("rate_scope").as_deref() {
                Some("worker") => RateScope::Worker,
                _ => RateScope::Queue,
            },
            scan_interval: duration("scan_interval"),
            retention_completed: duration("retention_completed"),
            retention_failed: duration("retention_failed"),
            retention_cancelled: duration("retention_cancelled"),
            retention_most: count("retention_most"),
            jobs: JobDefaults {
                priority: text("priority").and_then(|priority| priority.parse().ok()),
                max_attempts: count("max_attempts").map(|attempts| attempts as u32),
                timeout: duration("timeout").map(DurationText),
                ttl: duration("ttl").map(DurationText),
            },
        }
    }

    /// Its retention, if it has one of its own.
    pub(crate) fn retention(&self, usual: Retention) -> Option<Retention> {
        let or = |own: Option<Duration>, usual| own.map_or(usual, DurationText);
        let own = Retention {
            completed: or(self.retention_completed, usual.completed),
            failed: or(self.retention_failed, usual.failed),
            cancelled: or(self.retention_cancelled, usual.cancelled),
            most: self.retention_most.unwrap_or(usual.most),
        };
        (own != usual).then_some(own)
    }

    /// The rate that all workers share.
    pub(crate) fn shared_rate(&self) -> Option<Rate> {
        self.rate.filter(|_| self.rate_scope == RateScope::Queue)
    }

    /// For a worker that serves it.
    pub(crate) fn serve(&self, queue: Queue) -> Queue {
        let queue = self.concurrency.into_iter().fold(queue, Queue::concurrency);
        let Some(rate) = self.rate.filter(|_| self.rate_scope == RateScope::Worker) else { return queue };
        let queue = queue.rate_limit(rate.rate, rate.interval).rate_scope(RateScope::Worker);
        rate.burst.into_iter().fold(queue, Queue::rate_burst)
    }
}
