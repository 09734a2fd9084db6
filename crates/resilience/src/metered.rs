//! How each part tells of itself in a scrape.

use std::hash::Hash;

use longshore_telemetry::{Metered, Samples};

use crate::{
    AdaptiveLimiter, BatchSink, BatchedWriter, Bulkhead, Cache, CallPolicy, CircuitBreaker, CircuitBreakers,
    CircuitState, Hedge, PriorityTaskQueue, ProducerConsumerPipeline, RateLimiter, RateMetrics, RetryPolicy,
    SemaphoreLimiter, SemaphoreMetrics, SlidingLog, Timeout,
};

impl Metered for CircuitBreaker {
    fn meter(&self, samples: &mut Samples<'_>) {
        let metrics = self.get_metrics();
        let state = match metrics.state {
            CircuitState::Closed => 0.0,
            CircuitState::HalfOpen => 1.0,
            CircuitState::Open => 2.0,
        };
        samples.gauge("longshore_circuit_state", "0 closed, 1 half-open, 2 open.", state);
        let help = "Calls that a breaker let through, by how they ended.";
        let values = [
            ("success", metrics.success_count),
            ("failure", metrics.failure_count),
            ("ignored", metrics.ignored_count),
        ];
        samples.counters("longshore_circuit_calls_total", help, "outcome", values);
        let help = "Calls that were slow, however they ended.";
        samples.counter("longshore_circuit_slow_total", help, metrics.slow_count);
        let help = "Calls that a breaker did not let through.";
        samples.counter("longshore_circuit_rejected_total", help, metrics.total_rejected);
    }
}

/// Each by its name.
impl Metered for CircuitBreakers {
    fn meter(&self, samples: &mut Samples<'_>) {
        self.each(|breaker| samples.part(breaker.name(), breaker));
    }
}

fn permits(metrics: &SemaphoreMetrics, samples: &mut Samples<'_>) {
    samples.gauge("longshore_limiter_permits", "Permits of a limiter.", metrics.max_concurrent as f64);
    samples.gauge("longshore_limiter_active", "Permits that are taken.", metrics.current_active as f64);
    samples.gauge("longshore_limiter_waiting", "Callers in line for a permit.", metrics.waiting as f64);
    let help = "Permits that were taken so far.";
    samples.counter("longshore_limiter_acquired_total", help, metrics.total_acquisitions);
    let help = "Callers for whom no permit came in time.";
    samples.counter("longshore_limiter_timeouts_total", help, metrics.timeout_count);
    let help = "How long callers waited for a permit.";
    samples.histogram("longshore_limiter_wait_seconds", help, metrics.wait.clone());
}

impl Metered for SemaphoreLimiter {
    fn meter(&self, samples: &mut Samples<'_>) {
        permits(&self.get_metrics(), samples);
    }
}

impl Metered for Bulkhead {
    fn meter(&self, samples: &mut Samples<'_>) {
        let metrics = self.get_metrics();
        permits(&metrics.permits, samples);
        let help = "Callers who found the line full.";
        samples.counter("longshore_limiter_full_total", help, metrics.full_count);
    }
}

impl Metered for AdaptiveLimiter {
    fn meter(&self, samples: &mut Samples<'_>) {
        permits(&self.get_metrics(), samples);
    }
}

fn rate(metrics: RateMetrics, samples: &mut Samples<'_>) {
    let help = "Calls within the rate.";
    samples.counter("longshore_rate_admitted_total", help, metrics.admitted);
    let help = "Calls beyond the rate.";
    samples.counter("longshore_rate_refused_total", help, metrics.refused);
    if let Some(keys) = metrics.keys {
        samples.gauge("longshore_rate_keys", "Keys with a rate of their own now.", keys as f64);
    }
}

impl<K: Hash + Eq + Clone + Send + Sync> Metered for RateLimiter<K> {
    fn meter(&self, samples: &mut Samples<'_>) {
        rate(self.get_metrics(), samples);
    }
}

impl<K: Hash + Eq + Clone + Send + Sync> Metered for SlidingLog<K> {
    fn meter(&self, samples: &mut Samples<'_>) {
        rate(self.get_metrics(), samples);
    }
}

