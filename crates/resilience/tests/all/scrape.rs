//! What each part says in a scrape, and in the log.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use longshore_clock::Door;
use longshore_resilience::{
    Advice, BatchSink, BoxError, Bulkhead, BulkheadConfig, Cache, CacheConfig, CachePolicy, CircuitBreaker,
    CircuitBreakerConfig, CircuitBreakers, Hedge, HedgeAfter, HedgeConfig, Jitter, LoadError, PipelineConfig,
    PriorityTaskQueue, PriorityTaskQueueConfig, ProducerConsumerPipeline, RateLimiter, RateLimiterConfig,
    RetryConfig, RetryPolicy, StopMode,
};
use longshore_telemetry::{Exposition, Metered, Registry};
use serde_json::Value;

use crate::support::{Slow, door, millis, now, secs, settle};

/// What a part says of itself; the lines without the name of it.
fn said(part: impl Metered + 'static) -> String {
    let registry = Registry::default();
    registry.register("part", part).unwrap();
    let mut page = Exposition::default();
    registry.expose(&mut page);
    page.finish().replace("{name=\"part\"}", "").replace("name=\"part\",", "")
}

fn says(page: &str, lines: &[&str]) {
    for line in lines {
        assert!(page.lines().any(|said| said == *line), "{line} is not in\n{page}");
    }
}

#[test]
fn what_breakers_limits_and_rates_say() {
    let (door, manual) = door();
    let config = CircuitBreakerConfig { failure_threshold: Some(2), ..CircuitBreakerConfig::default() };
    let breakers = CircuitBreakers::new(config, 10, &door).unwrap();
    let ill = breakers.of("ill");
    for _ in 0..3 {
        ill.admit().unwrap().ignored();
    }
    let slow = ill.admit().unwrap();
    manual.advance(secs(1));
    slow.success();
    for _ in 0..2 {
        ill.admit().unwrap().failure();
    }
    for _ in 0..4 {
        assert!(ill.admit().is_err());
    }
    drop(breakers.of("well"));
    let page = said(breakers);
    says(
        &page,
        &[
            "longshore_circuit_state{name=\"part/ill\"} 2",
            "longshore_circuit_state{name=\"part/well\"} 0",
            "longshore_circuit_calls_total{name=\"part/ill\",outcome=\"success\"} 1",
            "longshore_circuit_calls_total{name=\"part/ill\",outcome=\"failure\"} 2",
            "longshore_circuit_calls_total{name=\"part/ill\",outcome=\"ignored\"} 3",
            "longshore_circuit_slow_total{name=\"part/ill\"} 1",
            "longshore_circuit_rejected_total{name=\"part/ill\"} 4",
        ],
    );

    let config = BulkheadConfig { max_concurrent: 2, max_queue: 1, acquire_timeout: secs(5) };
    let bulkhead = Bulkhead::new(&config, &door).unwrap();
    let held = (now(bulkhead.acquire()).unwrap(), now(bulkhead.acquire()).unwrap());
    let wait = || {
        let own = bulkhead.clone();
        Slow::new(async move { own.acquire_owned().await.is_ok() })
    };
    let mut late = wait();
    assert_eq!(late.poll(), None);
    assert_eq!(wait().poll(), Some(false));
    manual.advance(secs(5));
    assert_eq!(late.poll(), Some(false));
    let mut waits = wait();
    assert_eq!(waits.poll(), None);
    says(
        &said(bulkhead.clone()),
        &[
            "longshore_limiter_permits 2",
            "longshore_limiter_active 2",
            "longshore_limiter_waiting 1",
            "longshore_limiter_acquired_total 2",
            "longshore_limiter_timeouts_total 1",
            "longshore_limiter_full_total 1",
            "longshore_limiter_wait_seconds_count 0",
        ],
    );
    manual.advance(secs(2));
    drop(held);
    assert_eq!(waits.poll(), Some(true));
    says(&said(bulkhead.clone()), &["longshore_limiter_wait_seconds_sum 2", "longshore_limiter_active 0"]);

    let config = RateLimiterConfig { burst: 2, ..RateLimiterConfig::per_second(1) };
    let keyed: RateLimiter<u32> = RateLimiter::keyed(&config, &door).unwrap();
    says(&said(Arc::new(RateLimiter::<u32>::keyed(&config, &door).unwrap())), &["longshore_rate_keys 0"]);
    for _ in 0..3 {
        let _ = keyed.try_acquire_for(&1);
    }
    says(
        &said(keyed),
        &["longshore_rate_admitted_total 2", "longshore_rate_refused_total 1", "longshore_rate_keys 1"],
    );
    assert!(!said(RateLimiter::new(&config, &door).unwrap()).contains("longshore_rate_keys"));
}

