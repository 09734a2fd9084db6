use std::cell::{Cell, RefCell};
use std::error::Error;
use std::io::ErrorKind as Kind;
use std::rc::Rc;
use std::time::Duration;

use longshore_clock::Timestamp;
use longshore_resilience::{
    AcquisitionTimeoutError, Advice, AttemptError, BoxError, CallPolicy, HedgeAfter, HedgeConfig, Jitter,
    RetryConfig, RetryEnd, RetryError, RetryLimit, RetryPolicy,
};
use proptest::prelude::*;

use crate::support::{Slow, door, millis, now, secs};

fn plain(max_attempts: u32) -> RetryConfig {
    RetryConfig { max_attempts, jitter: Jitter::None, retry_budget: None, ..RetryConfig::default() }
}

#[test]
fn waits_double_up_to_their_cap() {
    let config = RetryConfig::default();
    assert_eq!([1, 2, 3].map(|attempt| config.calculate_delay(attempt).as_secs()), [1, 2, 4]);
    let config = RetryConfig { base_delay: secs(10), max_delay: secs(30), ..config };
    assert_eq!(config.calculate_delay(5), secs(30));
    assert_eq!(config.calculate_delay(u32::MAX), secs(30));
    assert_eq!(RetryConfig::default().max_retries(4).max_attempts, 5);
}

#[test]
fn it_tries_again_waits_and_tells_what_happened() {
    let (door, manual) = door();
    let policy = RetryPolicy::new(plain(3), &door).unwrap();
    let calls = Rc::new(RefCell::new(Vec::new()));
    let (noted, own) = (calls.clone(), policy.clone());
    let clock = door.clock.clone();
    let mut run = Slow::new(async move {
        own.execute_with_metrics("host", |attempt| {
            noted.borrow_mut().push((attempt, clock.uptime()));
            async move { if attempt < 3 { Err("connection reset".to_owned()) } else { Ok(42) } }
        })
        .await
    });
    assert!(run.poll().is_none());
    manual.advance(secs(1));
    assert!(run.poll().is_none());
    manual.advance(secs(2));
    let execution = run.poll().unwrap();
    assert_eq!(execution.value.unwrap(), 42);
    assert_eq!((execution.attempt_count, execution.total_delay), (3, secs(3)));
    assert_eq!(execution.attempts[1].delay, Some(secs(2)));
    assert_eq!(*calls.borrow(), [(1, secs(0)), (2, secs(1)), (3, secs(3))]);
    let metrics = policy.get_metrics("host");
    assert_eq!((metrics.calls, metrics.retries, metrics.total_delay_ms), (1, 2, 3_000));
    assert_eq!((metrics.final_result, metrics.attempt_count), (RetryEnd::Success, 2));
    // Both were noted in the first tenth of a window of a minute.
    manual.advance(secs(58));
    assert_eq!(policy.get_metrics("host").attempt_count, 0);
    assert_eq!(policy.get_metrics("host").retries, 2);
}

#[test]
fn what_is_not_worth_it_passes_unchanged() {
    let (door, _) = door();
    let policy = RetryPolicy::new(plain(3), &door).unwrap();
    let ended = now(policy.execute("k", |_| async { Err::<(), _>("no such thing") }));
    assert!(matches!(ended, Err(RetryError::Passed("no such thing"))));
    assert_eq!(policy.get_metrics("k").final_result, RetryEnd::NotTransient);
    let once = RetryPolicy::new(plain(1), &door).unwrap();
    let error = now(once.execute("k", |_| async { Err::<(), _>("socket closed") })).unwrap_err();
    assert_eq!(error.to_string(), "All 1 attempts exhausted. Last error: socket closed");
}

