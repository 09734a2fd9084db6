use std::collections::BTreeMap;
use std::time::Duration;

use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits::{AGEING_MIN, SCAN_INTERVAL_MIN};
use crate::{
    DurationText, Invalid, JobSpec, Limit, Priority, QueueName, Retention, RetentionChange, State, Timestamp,
    format_duration,
};

/// How many jobs of a queue are in each state. Kept, not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts([u64; 7]);

impl Counts {
    /// The number in one state.
    pub fn get(&self, state: State) -> u64 {
        self.0[state as usize]
    }

    /// Sets the number in one state.
    pub fn set(&mut self, state: State, count: u64) {
        self.0[state as usize] = count;
    }

    /// All jobs.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

impl Serialize for Counts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(7))?;
        for state in State::ALL {
            map.serialize_entry(state.as_str(), &self.get(state))?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Counts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = BTreeMap::<State, u64>::deserialize(deserializer)?;
        let mut counts = Self::default();
        for (state, count) in read {
            counts.set(state, count);
        }
        Ok(counts)
    }
}

impl QueueChange {
    /// Checks every limit.
    pub fn check(&self) -> Result<(), Invalid> {
        if let Some(limits) = &self.limits {
            Limit::check_all(limits)?;
        }
        self.check_short_forms()?;
        if let Some(Some(ageing)) = self.ageing
            && ageing.0 < AGEING_MIN
        {
            let expected = format!("a duration from {}, or null", format_duration(AGEING_MIN));
            return Err(Invalid::new("ageing", expected, format_duration(ageing.0)));
        }
        if let Some(Some(scan)) = self.scan_interval
            && scan.0 < SCAN_INTERVAL_MIN
        {
            let expected = format!("a duration from {}, or null", format_duration(SCAN_INTERVAL_MIN));
            return Err(Invalid::new("scan_interval", expected, format_duration(scan.0)));
        }
        self.retention.check()
    }
}

/// A queue as it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueueInfo {
    /// Its name.
    pub name: QueueName,
    /// Whether it hands out no jobs.
    pub paused: bool,
    /// Its jobs by state.
    pub counts: Counts,
    /// Since when the next ready job has waited.
    pub oldest_ready_at: Option<Timestamp>,
    /// How long its ended jobs stay.
    pub retention: Retention,
    /// How many of its jobs may run, and start, over all nodes.
    pub limits: Vec<Limit>,
    /// Each time a job has waited so long, it counts one priority lower, so that nothing waits for ever; none is never.
    pub ageing: Option<DurationText>,
    /// Longest time between two looks for work that nobody rang for; none is what each worker was told.
    pub scan_interval: Option<DurationText>,
}

/// What an operator sets on a queue; none leaves a thing as it is. Naming a queue creates it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueChange {
    /// Stop or start handing out jobs.
    pub paused: Option<bool>,
    /// How long its jobs stay that end from now on.
    pub retention: RetentionChange,
    /// Its limits, all of them, for waiting jobs as well.
    pub limits: Option<Vec<Limit>>,
    /// How many of its jobs may run at once; none inside takes that off. Not together with `limits`.
    pub concurrency: Option<Option<u32>>,
    /// How many of its jobs may start in a time; none inside takes that off. Not together with `limits`.
    pub rate: Option<Option<Rate>>,
    /// Its ageing; none inside takes it off.
    pub ageing: Option<Option<DurationText>>,
    /// Its scan interval; none inside takes it off.
    pub scan_interval: Option<Option<DurationText>>,
}

/// Starts in a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Starts per interval on average; 0 lets none start.
    pub rate: u32,
    /// The interval.
    pub interval: Duration,
    /// Starts at once out of a full bucket; none is as many as the rate.
    pub burst: Option<u32>,
}

impl QueueChange {
    /// The limits after this change, if it names any.
    pub fn limits_after(&self, standing: &[Limit]) -> Option<Vec<Limit>> {
        if self.limits.is_some() || self.concurrency.is_none() && self.rate.is_none() {
            return self.limits.clone();
        }
        let (mut keyed, mut whole): (Vec<Limit>, Vec<Limit>) =
            standing.iter().cloned().partition(|limit| limit.key.is_some());
        let mut whole = whole.pop().unwrap_or_default();
        whole.concurrency = self.concurrency.unwrap_or(whole.concurrency);
        if let Some(rate) = self.rate {
            whole.rate = rate.map(|rate| rate.rate);
            whole.interval = rate.map(|rate| DurationText(rate.interval));
            whole.burst = rate.and_then(|rate| rate.burst);
        }
        if whole != Limit::default() {
            keyed.insert(0, whole);
        }
        Some(keyed)
    }

    fn check_short_forms(&self) -> Result<(), Invalid> {
        if self.limits.is_some() && (self.concurrency.is_some() || self.rate.is_some()) {
            return Err(Invalid::new("limits", "either limits, or concurrency and rate_limit", "both"));
        }
        let Some(whole) = self.limits_after(&[]).and_then(|mut limits| limits.pop()) else { return Ok(()) };
        whole.check().map_err(|error| {
            let known = [("rate", "rate_limit"), ("interval", "rate_interval"), ("burst", "rate_burst")];
            let field = known.into_iter().find(|(field, _)| *field == error.field);
            Invalid { field: field.map_or(error.field.clone(), |(_, short)| short.to_owned()), ..error }
        })
    }
}

impl QueueInfo {
    /// A queue as it is when it is named for the first time.
    pub fn new(name: QueueName) -> Self {
        Self {
            name,
            paused: false,
            counts: Counts::default(),
            oldest_ready_at: None,
            retention: Retention::default(),
            limits: Vec::new(),
            ageing: None,
            scan_interval: None,
        }
    }
}

/// The order of a ready job in its line: its priority, or with ageing the priority that it had when the clock began to
/// count. The lowest goes first; the turn decides between equals.
pub fn rank(spec: &JobSpec, created_at: Timestamp, ageing: Option<DurationText>) -> Priority {
    let Some(ageing) = ageing else { return spec.priority };
    let since = spec.run_at.map_or(created_at, |run_at| run_at.max(created_at));
    let steps = since.as_millis() as f64 / ageing.0.as_millis().max(1) as f64;
    Priority::new(spec.priority.get() + steps).unwrap_or(spec.priority)
}
