use serde::Serialize;

use super::Plan;
use crate::statistics::{Rates, Spread, median};

/// What one round measured.
#[derive(Clone, Debug, Serialize)]
pub struct Round {
    /// Batch inserts, jobs per second.
    pub enqueue_batch_per_s: f64,
    /// 64 callers, one job each at a time.
    pub enqueue_single_per_s: f64,
    /// One caller, one job at a time.
    pub enqueue_one_caller_per_s: f64,
    /// From the start of the worker to the last end.
    pub process_per_s: f64,
    /// The raw floor of batch inserts.
    pub floor_enqueue_per_s: Option<f64>,
    /// The raw floor of processing.
    pub floor_process_per_s: Option<f64>,
    /// From the acknowledged insert to the first line of the handler, on an idle worker.
    pub start_latency_ms: Option<Spread>,
    /// From the due time of a scheduled job to the first line of its handler.
    pub lateness_ms: Option<Spread>,
    /// Processor time of this process per processed job.
    pub cpu_us_per_job: Option<f64>,
    /// Every job ended once, and none was refused or repeated.
    pub valid: bool,
}

/// What all rounds together say: medians, and each round beside them.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The store.
    pub store: String,
    /// Jobs per round.
    pub jobs: usize,
    /// Slots of the worker.
    pub slots: usize,
    /// Jobs per batch insert.
    pub batch: usize,
    /// Bytes of args of each job.
    pub args_bytes: usize,
    /// Batch inserts, jobs per second.
    pub enqueue_batch_per_s: f64,
    /// 64 callers, one job each at a time.
    pub enqueue_single_per_s: f64,
    /// One caller, one job at a time.
    pub enqueue_one_caller_per_s: f64,
    /// 64 callers against one.
    pub single_ratio_to_one_caller: f64,
    /// Processing, jobs per second.
    pub process_per_s: f64,
    /// The raw floor of batch inserts; null if the store has none.
    pub floor_enqueue_per_s: Option<f64>,
    /// The raw floor of processing; null if the store has none.
    pub floor_process_per_s: Option<f64>,
    /// Batch inserts against their floor: the median of the rounds' ratios.
    pub enqueue_ratio_to_floor: Option<f64>,
    /// Processing against its floor: the median of the rounds' ratios.
    pub process_ratio_to_floor: Option<f64>,
    /// From the acknowledged insert to the first line of the handler.
    pub start_latency_ms: Option<Spread>,
    /// From the due time to the first line of the handler.
    pub lateness_ms: Option<Spread>,
    /// Processor time of this process per processed job.
    pub cpu_us_per_job: Option<f64>,
    /// Processor time of the store's own process per job; null for a store inside this process.
    pub store_cpu_us_per_job: Option<f64>,
    /// How the rates of batch inserts spread over the rounds.
    pub enqueue_batch_rates: Option<Rates>,
    /// The same of processing.
    pub process_rates: Option<Rates>,
    /// Each round.
    pub rounds: Vec<Round>,
    /// Whether every round was.
    pub valid: bool,
}

impl Report {
    pub(super) fn of(store: String, plan: &Plan, rounds: Vec<Round>) -> Self {
        let middle = |read: &dyn Fn(&Round) -> Option<f64>| {
            median(&rounds.iter().filter_map(read).collect::<Vec<_>>())
        };
        let rate =
            |read: &dyn Fn(&Round) -> f64| middle(&|round| Some(read(round))).unwrap_or_default().round();
        let rates = |read: &dyn Fn(&Round) -> f64| Rates::of(&rounds.iter().map(read).collect::<Vec<_>>());
        let ratio = |value: Option<f64>| value.map(|value| (value * 1_000.0).round() / 1_000.0);
        // The spread of the round whose p99 is the middle one: percentiles cannot be averaged.
        let spread = |read: &dyn Fn(&Round) -> Option<Spread>| {
            let mut all: Vec<Spread> = rounds.iter().filter_map(read).collect();
            all.sort_by(|a, b| a.p99.total_cmp(&b.p99));
            all.get(all.len().saturating_sub(1) / 2).copied()
        };
        Self {
            store,
            jobs: plan.jobs,
            slots: plan.slots,
            batch: plan.batch,
            args_bytes: plan.args_bytes,
            enqueue_batch_per_s: rate(&|round| round.enqueue_batch_per_s),
            enqueue_single_per_s: rate(&|round| round.enqueue_single_per_s),
            enqueue_one_caller_per_s: rate(&|round| round.enqueue_one_caller_per_s),
            single_ratio_to_one_caller: ratio(middle(&|round| {
                Some(round.enqueue_single_per_s / round.enqueue_one_caller_per_s)
            }))
            .unwrap_or_default(),
            process_per_s: rate(&|round| round.process_per_s),
            floor_enqueue_per_s: middle(&|round| round.floor_enqueue_per_s).map(f64::round),
            floor_process_per_s: middle(&|round| round.floor_process_per_s).map(f64::round),
            enqueue_ratio_to_floor: ratio(middle(&|round| {
                Some(round.enqueue_batch_per_s / round.floor_enqueue_per_s?)
            })),
            process_ratio_to_floor: ratio(middle(&|round| {
                Some(round.process_per_s / round.floor_process_per_s?)
            })),
            start_latency_ms: spread(&|round| round.start_latency_ms),
            lateness_ms: spread(&|round| round.lateness_ms),
            cpu_us_per_job: ratio(middle(&|round| round.cpu_us_per_job)),
            store_cpu_us_per_job: None,
            enqueue_batch_rates: rates(&|round| round.enqueue_batch_per_s),
            process_rates: rates(&|round| round.process_per_s),
            valid: !rounds.is_empty() && rounds.iter().all(|round| round.valid),
            rounds,
        }
    }
}