#[test]
fn what_retries_and_copies_say() {
    let (door, manual) = door();
    let config = RetryConfig { max_attempts: 3, jitter: Jitter::None, ..RetryConfig::default() };
    let policy = RetryPolicy::new(RetryConfig { base_delay: Duration::ZERO, ..config }, &door).unwrap();
    for advice in [Advice::Retry, Advice::Pass] {
        drop(now(policy.execute_with("k", |_: &&str| advice, |_| async { Err::<(), _>("no") })));
    }
    drop(now(policy.execute("k", |_| async { Ok::<_, String>(()) })));
    says(
        &said(policy),
        &[
            "longshore_retry_calls_total{outcome=\"success\"} 1",
            "longshore_retry_calls_total{outcome=\"exhausted\"} 1",
            "longshore_retry_calls_total{outcome=\"not_transient\"} 1",
            "longshore_retry_calls_total{outcome=\"rejected\"} 0",
            "longshore_retry_retries_total 2",
        ],
    );

    let config = HedgeConfig { after: HedgeAfter::Fixed(millis(50)), budget: 1.0, ..HedgeConfig::default() };
    let hedge = Hedge::new(config, &door).unwrap();
    let (own, clock) = (hedge.clone(), door.clock.clone());
    let mut call = Slow::new(async move {
        own.run(|copy| {
            let clock = clock.clone();
            async move {
                clock.sleep(if copy == 0 { secs(9) } else { millis(10) }).await;
                Ok::<_, String>(copy)
            }
        })
        .await
    });
    assert!(call.poll().is_none());
    manual.advance(millis(50));
    assert!(call.poll().is_none());
    manual.advance(millis(10));
    assert_eq!(call.poll(), Some(Ok(1)));
    says(
        &said(hedge),
        &["longshore_hedge_calls_total 1", "longshore_hedge_sent_total 1", "longshore_hedge_won_total 1"],
    );
}

/// Fails batches with a zero in them, after so long.
struct Sink(Door);

impl BatchSink<u32> for Sink {
    async fn write(&mut self, batch: &[u32]) -> Result<(), BoxError> {
        self.0.clock.sleep(millis(30)).await;
        if batch.contains(&0) { Err("zero".into()) } else { Ok(()) }
    }
}

#[tokio::test]
async fn what_queues_and_pipelines_say() {
    let (door, manual) = door();
    let queue = PriorityTaskQueue::new(PriorityTaskQueueConfig::default(), &door).unwrap();
    for _ in 0..2 {
        queue.enqueue(async || (), 0).unwrap();
    }
    drop(queue.enqueue(async || panic!("on purpose"), 0).unwrap());
    says(&said_of(&queue), &["longshore_tasks_waiting 3", "longshore_tasks_running 0"]);
    queue.start();
    queue.stop(StopMode::Drain, secs(60)).await;
    queue.start();
    let cancelled = queue.enqueue(std::future::pending::<()>, 0).unwrap();
    settle().await;
    says(&said_of(&queue), &["longshore_tasks_waiting 0", "longshore_tasks_running 1"]);
    cancelled.cancel();
    drop(cancelled.result().await);
    settle().await;
    says(
        &said_of(&queue),
        &[
            "longshore_tasks_ended_total{outcome=\"completed\"} 2",
            "longshore_tasks_ended_total{outcome=\"panicked\"} 1",
            "longshore_tasks_ended_total{outcome=\"cancelled\"} 1",
        ],
    );

    let config = PipelineConfig { batch_size: 3, max_queue_size: 6, ..PipelineConfig::default() };
    let builder = ProducerConsumerPipeline::builder(config, Sink(door.clone()));
    let pipeline = builder.on_error(drop).build(&door).unwrap();
    pipeline.start();
    assert_eq!(pipeline.put_many(vec![1, 2, 3, 0, 5, 6]).await.accepted, 6);
    for _ in 0..2 {
        settle().await;
        manual.advance(millis(30));
    }
    settle().await;
    pipeline.put(7).await.unwrap();
    settle().await;
    // Four are taken, one batch of three of them, and four wait behind.
    for item in 8..=15 {
        pipeline.put(item).await.unwrap();
        settle().await;
    }
    assert!(pipeline.put_timeout(16, Duration::ZERO).await.is_err());
    let metrics = pipeline.get_metrics();
    assert_eq!((metrics.items_processed, metrics.batches_processed, metrics.avg_batch_size), (3, 1, 3.0));
    assert!((metrics.processing_time_ms - 60.0).abs() < 1e-6, "{}", metrics.processing_time_ms);
    let mut late = Slow::new({
        let pipeline = pipeline.clone();
        async move { pipeline.put(17).await.is_ok() }
    });
    assert!(late.poll().is_none());
    says(
        &said_of(&pipeline),
        &[
            "longshore_pipeline_queued 6",
            "longshore_pipeline_items_total{outcome=\"processed\"} 3",
            "longshore_pipeline_items_total{outcome=\"failed\"} 3",
            "longshore_pipeline_items_total{outcome=\"dead\"} 3",
            "longshore_pipeline_items_total{outcome=\"dropped\"} 1",
            "longshore_pipeline_batches_total 1",
        ],
    );
    assert_eq!(pipeline.stop(false).await.returned.len(), 9);
    assert_eq!(late.poll(), Some(false));
    let page = said_of(&pipeline);
    says(
        &page,
        &[
            "longshore_pipeline_items_total{outcome=\"returned\"} 9",
            "longshore_pipeline_put_wait_seconds_count 2",
        ],
    );
}

