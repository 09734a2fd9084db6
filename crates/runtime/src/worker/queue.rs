use std::time::Duration;

use longshore_core::{DurationText, Expect, Invalid, Limit, QueueChange, QueueName, Rate, StoreResult};

use crate::engine::Engine;

/// For whom a rate counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RateScope {
    /// For all workers on all nodes together: the limit is set on the queue, in the store.
    #[default]
    Queue,
    /// For this worker alone.
    Worker,
}

/// A queue that a worker serves.
#[derive(Clone, Debug)]
pub struct Queue {
    pub(super) name: String,
    pub(super) concurrency: Option<usize>,
    rate: Option<(u32, Duration)>,
    burst: Option<u32>,
    scope: RateScope,
    pub(super) scan_interval: Option<Duration>,
}

impl Queue {
    /// By name, with the slots of the worker's configuration.
    pub fn new(name: &str) -> Self {
        let name = name.to_owned();
        Self {
            name,
            concurrency: None,
            rate: None,
            burst: None,
            scope: RateScope::Queue,
            scan_interval: None,
        }
    }

    /// With so many slots: the number of its jobs that run here at the same time.
    #[must_use]
    pub fn concurrency(mut self, slots: usize) -> Self {
        self.concurrency = Some(slots);
        self
    }

    /// With so many starts in an interval on average; 0 lets none start.
    #[must_use]
    pub fn rate_limit(mut self, starts: u32, interval: Duration) -> Self {
        self.rate = Some((starts, interval));
        self
    }

    /// With so many starts at once out of a full bucket, instead of as many as the rate. 1 spaces them evenly.
    #[must_use]
    pub fn rate_burst(mut self, starts: u32) -> Self {
        self.burst = Some(starts);
        self
    }

    /// The rate counts for all workers together (the usual case), or for this one alone.
    #[must_use]
    pub fn rate_scope(mut self, scope: RateScope) -> Self {
        self.scope = scope;
        self
    }

    /// With so much time at most between two looks for work that nobody rang for, if the worker's own time is longer.
    #[must_use]
    pub fn scan_interval(mut self, interval: Duration) -> Self {
        self.scan_interval = Some(interval);
        self
    }

    /// Its rate, checked.
    pub(super) fn rate(&self) -> Result<Option<(Rate, RateScope)>, Invalid> {
        let Some((rate, interval)) = self.rate else {
            return match self.burst {
                None => Ok(None),
                Some(_) => Err(Invalid::new("rate_limit", "a number of starts beside rate_burst", "none")),
            };
        };
        let rate = Rate { rate, interval, burst: self.burst };
        QueueChange { rate: Some(Some(rate)), ..QueueChange::default() }.check()?;
        Ok(Some((rate, self.scope)))
    }
}

/// How one worker alone counts its starts.
pub(super) fn own_rate(rate: Rate) -> Limit {
    let interval = Some(DurationText(rate.interval));
    Limit { rate: Some(rate.rate), interval, burst: rate.burst, ..Limit::default() }
}

/// Makes a queue known that somebody serves, before its first job.
pub(super) async fn introduce(engine: &Engine, name: &QueueName) -> StoreResult<()> {
    let store = engine.store();
    if store.queue(name.clone()).await?.is_none() {
        store.set_queue(name.clone(), QueueChange::default(), engine.now()).await?;
    }
    Ok(())
}

/// Sets the rate that a worker declares for all workers of a queue. The newest declaration counts, but not against a rate
/// that an operator has set: that stays.
pub(super) async fn set_rate(engine: &Engine, name: &QueueName, rate: Rate) -> StoreResult<()> {
    let (control, store, now) = (engine.control(), engine.store(), engine.now());
    let key = format!("worker/rate/{name}");
    let declared = store.doc_get(&key, now).await?;
    let declared: Option<Vec<Limit>> = declared.and_then(|doc| serde_json::from_slice(&doc.value).ok());
    let standing = control.queue(name).await?.map(|info| info.limits).unwrap_or_default();
    let change = QueueChange { rate: Some(Some(rate)), ..QueueChange::default() };
    let wanted = change.limits_after(&standing).unwrap_or_default();
    if wanted == standing {
        return Ok(());
    }
    let paced = |limits: &[Limit]| {
        let whole = limits.iter().find(|limit| limit.key.is_none() && limit.rate.is_some());
        whole.map(|limit| Limit { concurrency: None, ..limit.clone() })
    };
    if paced(&standing).is_some() && declared.as_deref().map(paced) != Some(paced(&standing)) {
        tracing::warn!(queue = %name, "the rate of this worker is not used: an operator has set another one");
        return Ok(());
    }
    if !standing.is_empty() {
        tracing::warn!(queue = %name, "the rate of the queue is changed to that of this worker");
    }
    let value = bytes::Bytes::from(serde_json::to_vec(&wanted).unwrap_or_default());
    control.set_queue(name, change).await?;
    store.doc_put(&key, value, Expect::Anything, None, now).await?;
    Ok(())
}
