use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use longshore_resilience::{
    AttemptError, BulkheadConfig, CallError, CallPolicy, CircuitBreaker, CircuitBreakerConfig, Fault,
    FixedLimit, HedgeAfter, HedgeConfig, Jitter, RateLimiterConfig, RetryConfig,
};

use longshore_telemetry::{Exposition, Registry};

use crate::support::{Slow, door, millis, now, secs};

/// Counts calls.
#[derive(Clone, Default)]
struct Calls(Rc<Cell<u32>>);

impl Calls {
    fn fail(&self) -> impl Fn() -> std::future::Ready<Result<u32, String>> + use<> {
        let calls = self.0.clone();
        move || {
            calls.set(calls.get() + 1);
            std::future::ready(Err("connection reset".to_owned()))
        }
    }

    fn hang(&self) -> impl Fn() -> std::future::Pending<Result<u32, String>> + use<> {
        let calls = self.0.clone();
        move || {
            calls.set(calls.get() + 1);
            std::future::pending()
        }
    }

    fn count(&self) -> u32 {
        self.0.get()
    }
}

fn retry(max_attempts: u32) -> RetryConfig {
    RetryConfig { max_attempts, base_delay: secs(1), jitter: Jitter::None, ..RetryConfig::default() }
}

#[test]
fn nothing_is_around_a_call_that_asks_for_nothing() {
    let (door, _) = door();
    let policy = CallPolicy::builder(&door).build().unwrap();
    assert_eq!(now(policy.call("host", || async { Ok::<_, String>(7) })).unwrap(), 7);
    let calls = Calls::default();
    let error = now(policy.call("host", calls.fail())).unwrap_err();
    assert!(matches!(&error, CallError::Attempt(AttemptError::Failed(_))) && !error.is_local(), "{error}");
}

#[test]
fn a_policy_shows_its_parts_and_may_share_a_breaker() {
    let (door, _) = door();
    let breaker = CircuitBreaker::new(CircuitBreakerConfig::simple("host", 1, secs(30)), &door).unwrap();
    let policy = CallPolicy::builder(&door).shared_breaker(breaker.clone()).timeout(secs(5)).build().unwrap();
    now(policy.call("host", Calls::default().fail())).unwrap_err();
    assert!(breaker.is_open());
    let registry = Registry::default();
    registry.register("prices", policy.clone()).unwrap();
    let mut page = Exposition::default();
    registry.expose(&mut page);
    let page = page.finish();
    for line in [
        "longshore_circuit_state{name=\"prices\"} 2",
        "longshore_timeout_calls_total{name=\"prices\",outcome=\"in_time\"} 1",
    ] {
        assert!(page.contains(line), "{page}");
    }
}

#[test]
fn each_attempt_passes_the_breaker_and_its_refusal_is_not_tried_again() {
    let (door, manual) = door();
    let calls = Calls::default();
    let policy = CallPolicy::builder(&door)
        .timeout(secs(5))
        .breaker(CircuitBreakerConfig::simple("host", 2, secs(30)))
        .retry(retry(5))
        .build()
        .unwrap();
    let mut call = Slow::new({
        let (policy, call) = (policy.clone(), calls.fail());
        async move { policy.call("host", call).await }
    });
    assert!(call.poll().is_none());
    manual.advance(secs(1));
    assert!(call.poll().is_none(), "it waits before the third attempt");
    manual.advance(secs(2));
    let error = call.poll().unwrap().unwrap_err();
    assert!(matches!(&error, CallError::Attempt(AttemptError::Open(_))) && error.is_local(), "{error}");
    assert_eq!(calls.count(), 2);
    assert_eq!(policy.breaker().unwrap().get_metrics().total_rejected, 1);
}

#[test]
fn a_refusal_from_inside_says_nothing_to_the_breaker_and_a_timeout_does() {
    let (door, manual) = door();
    let calls = Calls::default();
    let one = BulkheadConfig { max_concurrent: 1, max_queue: 0, ..BulkheadConfig::default() };
    let policy = CallPolicy::builder(&door)
        .breaker(CircuitBreakerConfig::simple("host", 1, secs(30)))
        .bulkhead(&one)
        .timeout(secs(2))
        .build()
        .unwrap();
    let mut first = Slow::new({
        let (policy, call) = (policy.clone(), calls.hang());
        async move { policy.call("host", call).await }
    });
    assert!(first.poll().is_none());
    let refused = now(policy.call("host", calls.hang())).unwrap_err();
    assert!(matches!(&refused, CallError::Attempt(AttemptError::Bulkhead(_))) && refused.is_local());
    assert!(policy.breaker().unwrap().is_closed());
    manual.advance(secs(2));
    let late = first.poll().unwrap().unwrap_err();
    assert!(matches!(&late, CallError::Attempt(AttemptError::Timeout(_))) && !late.is_local(), "{late}");
    assert!(policy.breaker().unwrap().is_open());
    assert_eq!(calls.count(), 1);
}

#[test]
fn the_time_of_an_attempt_begins_with_its_permit() {
    let (door, manual) = door();
    let calls = Calls::default();
    let policy =
        CallPolicy::builder(&door).adaptive(FixedLimit(1), secs(60)).timeout(secs(2)).build().unwrap();
    let mut both: Vec<_> = (0..2)
        .map(|_| {
            let (policy, call) = (policy.clone(), calls.hang());
            Slow::new(async move { policy.call("host", call).await })
        })
        .collect();
    assert!(both.iter_mut().all(|call| call.poll().is_none()));
    manual.advance(secs(2));
    assert!(both[0].poll().is_some());
    assert!(both[1].poll().is_none(), "it has only begun");
    assert_eq!(calls.count(), 2);
    manual.advance(millis(1_999));
    assert!(both[1].poll().is_none());
    manual.advance(millis(1));
    assert!(both[1].poll().is_some());
}

