//! Each part tells what happens to it.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use longshore_resilience::{
    AdaptiveLimiter, AimdLimit, Bulkhead, BulkheadConfig, Events, Hedge, HedgeAfter, HedgeConfig, HedgeEvent,
    Jitter, LimiterEvent, PipelineConfig, PipelineEvent, ProducerConsumerPipeline, RateEvent, RateLimiter,
    RateLimiterConfig, RetryConfig, RetryEnd, RetryEvent, RetryPolicy, SlidingLog, SlidingLogConfig, Timeout,
    TimeoutEvent, Verdict,
};

use crate::support::{Bomb, Slow, door, millis, now, secs};

type Told<E> = Arc<Mutex<Vec<E>>>;

/// What a listener was told.
macro_rules! told {
    ($part:expr) => {{
        let told = Told::default();
        let own = told.clone();
        $part.listen(move |event| own.lock().unwrap().push(event.clone())).unwrap();
        // With something that panics as it is dropped.
        $part.listen(|_| std::panic::panic_any(Bomb)).unwrap();
        (told, $part.subscribe())
    }};
}

/// The listener and the subscriber were told the same, and nothing else.
fn were<E: Clone + Debug + PartialEq + 'static>(
    (told, mut events): (Told<E>, Events<E>),
    panics: u64,
    wanted: &[E],
) {
    assert_eq!(*told.lock().unwrap(), wanted);
    for event in wanted {
        assert_eq!(now(events.next()).unwrap().unwrap(), *event);
    }
    assert!(Slow::new(async move { events.next().await }).poll().is_none());
    assert_eq!(panics, wanted.len() as u64, "the listener that panics was called as often");
}

#[test]
fn a_bulkhead_tells_of_permits_and_of_a_full_line() {
    let (door, manual) = door();
    let config = BulkheadConfig { max_concurrent: 1, max_queue: 1, acquire_timeout: secs(5) };
    let bulkhead = Bulkhead::new(&config, &door).unwrap();
    let told = told!(bulkhead);
    let held = bulkhead.try_acquire().unwrap();
    let other = bulkhead.clone();
    let mut wait = Slow::new(async move { other.acquire_owned().await.map(drop) });
    assert!(wait.poll().is_none());
    assert!(now(bulkhead.acquire()).is_err());
    manual.advance(secs(2));
    drop(held);
    assert!(wait.poll().unwrap().is_ok());
    let held = bulkhead.try_acquire().unwrap();
    let other = bulkhead.clone();
    let mut wait = Slow::new(async move { other.acquire_owned().await.map(drop) });
    assert!(wait.poll().is_none());
    manual.advance(secs(5));
    assert!(wait.poll().unwrap().is_err());
    drop(held);
    bulkhead.set_max_concurrent(3).unwrap();
    bulkhead.set_max_concurrent(3).unwrap();
    let at_once = LimiterEvent::Acquired { waited: Duration::ZERO };
    were(
        told,
        bulkhead.callback_panics(),
        &[
            at_once,
            LimiterEvent::Full { limit: 1 },
            LimiterEvent::Acquired { waited: secs(2) },
            at_once,
            LimiterEvent::TimedOut { waited: secs(5) },
            LimiterEvent::Resized { from: 1, to: 3 },
        ],
    );
}

#[test]
fn an_adaptive_limiter_tells_of_its_limit() {
    let (door, manual) = door();
    let limiter = AdaptiveLimiter::new(AimdLimit::default(), secs(1), &door).unwrap();
    let (told, _events) = told!(limiter);
    // A listener may end a call itself.
    let (own, clock) = (limiter.clone(), manual.clone());
    limiter
        .listen(move |event| {
            if let (LimiterEvent::Resized { .. }, Some(permit)) = (event, own.try_acquire()) {
                clock.advance(millis(1));
                permit.end(Verdict::Success);
            }
        })
        .unwrap();
    // Half of the limit is in use, so there is a reason to raise it.
    let _held: Vec<_> = (0..10).map(|_| limiter.try_acquire().unwrap()).collect();
    for _ in 0..20 {
        let permit = now(limiter.acquire()).unwrap();
        manual.advance(millis(200));
        permit.end(Verdict::Success);
    }
    let mut told = told.lock().unwrap();
    told.retain(|event| matches!(event, LimiterEvent::Resized { .. }));
    assert_eq!(*told, [(20, 21), (21, 22)].map(|(from, to)| LimiterEvent::Resized { from, to }));
}