impl Metered for RetryPolicy {
    fn meter(&self, samples: &mut Samples<'_>) {
        let totals = self.get_totals();
        let help = "Calls that may be made again, by how they ended.";
        let values = [
            ("success", totals.success),
            ("exhausted", totals.exhausted),
            ("deadline", totals.deadline),
            ("budget", totals.budget),
            ("not_transient", totals.not_transient),
            ("rejected", totals.rejected),
        ];
        samples.counters("longshore_retry_calls_total", help, "outcome", values);
        let help = "Attempts after the first of their call.";
        samples.counter("longshore_retry_retries_total", help, totals.retries);
    }
}

impl Metered for Timeout {
    fn meter(&self, samples: &mut Samples<'_>) {
        let metrics = self.get_metrics();
        let help = "Calls with a limit of time, by how they ended.";
        let values = [("in_time", metrics.in_time), ("timed_out", metrics.timed_out)];
        samples.counters("longshore_timeout_calls_total", help, "outcome", values);
    }
}

impl Metered for Hedge {
    fn meter(&self, samples: &mut Samples<'_>) {
        let metrics = self.get_metrics();
        let help = "Calls that may be sent twice.";
        samples.counter("longshore_hedge_calls_total", help, metrics.calls);
        samples.counter("longshore_hedge_sent_total", "Second copies sent.", metrics.hedged);
        samples.counter("longshore_hedge_won_total", "Second copies that came first.", metrics.won);
    }
}

impl Metered for PriorityTaskQueue {
    fn meter(&self, samples: &mut Samples<'_>) {
        let metrics = self.get_metrics();
        samples.gauge("longshore_tasks_waiting", "Tasks in line.", metrics.waiting as f64);
        samples.gauge("longshore_tasks_running", "Tasks at work.", metrics.running as f64);
        let help = "Tasks that ended, by how.";
        let values = [
            ("completed", metrics.completed),
            ("panicked", metrics.panicked),
            ("cancelled", metrics.cancelled),
        ];
        samples.counters("longshore_tasks_ended_total", help, "outcome", values);
    }
}

impl<T: Send + Sync + 'static, S: BatchSink<T>> Metered for ProducerConsumerPipeline<T, S> {
    fn meter(&self, samples: &mut Samples<'_>) {
        let metrics = self.get_metrics();
        samples.gauge("longshore_pipeline_queued", "Items in line.", metrics.items_in_queue as f64);
        let help = "Items, by what became of them.";
        let values = [
            ("processed", metrics.items_processed),
            ("failed", metrics.failed_items),
            ("dead", metrics.dead_letters),
            ("dropped", metrics.dropped_items),
            ("returned", metrics.returned_items),
        ];
        samples.counters("longshore_pipeline_items_total", help, "outcome", values);
        let help = "Batches that were processed.";
        samples.counter("longshore_pipeline_batches_total", help, metrics.batches_processed);
        let help = "How long producers waited for room.";
        samples.histogram("longshore_pipeline_put_wait_seconds", help, metrics.put_wait);
    }
}

/// All that it has but the deadline.
impl Metered for CallPolicy {
    fn meter(&self, samples: &mut Samples<'_>) {
        let parts: [Option<&dyn Metered>; 7] = [
            self.retry().map(|part| part as _),
            self.hedge().map(|part| part as _),
            self.breaker().map(|part| part as _),
            self.rate().map(|part| part as _),
            self.bulkhead().map(|part| part as _),
            self.adaptive().map(|part| part as _),
            self.timeout().map(|part| part as _),
        ];
        for part in parts.into_iter().flatten() {
            part.meter(samples);
        }
    }
}

impl<T: Send + Sync + 'static, S: BatchSink<T>> Metered for BatchedWriter<T, S> {
    fn meter(&self, samples: &mut Samples<'_>) {
        self.0.meter(samples);
    }
}

impl Metered for Cache {
    fn meter(&self, samples: &mut Samples<'_>) {
        let stats = self.stats();
        let help = "What a cache did, by sort.";
        let values = [
            ("hit", stats.hits),
            ("stale_hit", stats.stale_hits),
            ("miss", stats.misses),
            ("set", stats.sets),
            ("eviction", stats.evictions),
            ("invalidation", stats.invalidations),
            ("load", stats.loads),
            ("load_error", stats.load_errors),
            ("joined", stats.joined),
            ("error", stats.errors),
        ];
        samples.counters("longshore_cache_ops_total", help, "op", values);
        if let (Some(entries), Some(bytes)) = (stats.entries, stats.bytes) {
            samples.gauge("longshore_cache_entries", "Entries in memory.", entries as f64);
            samples.gauge("longshore_cache_bytes", "Bytes they count for.", bytes as f64);
        }
    }
}