/// The same for a part that is still needed.
fn said_of(part: &(impl Metered + Clone + 'static)) -> String {
    said(part.clone())
}

#[tokio::test]
async fn what_a_cache_says() {
    let (door, manual) = door();
    let config = CacheConfig { max_entries: 2, ..CacheConfig::default() };
    let cache = Cache::in_memory(config, &door).unwrap();
    let policy = CachePolicy::ttl(secs(10)).stale_if_error(secs(10));
    let load = async |key: &str, value: Result<u32, &str>| {
        let value = value.map_err(ToOwned::to_owned);
        let loaded: Result<u32, LoadError<String>> =
            cache.get_or_set(key, policy.clone(), async move || value).await;
        loaded.is_ok()
    };
    assert!(load("a", Ok(1)).await && load("a", Ok(2)).await);
    manual.advance(secs(12));
    assert!(load("a", Err("away")).await);
    assert!(!load("b", Err("away")).await);
    for key in ["c", "d", "e"] {
        cache.set(key, &1, ()).await.unwrap();
    }
    let (entries, evicted) = (cache.stats().entries.unwrap(), cache.stats().evictions);
    assert!((1..=2).contains(&entries) && evicted > 0, "{entries} {evicted}");
    says(
        &said_of(&cache),
        &[
            "longshore_cache_ops_total{op=\"hit\"} 1",
            "longshore_cache_ops_total{op=\"stale_hit\"} 1",
            "longshore_cache_ops_total{op=\"miss\"} 2",
            "longshore_cache_ops_total{op=\"set\"} 4",
            "longshore_cache_ops_total{op=\"load\"} 1",
            "longshore_cache_ops_total{op=\"load_error\"} 2",
            &format!("longshore_cache_ops_total{{op=\"eviction\"}} {evicted}"),
            &format!("longshore_cache_entries {entries}"),
        ],
    );
    cache.clear().await.unwrap();
    let invalidated = format!("longshore_cache_ops_total{{op=\"invalidation\"}} {entries}");
    says(&said_of(&cache), &[&invalidated, "longshore_cache_entries 0"]);
}

/// What is logged, as text.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn each_change_of_a_breaker_is_one_line() {
    let paper = Paper::default();
    let own = paper.clone();
    let lines = tracing_subscriber::fmt().json().with_writer(move || own.clone()).finish();
    tracing::subscriber::with_default(lines, || {
        let (door, manual) = door();
        let breaker = CircuitBreaker::new(CircuitBreakerConfig::simple("host", 1, secs(1)), &door).unwrap();
        breaker.admit().unwrap().success();
        breaker.admit().unwrap().failure();
        manual.advance(secs(1));
        breaker.admit().unwrap().failure();
        manual.advance(secs(1));
        breaker.admit().unwrap().success();
    });
    let text = String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> = lines
        .iter()
        .map(|line| {
            let fields = &line["fields"];
            assert_eq!(
                (&fields["event"], &fields["name"]),
                (&"circuit_breaker_state_change".into(), &"host".into())
            );
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let count = |name: &str| fields[name].as_u64().unwrap();
            let counts = [count("failure_count"), count("success_count"), count("request_count")];
            (text(&line["level"]), text(&fields["to_state"]), text(&fields["trigger"]), counts)
        })
        .collect();
    let line = |level: &str, to: &str, trigger: &str, counts: [u64; 3]| {
        (level.to_owned(), to.to_owned(), trigger.to_owned(), counts)
    };
    assert_eq!(
        told,
        [
            line("INFO", "open", "failure_threshold_exceeded", [1, 1, 2]),
            line("INFO", "half_open", "timeout_elapsed", [0, 0, 0]),
            line("WARN", "open", "half_open_failure", [1, 0, 1]),
            line("INFO", "half_open", "timeout_elapsed", [0, 0, 0]),
            line("INFO", "closed", "half_open_success", [0, 1, 1]),
        ]
    );
}