#[test]
fn the_other_side_may_ask_for_a_longer_wait_and_a_deadline_ends_it_at_once() {
    let (door, manual) = door();
    let config = RetryConfig { deadline: Some(secs(10)), ..plain(5) };
    let policy = RetryPolicy::new(config, &door).unwrap();
    let own = policy.clone();
    let asked = Rc::new(RefCell::new(0));
    let count = asked.clone();
    let mut run = Slow::new(async move {
        let advice = |wish: &u64| Advice::RetryAfter(secs(*wish));
        own.execute_with("k", advice, |attempt| {
            *count.borrow_mut() += 1;
            async move { Err::<(), _>(if attempt == 1 { 7 } else { 4 }) }
        })
        .await
    });
    assert!(run.poll().is_none());
    manual.advance(millis(6_999));
    assert!(run.poll().is_none());
    assert_eq!(*asked.borrow(), 1, "not before the time that the other side asked for");
    manual.advance(millis(1));
    // The second wish would end after the deadline.
    let Some(Err(RetryError::Exhausted(error))) = run.poll() else { panic!("it goes on") };
    assert_eq!((error.attempt_count, error.reason, error.last), (2, RetryLimit::Deadline, 4));
}

#[test]
fn a_budget_that_is_used_up_refuses_before_it_waits() {
    let (door, manual) = door();
    let config = RetryConfig {
        max_attempts: 2,
        base_delay: Duration::ZERO,
        jitter: Jitter::None,
        retry_budget: Some(3),
        budget_ratio: 0.0,
        ..RetryConfig::default()
    };
    let policy = RetryPolicy::new(config, &door).unwrap();
    let fail = |key: &'static str| {
        let own = policy.clone();
        let mut run =
            Slow::new(async move { own.execute(key, |_| async { Err::<(), _>("socket closed") }).await });
        run.poll().unwrap().unwrap_err()
    };
    for _ in 0..3 {
        assert!(matches!(fail("a"), RetryError::Exhausted(_)));
    }
    assert!((policy.get_metrics("a").budget_consumed - 1.0).abs() < 1e-6);
    let RetryError::Budget(error) = fail("a") else { panic!("there is none left") };
    assert_eq!((error.attempt_count, error.key.as_str()), (1, "a"));
    assert!(matches!(fail("b"), RetryError::Exhausted(_)), "keys have budgets of their own");
    manual.advance(secs(20));
    assert!(matches!(fail("a"), RetryError::Exhausted(_)), "a third of the window brings one back");
    assert!(matches!(fail("a"), RetryError::Budget(_)));
    policy.reset_budget("a");
    assert!(matches!(fail("a"), RetryError::Exhausted(_)));
}

#[test]
fn a_status_says_whether_it_is_worth_another_try() {
    let now = Timestamp::from_millis(784_111_777_000);
    let of = |status, header| Advice::of_status(status, header, now);
    for status in [408, 425, 429, 500, 502, 503, 504, 599] {
        assert_eq!(of(status, None), Advice::Retry, "{status}");
    }
    for status in [200, 304, 400, 401, 404, 409, 422, 499] {
        assert_eq!(of(status, Some("5")), Advice::Pass, "{status}");
    }
    for status in [429, 503] {
        assert_eq!(of(status, Some("5")), Advice::RetryAfter(secs(5)));
        assert_eq!(of(status, Some("Sun, 06 Nov 1994 08:49:47 GMT")), Advice::RetryAfter(secs(10)));
        assert_eq!(of(status, Some("soon")), Advice::Retry);
    }
    assert_eq!(of(500, Some("5")), Advice::Retry, "only those two may ask");
}

