//! Parts around a tower service, in the order of the guide.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use longshore_clock::Door;
use longshore_resilience::layer::{GuardLayer, HedgeLayer, PolicyLayer, RetryLayer, TimeoutLayer};
use longshore_resilience::{
    Advice, BoxError, Bulkhead, BulkheadConfig, CallPolicy, CircuitBreaker, CircuitBreakerConfig,
    CircuitBreakerError, DeadlineError, Hedge, HedgeConfig, Jitter, RateLimiter, RateLimiterConfig,
    RetryConfig, RetryPolicy, Timeout, TimeoutError, Verdict,
};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

use crate::support::{millis, secs};

fn advice(error: &BoxError) -> Advice {
    if error.is::<CircuitBreakerError>() { Advice::Pass } else { Advice::Retry }
}

/// Fails so many calls, then answers with how many there were.
fn flaky(
    failures: u32,
    calls: Arc<AtomicU32>,
) -> impl Service<u32, Response = u32, Error = BoxError, Future: Send> + Clone {
    service_fn(move |_: u32| {
        let call = calls.fetch_add(1, Ordering::SeqCst) + 1;
        async move { if call <= failures { Err(BoxError::from("no paper")) } else { Ok(call) } }
    })
}

#[tokio::test]
async fn they_compose_and_let_a_call_through() {
    let door = Door::system();
    let calls = Arc::new(AtomicU32::new(0));
    let breaker = CircuitBreaker::new(CircuitBreakerConfig::simple("host", 3, secs(30)), &door).unwrap();
    let retry = RetryConfig { base_delay: Duration::ZERO, jitter: Jitter::None, ..RetryConfig::default() };
    let retry = RetryPolicy::new(retry, &door).unwrap();
    let rate = RateLimiterConfig { burst: 100, ..RateLimiterConfig::per_second(1) };
    let mut service = ServiceBuilder::new()
        .layer(RetryLayer::new(retry, "host", advice))
        .layer(HedgeLayer::new(Hedge::new(HedgeConfig::default(), &door).unwrap()))
        .layer(GuardLayer::new(breaker.clone()))
        .layer(GuardLayer::new(Arc::new(RateLimiter::new(&rate, &door).unwrap())))
        .layer(GuardLayer::new(Bulkhead::new(&BulkheadConfig::default(), &door).unwrap()))
        .layer(TimeoutLayer::new(Timeout::new(secs(5), &door).unwrap()))
        .service(flaky(2, calls.clone()));
    assert_eq!(service.ready().await.unwrap().call(7).await.unwrap(), 3);
    assert_eq!(breaker.get_metrics().failure_count, 2);

    // A breaker that opens ends the tries at once.
    calls.store(0, Ordering::SeqCst);
    let mut service = ServiceBuilder::new()
        .layer(RetryLayer::new(
            RetryPolicy::new(
                RetryConfig {
                    max_attempts: 9,
                    base_delay: Duration::ZERO,
                    jitter: Jitter::None,
                    ..RetryConfig::default()
                },
                &door,
            )
            .unwrap(),
            "host",
            advice,
        ))
        .layer(GuardLayer::new(breaker.clone()))
        .service(flaky(100, calls.clone()));
    let error = service.ready().await.unwrap().call(7).await.unwrap_err();
    assert!(error.is::<CircuitBreakerError>(), "{error}");
    assert_eq!(calls.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_whole_policy_is_a_layer() {
    let door = Door::system();
    let calls = Arc::new(AtomicU32::new(0));
    let retry = RetryConfig { base_delay: Duration::ZERO, jitter: Jitter::None, ..RetryConfig::default() };
    let policy = CallPolicy::builder(&door)
        .retry(RetryConfig { max_attempts: 3, ..retry })
        .breaker(CircuitBreakerConfig::simple("host", 4, secs(30)))
        .timeout(secs(5))
        .build()
        .unwrap();
    let layer = PolicyLayer::new(policy.clone(), "host", advice);
    let mut service = ServiceBuilder::new().layer(layer.clone()).service(flaky(2, calls.clone()));
    assert_eq!(service.ready().await.unwrap().call(7).await.unwrap(), 3);
    let breaker = policy.breaker().unwrap();
    assert!(breaker.is_closed() && breaker.get_metrics().failure_count == 2);

    // The last error comes as it was; then the breaker refuses with its own.
    calls.store(0, Ordering::SeqCst);
    let mut service = ServiceBuilder::new().layer(layer).service(flaky(100, calls.clone()));
    let error = service.ready().await.unwrap().call(7).await.unwrap_err();
    assert_eq!(error.to_string(), "no paper");
    let error = service.ready().await.unwrap().call(7).await.unwrap_err();
    assert!(error.is::<CircuitBreakerError>(), "{error}");
    let made = calls.load(Ordering::SeqCst);
    assert!(breaker.is_open() && (3..=4).contains(&made), "{made}");

    let policy = CallPolicy::builder(&door).deadline(millis(20)).build().unwrap();
    let mut service = ServiceBuilder::new()
        .layer(PolicyLayer::new(policy, "host", advice))
        .service(service_fn(|()| std::future::pending::<Result<(), BoxError>>()));
    assert!(service.ready().await.unwrap().call(()).await.unwrap_err().is::<DeadlineError>());

    // Somebody's patience that ended further inside is no failure of the other side.
    let breaker = CircuitBreaker::new(CircuitBreakerConfig::simple("host", 1, secs(30)), &door).unwrap();
    let inner = CallPolicy::builder(&door).deadline(millis(20)).build().unwrap();
    let mut service = ServiceBuilder::new()
        .layer(GuardLayer::new(breaker.clone()))
        .layer(PolicyLayer::new(inner, "host", advice))
        .service(service_fn(|()| std::future::pending::<Result<(), BoxError>>()));
    service.ready().await.unwrap().call(()).await.unwrap_err();
    assert!(breaker.is_closed());
}

#[tokio::test]
async fn a_verdict_of_ones_own_and_a_timeout_count() {
    let door = Door::system();
    let breaker = CircuitBreaker::new(CircuitBreakerConfig::simple("host", 1, secs(30)), &door).unwrap();
    let judge = |ended: &Result<u32, BoxError>| {
        ended.as_ref().map_or(Verdict::Failure, |status| Verdict::of_status(*status as u16))
    };
    let mut service = ServiceBuilder::new()
        .layer(GuardLayer::new(breaker.clone()).judged_by(judge))
        .layer(TimeoutLayer::new(Timeout::new(millis(20), &door).unwrap()))
        .service(service_fn(|status: u32| async move {
            if status == 0 {
                std::future::pending::<()>().await;
            }
            Ok::<_, BoxError>(status)
        }));
    assert_eq!(service.ready().await.unwrap().call(404).await.unwrap(), 404);
    assert!(breaker.is_closed());
    // A refusal further inside is no failure of the other side.
    let full = BulkheadConfig { max_concurrent: 1, max_queue: 0, ..BulkheadConfig::default() };
    let bulkhead = Bulkhead::new(&full, &door).unwrap();
    let held = bulkhead.try_acquire().unwrap();
    let mut refused = ServiceBuilder::new()
        .layer(GuardLayer::new(breaker.clone()))
        .layer(GuardLayer::new(bulkhead.clone()))
        .service(service_fn(|status: u32| async move { Ok::<_, BoxError>(status) }));
    assert!(refused.ready().await.unwrap().call(1).await.is_err());
    assert!(breaker.is_closed());
    drop(held);
    // Ready and never called: nothing is held.
    service.ready().await.unwrap();
    let error = service.ready().await.unwrap().call(0).await.unwrap_err();
    assert!(error.is::<TimeoutError>());
    assert!(breaker.is_open());
}
