//! What a seed decides before anything happens.

use longshore_clock::Chance;
use longshore_core::{KindName, QueueName};

use crate::stage::Weather;

/// The cast and the odds of one history.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) workers: u64,
    pub(crate) keepers: u64,
    pub(crate) callers: u64,
    pub(crate) operators: u64,
    pub(crate) queues: Vec<QueueName>,
    pub(crate) kinds: Vec<KindName>,
    /// Batches that each caller inserts.
    pub(crate) batches: u64,
    /// How long leases last, in milliseconds.
    pub(crate) lease: u64,
    pub(crate) slots: u64,
    pub(crate) stalls_max: u32,
    /// Requests and answers that get lost, as a fraction of all.
    pub(crate) fault: f64,
    /// Longest way of a request or an answer, in milliseconds.
    pub(crate) latency: u64,
    /// Attempts that go beyond their lease because their worker hangs, as a fraction of all turns.
    pub(crate) hang: f64,
    pub(crate) weather: Weather,
    /// How long it goes on, in milliseconds.
    pub(crate) length: i64,
    /// Longest delay of a job, in milliseconds; all other times of jobs go with it.
    pub(crate) span: u64,
    /// What ids begin with.
    pub(crate) prefix: String,
    /// Operators leave limits, keys and queues as they are.
    pub(crate) tame: bool,
    pub(crate) mix: Mix,
}

/// How often jobs have something special.
#[derive(Debug)]
pub(crate) struct Mix {
    pub(crate) delay: f64,
    pub(crate) ttl: f64,
    pub(crate) unique: f64,
    pub(crate) flow: f64,
    pub(crate) retention: f64,
    pub(crate) follow: f64,
    pub(crate) limits: f64,
}

impl Plan {
    /// The plan of a seed.
    pub(crate) fn draw(chance: &Chance) -> Self {
        let between = |from: u64, most: u64| from + chance.below(most + 1 - from);
        let upto = |most: f64| chance.unit() * most;
        // Some histories have none of a thing, so that it hides nothing there.
        let often = |most: f64| if chance.unit() < 0.3 { 0.0 } else { chance.unit() * most };
        let queues = ["mail", "pdf:eu", "z"].into_iter().take(between(1, 3) as usize);
        let kinds = ["quick", "slow"].into_iter();
        Self {
            workers: between(1, 6),
            keepers: between(1, 2),
            callers: between(1, 3),
            operators: between(0, 2),
            queues: queues.filter_map(|name| QueueName::new(name).ok()).collect(),
            kinds: kinds.filter_map(|name| KindName::new(name).ok()).collect(),
            batches: between(4, 16),
            lease: between(500, 20_000),
            slots: between(1, 6),
            stalls_max: between(2, 6) as u32,
            fault: often(0.25),
            latency: between(1, 400),
            hang: often(0.08),
            weather: Weather { crash: often(0.02), set: often(0.01), lag: upto(0.2) },
            length: between(20_000, 120_000) as i64,
            span: 20_000,
            prefix: "job".to_owned(),
            tame: false,
            mix: Mix {
                delay: often(0.4),
                ttl: often(0.3),
                unique: often(0.5),
                flow: often(0.5),
                retention: often(0.6),
                follow: often(0.2),
                limits: often(0.6),
            },
        }
    }
}