#[test]
fn what_must_not_happen_twice_is_tried_again_only_if_nothing_was_sent() {
    let (door, manual) = door();
    let retry = RetryPolicy::new(plain(2), &door).unwrap();
    let policy = CallPolicy::builder(&door)
        .retry(plain(2))
        .hedge(HedgeConfig { after: HedgeAfter::Fixed(millis(1)), ..HedgeConfig::default() })
        .build()
        .unwrap();
    for (kind, calls) in [
        (Kind::ConnectionRefused, 2),
        // As a connection may say that was there.
        (Kind::HostUnreachable, 1),
        (Kind::NetworkUnreachable, 1),
        (Kind::ConnectionReset, 1),
        (Kind::TimedOut, 1),
        (Kind::BrokenPipe, 1),
    ] {
        let count = Rc::new(Cell::new(0));
        for by_policy in [false, true] {
            count.set(0);
            let (own, whole, made) = (retry.clone(), policy.clone(), count.clone());
            let mut run = Slow::new(async move {
                let call = || {
                    made.set(made.get() + 1);
                    async move { Err::<(), _>(std::io::Error::from(kind)) }
                };
                if by_policy {
                    drop(whole.call_unrepeatable("k", call).await);
                } else {
                    drop(own.execute_unrepeatable("k", |_| call()).await);
                }
            });
            while run.poll().is_none() {
                manual.advance(secs(1));
            }
            assert_eq!(count.get(), calls, "{kind:?}");
        }
    }
    // Nor is a copy sent while it lasts.
    let made = Rc::new(Cell::new(0));
    let (whole, count) = (policy.clone(), made.clone());
    let mut run = Slow::new(async move {
        whole
            .call_unrepeatable("k", || {
                count.set(count.get() + 1);
                std::future::pending::<Result<(), std::io::Error>>()
            })
            .await
    });
    for _ in 0..10 {
        assert!(run.poll().is_none());
        manual.advance(secs(1));
    }
    assert_eq!(made.get(), 1);
}

#[test]
fn the_last_error_is_the_source() {
    let (door, _) = door();
    let gone = || std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    let retry = RetryPolicy::new(plain(1), &door).unwrap();
    let error = now(retry.execute("k", |_| async { Err::<(), _>(gone()) })).unwrap_err();
    let is_io = |error: &dyn Error| error.source().is_some_and(<dyn Error>::is::<std::io::Error>);
    assert!(is_io(&error));
    let RetryError::Exhausted(error) = error else { panic!("{error}") };
    assert!(is_io(&error));
    let policy = CallPolicy::builder(&door).retry(plain(1)).build().unwrap();
    let error = now(policy.call("k", || async { Err::<(), _>(gone()) })).unwrap_err();
    let last = error.source().and_then(<dyn Error>::downcast_ref::<AttemptError<std::io::Error>>);
    assert!(matches!(last, Some(AttemptError::Failed(error)) if error.kind() == gone().kind()));
}

#[test]
fn a_retry_that_is_not_made_costs_nothing() {
    let (door, manual) = door();
    let config =
        RetryConfig { retry_budget: Some(2), budget_ratio: 0.0, deadline: Some(secs(10)), ..plain(3) };
    let policy = RetryPolicy::new(config, &door).unwrap();
    let fail = || {
        let own = policy.clone();
        Slow::new(async move { own.execute("k", |_| async { Err::<(), _>("socket closed") }).await })
    };
    for _ in 0..5 {
        // Given up while it waits.
        assert!(fail().poll().is_none());
    }
    let metrics = policy.get_metrics("k");
    assert_eq!((metrics.calls, metrics.retries, metrics.attempt_count, metrics.total_delay_ms), (5, 0, 0, 0));
    assert!(metrics.budget_consumed < 1e-6, "{}", metrics.budget_consumed);
    // A runtime that stood still wakes it past its deadline.
    let mut late = fail();
    assert!(late.poll().is_none());
    manual.advance(secs(11));
    let Some(Err(RetryError::Exhausted(error))) = late.poll() else { panic!("it goes on") };
    assert_eq!((error.attempt_count, error.reason), (1, RetryLimit::Deadline));
    assert_eq!((policy.get_totals().retries, policy.get_totals().deadline), (0, 1));
    assert!(policy.get_metrics("k").budget_consumed < 1e-6);
    // The second wait of two is the one that goes on for too long.
    let own = policy.clone();
    let mut last =
        Slow::new(
            async move { own.execute_with_metrics("k", |_| async { Err::<(), _>("socket closed") }).await },
        );
    assert!(last.poll().is_none());
    manual.advance(secs(1));
    assert!(last.poll().is_none());
    manual.advance(secs(20));
    let execution = last.poll().unwrap();
    let delays: Vec<_> = execution.attempts.iter().map(|attempt| attempt.delay).collect();
    assert_eq!((delays, execution.total_delay), (vec![Some(secs(1)), None], secs(1)));
}