#[test]
fn the_deadline_is_over_all_of_it() {
    let (door, manual) = door();
    let calls = Calls::default();
    let policy = CallPolicy::builder(&door).retry(retry(9)).deadline(secs(2)).build().unwrap();
    let mut call = Slow::new({
        let (policy, call) = (policy.clone(), calls.fail());
        async move { policy.call("host", call).await }
    });
    assert!(call.poll().is_none());
    manual.advance(secs(1));
    assert!(call.poll().is_none());
    manual.advance(secs(1));
    let error = call.poll().unwrap().unwrap_err();
    assert!(matches!(error, CallError::Deadline(_)), "{error}");
    assert_eq!(error.to_string(), "the whole call timed out after 2s");
    assert_eq!(calls.count(), 2);
}

#[test]
fn a_copy_is_one_more_call_within_the_rate() {
    let (door, manual) = door();
    let calls = Calls::default();
    let hedge = HedgeConfig { after: HedgeAfter::Fixed(secs(1)), budget: 1.0, ..HedgeConfig::default() };
    let rate = RateLimiterConfig { per: secs(60), ..RateLimiterConfig::per_second(1) };
    let policy = CallPolicy::builder(&door).hedge(hedge).rate(&rate).build().unwrap();
    let mut call = Slow::new({
        let (policy, call) = (policy.clone(), calls.hang());
        async move { policy.call("host", call).await }
    });
    assert!(call.poll().is_none());
    manual.advance(secs(1));
    assert!(call.poll().is_none(), "the first copy is still out");
    assert_eq!(calls.count(), 1, "the second one came too early");
}

#[test]
fn the_first_part_that_cannot_be_is_named() {
    let (door, _) = door();
    let field =
        |builder: longshore_resilience::CallPolicyBuilder| builder.build().err().map(|error| error.field);
    assert_eq!(field(CallPolicy::builder(&door).deadline(Duration::ZERO)).as_deref(), Some("deadline"));
    assert_eq!(
        field(CallPolicy::builder(&door).timeout(Duration::ZERO).retry(retry(0))).as_deref(),
        Some("timeout")
    );
    assert_eq!(field(CallPolicy::builder(&door).retry(retry(0))).as_deref(), Some("max_attempts"));
}

#[test]
fn a_wait_for_a_place_is_no_slowness_of_the_other_side() {
    let (door, manual) = door();
    let one = BulkheadConfig { max_concurrent: 1, acquire_timeout: secs(60), ..BulkheadConfig::default() };
    let slow = CircuitBreakerConfig {
        slow_call_rate_threshold: Some(0.1),
        minimum_calls: 2,
        ..CircuitBreakerConfig::default()
    };
    let rate = RateLimiterConfig { max_wait: secs(60), ..RateLimiterConfig::per_second(1) };
    let policies = [
        CallPolicy::builder(&door).breaker(slow.clone()).bulkhead(&one),
        CallPolicy::builder(&door).breaker(slow.clone()).rate(&rate),
        CallPolicy::builder(&door).breaker(slow).adaptive(FixedLimit(1), secs(60)),
    ];
    for policy in policies {
        let policy = policy.build().unwrap();
        let mut calls: Vec<_> = (0..5)
            .map(|_| {
                let (policy, clock) = (policy.clone(), door.clock.clone());
                let call = move || {
                    let clock = clock.clone();
                    async move {
                        clock.sleep(millis(300)).await;
                        Ok::<_, String>(())
                    }
                };
                Slow::new(async move { policy.call("host", call).await.unwrap() })
            })
            .collect();
        for _ in 0..1_000 {
            calls.retain_mut(|call| call.poll().is_none());
            manual.advance(millis(10));
        }
        assert!(calls.is_empty());
        let metrics = policy.breaker().unwrap().get_metrics();
        assert_eq!((metrics.success_count, metrics.slow_count), (5, 0));
    }
}

#[test]
fn a_refused_copy_does_not_hide_why_the_other_one_failed() {
    let (door, manual) = door();
    let hedge = HedgeConfig { after: HedgeAfter::Fixed(millis(10)), budget: 1.0, ..HedgeConfig::default() };
    let one = BulkheadConfig { max_concurrent: 1, acquire_timeout: millis(100), ..BulkheadConfig::default() };
    let policy = CallPolicy::builder(&door).hedge(hedge).bulkhead(&one).build().unwrap();
    let bulkhead = policy.bulkhead().unwrap().clone();
    let clock = door.clock.clone();
    let call = move || {
        let clock = clock.clone();
        async move {
            clock.sleep(millis(50)).await;
            Err::<(), _>("connection reset".to_owned())
        }
    };
    let mut call = Slow::new(async move { policy.call("host", call).await });
    let mut other = Slow::new(async move { bulkhead.acquire_owned().await.unwrap() });
    assert!(call.poll().is_none());
    assert!(other.poll().is_none(), "it stands in line before the copy");
    let mut held = None;
    for _ in 0..30 {
        manual.advance(millis(10));
        held = held.or_else(|| other.poll());
        if let Some(ended) = call.poll() {
            let error = ended.unwrap_err();
            assert!(held.is_some() && !error.is_local(), "{error}");
            assert_eq!(error.to_string(), "connection reset");
            return;
        }
    }
    panic!("it never ended");
}