#[test]
fn limiters_of_a_rate_tell_of_refusals() {
    let (door, _) = door();
    let config = RateLimiterConfig { max_wait: secs(1), ..RateLimiterConfig::per_second(1) };
    let limiter = RateLimiter::new(&config, &door).unwrap();
    let told = told!(limiter);
    limiter.try_acquire().unwrap();
    limiter.try_acquire().unwrap_err();
    let refused = RateEvent::Refused { count: 1, retry_after: secs(1) };
    let admitted = RateEvent::Admitted { count: 1, wait: Duration::ZERO };
    were(told, limiter.callback_panics(), &[admitted, refused]);

    let config = SlidingLogConfig { limit: 1, window: secs(1), max_keys: 10 };
    let log = SlidingLog::new(&config, &door).unwrap();
    let told = told!(log);
    log.try_acquire(&"a").unwrap();
    log.try_acquire(&"a").unwrap_err();
    let metrics = log.get_metrics();
    assert_eq!((metrics.admitted, metrics.refused, metrics.keys), (1, 1, Some(1)));
    were(told, log.callback_panics(), &[admitted, refused]);
}

#[test]
fn a_retry_policy_tells_of_attempts_and_ends() {
    let (door, manual) = door();
    let config = RetryConfig { jitter: Jitter::None, ..RetryConfig::default() };
    let policy = RetryPolicy::new(config, &door).unwrap();
    let told = told!(policy);
    let own = policy.clone();
    let mut run =
        Slow::new(async move { own.execute("host", |_| async { Err::<(), _>("connection reset") }).await });
    for wait in [1, 2] {
        assert!(run.poll().is_none());
        manual.advance(secs(wait));
    }
    assert!(run.poll().unwrap().is_err());
    assert_eq!(now(policy.execute("host", |_| async { Ok::<_, String>(1) })).unwrap(), 1);
    let totals = policy.get_totals();
    assert_eq!((totals.success, totals.exhausted, totals.retries), (1, 1, 2));
    let key: Arc<str> = "host".into();
    let retried = |attempt, wait| RetryEvent::Retried { key: key.clone(), attempt, wait };
    let ended = |attempt_count, end| RetryEvent::Ended { key: key.clone(), attempt_count, end };
    were(
        told,
        policy.callback_panics(),
        &[
            retried(1, secs(1)),
            retried(2, secs(2)),
            ended(3, RetryEnd::Exhausted),
            ended(1, RetryEnd::Success),
        ],
    );
}

#[test]
fn a_hedge_and_a_timeout_tell_what_they_did() {
    let (door, manual) = door();
    let config = HedgeConfig { after: HedgeAfter::Fixed(secs(1)), budget: 1.0, ..HedgeConfig::default() };
    let hedge = Hedge::new(config, &door).unwrap();
    let told = told!(hedge);
    let (own, clock) = (hedge.clone(), door.clock.clone());
    let mut run = Slow::new(async move {
        own.run(|copy| {
            let clock = clock.clone();
            async move {
                clock.sleep(secs(if copy == 0 { 60 } else { 1 })).await;
                Ok::<_, ()>(copy)
            }
        })
        .await
    });
    for _ in 0..2 {
        assert!(run.poll().is_none());
        manual.advance(secs(1));
    }
    assert_eq!(run.poll().unwrap(), Ok(1));
    let ended = HedgeEvent::Ended { copy: 1, cancelled: 1, took: secs(2) };
    were(told, hedge.callback_panics(), &[HedgeEvent::Hedged { copy: 1 }, ended]);

    let timeout = Timeout::new(secs(2), &door).unwrap();
    let told = told!(timeout);
    assert_eq!(now(timeout.run(async { 7 })), Ok(7));
    let own = timeout.clone();
    let mut slow = Slow::new(async move { own.run(std::future::pending::<()>()).await });
    assert!(slow.poll().is_none());
    manual.advance(secs(2));
    assert!(slow.poll().unwrap().is_err());
    let metrics = timeout.get_metrics();
    assert_eq!((metrics.in_time, metrics.timed_out), (1, 1));
    were(told, timeout.callback_panics(), &[TimeoutEvent::TimedOut { limit: secs(2) }]);
}

#[tokio::test]
async fn a_pipeline_tells_of_batches_and_of_its_end() {
    let (door, _) = door();
    let config = PipelineConfig { batch_size: 2, ..PipelineConfig::default() };
    let sink = |batch: &[u32]| if batch.contains(&13) { Err("thirteen".into()) } else { Ok(()) };
    let pipeline = ProducerConsumerPipeline::new(config, sink, &door).unwrap();
    let told = told!(pipeline);
    pipeline.start();
    for item in [1, 2, 13, 14, 15] {
        let _ = pipeline.put(item).await;
    }
    let left = pipeline.stop(true).await;
    assert_eq!(left.returned, [13, 14, 15]);
    let why: Arc<str> = "thirteen".into();
    were(
        told,
        pipeline.callback_panics(),
        &[
            PipelineEvent::Processed { items: 2 },
            PipelineEvent::Failed { items: 2, error: why.clone() },
            PipelineEvent::Stopped { returned: 3, error: Some(why) },
        ],
    );
}