#[test]
fn a_wish_to_wait_may_be_left_aside() {
    let (door, manual) = door();
    let policy = RetryPolicy::new(RetryConfig { honour_retry_after: false, ..plain(2) }, &door).unwrap();
    let mut run = Slow::new(async move {
        let advice = |_: &u64| Advice::RetryAfter(secs(60));
        policy.execute_with("k", advice, |_| async { Err::<(), _>(1) }).await
    });
    assert!(run.poll().is_none());
    manual.advance(secs(1));
    assert!(run.poll().is_some(), "the usual wait is over");
}

#[test]
fn each_end_is_told_by_its_name() {
    let (door, _) = door();
    let ends = |config: RetryConfig, call: fn() -> Result<(), BoxError>| {
        let policy = RetryPolicy::new(config, &door).unwrap();
        assert_eq!(policy.get_metrics("k").final_result, RetryEnd::None);
        drop(now(policy.execute("k", |_| async move { call() })));
        let totals = policy.get_totals();
        let counts = [totals.success, totals.exhausted, totals.deadline, totals.budget];
        let counts = [counts.as_slice(), &[totals.not_transient, totals.rejected]].concat();
        (policy.get_metrics("k").final_result, counts.iter().position(|count| *count == 1))
    };
    let reset = || Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset).into());
    let soon = RetryConfig { deadline: Some(millis(1)), ..plain(2) };
    let poor =
        RetryConfig { retry_budget: Some(1), budget_ratio: 0.0, base_delay: Duration::ZERO, ..plain(9) };
    for (end, place, told) in [
        (RetryEnd::Success, 0, ends(plain(2), || Ok(()))),
        (RetryEnd::Exhausted, 1, ends(plain(1), reset)),
        (RetryEnd::Deadline, 2, ends(soon, reset)),
        (RetryEnd::Budget, 3, ends(poor, reset)),
        (RetryEnd::NotTransient, 4, ends(plain(2), || Err("out of paper".into()))),
        (RetryEnd::Rejected, 5, ends(plain(2), || Err(AcquisitionTimeoutError(secs(1)).into()))),
    ] {
        assert_eq!(told, (end, Some(place)));
    }
}

#[test]
fn waits_at_the_cap_are_spread() {
    for (jitter, least, most) in
        [(Jitter::Full, 0.0, 8.0), (Jitter::Equal, 4.0, 8.0), (Jitter::Symmetric, 5.6 / 1.3, 8.0)]
    {
        let (door, manual) = door();
        let config = RetryConfig { max_delay: secs(8), jitter, jitter_factor: 0.3, ..plain(1_010) };
        let policy = RetryPolicy::new(config, &door).unwrap();
        let mut run = Slow::new(async move {
            policy.execute_with_metrics("k", |_| async { Err::<(), _>("socket closed") }).await
        });
        let execution = loop {
            match run.poll() {
                Some(execution) => break execution,
                None => manual.advance(secs(8)),
            }
        };
        // After the first few each is at the cap. Of a thousand a tenth falls into each tenth, more or less.
        let mut tenths = [0; 10];
        for attempt in &execution.attempts[9..1_009] {
            let place = (attempt.delay.unwrap().as_secs_f64() - least) / (most - least);
            tenths[(place * 10.0).clamp(0.0, 9.0) as usize] += 1;
        }
        assert!(tenths.iter().all(|count| (60..=140).contains(count)), "{jitter:?}: {tenths:?}");
    }
}

#[test]
fn senseless_policies_are_refused() {
    let (door, _) = door();
    for (config, field) in [
        (plain(0), "max_attempts"),
        (RetryConfig { jitter_factor: 1.1, ..plain(1) }, "jitter_factor"),
        (RetryConfig { max_delay: millis(1), ..plain(1) }, "max_delay"),
        (RetryConfig { retry_budget: Some(0), ..plain(1) }, "retry_budget"),
        (RetryConfig { budget_ratio: -0.1, ..plain(1) }, "budget_ratio"),
        (RetryConfig { deadline: Some(Duration::ZERO), ..plain(1) }, "deadline"),
        (RetryConfig { budget_ttl: Duration::ZERO, ..plain(1) }, "budget_ttl"),
        (RetryConfig { deadline: Some(Duration::MAX), ..plain(1) }, "deadline"),
    ] {
        assert_eq!(RetryPolicy::new(config, &door).err().unwrap().field, field);
    }
}

fn jitter() -> impl Strategy<Value = Jitter> {
    prop_oneof![
        Just(Jitter::None),
        Just(Jitter::Symmetric),
        Just(Jitter::Full),
        Just(Jitter::Equal),
        Just(Jitter::Decorrelated)
    ]
}

proptest! {
    /// The waits between the attempts of one call, as chance makes them.
    #[test]
    fn waits_stay_within_their_bounds(jitter in jitter(), base in 1..2_000_u64, max in 2_000..9_000_u64) {
        let (door, manual) = door();
        let config = RetryConfig {
            base_delay: millis(base), max_delay: millis(max), jitter, jitter_factor: 0.3, ..plain(8)
        };
        let policy = RetryPolicy::new(config.clone(), &door).unwrap();
        let mut run = Slow::new(async move {
            policy.execute_with_metrics("k", |_| async { Err::<(), _>("socket closed") }).await
        });
        let execution = loop {
            match run.poll() {
                Some(execution) => break execution,
                None => manual.advance(millis(50)),
            }
        };
        let mut before = config.base_delay.as_secs_f64();
        for attempt in execution.attempts {
            let Some(wait) = attempt.delay else { continue };
            let plain = config.calculate_delay(attempt.attempt).as_secs_f64();
            let wait = wait.as_secs_f64();
            prop_assert!(wait <= config.max_delay.as_secs_f64() + 1e-9);
            let (low, high) = match jitter {
                Jitter::None => (plain, plain),
                Jitter::Symmetric => (plain.min(config.max_delay.as_secs_f64() / 1.3) * 0.7, plain * 1.3),
                Jitter::Full => (0.0, plain),
                Jitter::Equal => (plain / 2.0, plain),
                Jitter::Decorrelated => (config.base_delay.as_secs_f64(), 3.0 * before),
            };
            before = wait;
            prop_assert!((low - 1e-9..=high + 1e-9).contains(&wait), "{jitter:?}: {wait}");
        }
    }

    /// In any span the retries stay below what time and calls have brought.
    #[test]
    fn a_budget_bounds_what_failures_add(
        budget in 1..8_u32,
        ratio in 0.0..0.6_f64,
        gaps in prop::collection::vec(0..900_u64, 1..300),
    ) {
        let (door, manual) = door();
        let config = RetryConfig {
            max_attempts: 4,
            base_delay: Duration::ZERO,
            max_delay: millis(1),
            jitter: Jitter::None,
            retry_budget: Some(budget),
            retry_budget_window: secs(20),
            budget_ratio: ratio,
            budget_ttl: secs(5),
            ..RetryConfig::default()
        };
        let policy = RetryPolicy::new(config, &door).unwrap();
        let (mut calls, mut retries) = (Vec::new(), Vec::new());
        for gap in gaps {
            manual.advance(millis(gap));
            let time = door.clock.uptime();
            let own = policy.clone();
            let mut run = Slow::new(async move {
                own.execute_with_metrics("k", |_| async { Err::<(), _>("socket closed") }).await
            });
            calls.push(time);
            retries.extend(vec![time; run.poll().unwrap().attempt_count as usize - 1]);
        }
        let end = door.clock.uptime();
        for start in calls.iter().step_by(7) {
            for span in [0, 700, 5_000, 20_000] {
                let until = (*start + millis(span)).min(end);
                let seen = retries.iter().filter(|at| (*start..=until).contains(at)).count() as f64;
                let time = until.saturating_sub(*start).as_secs_f64();
                let paid = calls.iter().filter(|at| **at + secs(5) >= *start && **at <= until).count() as f64;
                let may = f64::from(budget) * (1.0 + time / 20.0) + ratio * paid;
                prop_assert!(seen <= may + 1e-6, "{seen} retries in {time} s, {may} may");
            }
        }
    }
}
