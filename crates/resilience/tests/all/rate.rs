use std::time::Duration;

use longshore_resilience::{RateLimiter, RateLimiterConfig, SlidingLog, SlidingLogConfig};
use proptest::prelude::*;

use crate::support::{Slow, door, millis, now, secs};

fn config(rate: u32, per: Duration, burst: u32, max_wait: Duration) -> RateLimiterConfig {
    RateLimiterConfig { per, burst, max_wait, ..RateLimiterConfig::per_second(rate) }
}

#[test]
fn it_lets_a_burst_through_and_then_one_by_one() {
    let (door, manual) = door();
    let limiter = RateLimiter::new(&config(10, secs(1), 3, Duration::ZERO), &door).unwrap();
    for _ in 0..3 {
        limiter.try_acquire().unwrap();
    }
    assert_eq!(limiter.try_acquire().unwrap_err().retry_after, millis(100));
    manual.advance(millis(99));
    assert_eq!(limiter.try_acquire().unwrap_err().retry_after, millis(1));
    manual.advance(millis(1));
    limiter.try_acquire().unwrap();
    assert!(limiter.try_acquire().is_err());
    let metrics = limiter.get_metrics();
    assert_eq!((metrics.admitted, metrics.refused), (4, 3));
}

#[test]
fn those_who_may_wait_come_in_their_order() {
    let (door, manual) = door();
    let limiter = std::rc::Rc::new(RateLimiter::new(&config(1, secs(1), 1, secs(2)), &door).unwrap());
    now(limiter.acquire()).unwrap();
    let mut waits: Vec<_> = (0..2)
        .map(|_| {
            let limiter = limiter.clone();
            let mut wait = Slow::new(async move { limiter.acquire().await });
            assert!(wait.poll().is_none());
            wait
        })
        .collect();
    let refused = now(limiter.acquire()).unwrap_err();
    assert_eq!(refused.retry_after, secs(3), "a wait of three seconds is too long");
    manual.advance(secs(1));
    assert!(waits[1].poll().is_none());
    assert!(waits[0].poll().unwrap().is_ok());
    manual.advance(secs(1));
    assert!(waits[1].poll().unwrap().is_ok());
}

#[test]
fn those_who_slept_through_a_stall_do_not_come_all_at_once() {
    let (door, manual) = door();
    let limiter = std::rc::Rc::new(RateLimiter::new(&config(50, secs(1), 1, secs(10)), &door).unwrap());
    let mut waiting: Vec<_> = (0..60)
        .map(|_| {
            let limiter = limiter.clone();
            Slow::new(async move { limiter.acquire().await.unwrap() })
        })
        .collect();
    let mut passed = Vec::new();
    let mut look = |waiting: &mut Vec<Slow<()>>| {
        let before = waiting.len();
        waiting.retain_mut(|caller| caller.poll().is_none());
        passed.push(before - waiting.len());
    };
    look(&mut waiting);
    manual.advance(millis(500));
    while !waiting.is_empty() {
        look(&mut waiting);
        manual.advance(millis(20));
    }
    assert!(passed.iter().all(|passed| *passed <= 2), "{passed:?}");
}

#[test]
fn keys_do_not_disturb_one_another_and_are_forgotten() {
    let (door, manual) = door();
    let few = RateLimiterConfig { max_keys: 5, ..config(1, secs(1), 1, Duration::ZERO) };
    let limiter = RateLimiter::keyed(&few, &door).unwrap();
    for key in 0..1_000 {
        let _ = limiter.try_acquire_for(&key);
    }
    let metrics = limiter.get_metrics();
    assert_eq!(
        (metrics.keys, metrics.admitted),
        (Some(5), 6),
        "those without a state of their own share one"
    );
    manual.advance(secs(2));
    limiter.try_acquire_for(&5_000).unwrap();
    limiter.try_acquire_for(&5_001).unwrap();
    assert!(limiter.try_acquire_for(&5_000).is_err());
}

#[test]
fn more_than_the_burst_at_once_is_a_mistake() {
    let (door, _) = door();
    let limiter = RateLimiter::new(&config(10, secs(1), 3, Duration::ZERO), &door).unwrap();
    assert!(now(limiter.acquire_many(3)).unwrap().is_ok());
    assert_eq!(now(limiter.acquire_many(4)).unwrap_err().field, "count");
    for (wrong, field) in [
        (config(0, secs(1), 1, secs(0)), "rate"),
        (config(1, secs(1), 0, secs(0)), "burst"),
        (config(1, secs(0), 1, secs(0)), "per"),
        (config(1, secs(86_400), 250_000, secs(0)), "burst"),
        (RateLimiterConfig { max_keys: 0, ..RateLimiterConfig::per_second(1) }, "max_keys"),
    ] {
        assert_eq!(RateLimiter::new(&wrong, &door).err().unwrap().field, field);
    }
    let wrong = SlidingLogConfig { limit: 0, window: secs(1), max_keys: 1 };
    assert_eq!(SlidingLog::<u8>::new(&wrong, &door).err().unwrap().field, "limit");
}

#[test]
fn trying_again_does_not_move_the_end_of_a_window() {
    let (door, manual) = door();
    let log =
        SlidingLog::new(&SlidingLogConfig { limit: 100, window: secs(1_800), max_keys: 10 }, &door).unwrap();
    let mut left = (0..100).map(|_| log.try_acquire(&"ann").unwrap());
    assert_eq!((left.next(), left.last()), (Some(99), Some(0)));
    for _ in 0..220 {
        manual.advance(secs(1));
        assert!(log.try_acquire(&"ann").is_err());
    }
    assert_eq!(log.try_acquire(&"ann").unwrap_err().retry_after, secs(1_580));
    assert!(log.try_acquire(&"bob").is_ok());
    manual.advance(secs(1_580));
    assert!(log.try_acquire(&"ann").is_ok());
}

/// The most that lie within a window.
fn most_within(times: &[Duration], window: Duration) -> usize {
    let within =
        |first: &Duration| times.iter().filter(|time| (*first..*first + window).contains(time)).count();
    times.iter().map(within).max().unwrap_or(0)
}

proptest! {
    #[test]
    fn no_span_holds_more_than_it_may(
        rate in 1..50_u32,
        burst in 1..6_u32,
        wait in 0..400_u64,
        gaps in prop::collection::vec(0..120_u64, 1..150),
    ) {
        let (door, manual) = door();
        let limiter =
            std::rc::Rc::new(RateLimiter::new(&config(rate, secs(1), burst, millis(wait)), &door).unwrap());
        let (mut admitted, mut waits) = (Vec::new(), Vec::new());
        for gap in gaps.into_iter().chain([500; 2]) {
            for _ in 0..gap {
                manual.advance(millis(1));
                waits.retain_mut(|wait: &mut Slow<Result<(), _>>| {
                    let ended = wait.poll();
                    if ended.as_ref().is_some_and(Result::is_ok) {
                        admitted.push(door.clock.uptime());
                    }
                    ended.is_none()
                });
            }
            let other = limiter.clone();
            waits.push(Slow::new(async move { other.acquire().await }));
        }
        for span in [1, 50, 333, 1_000] {
            // Waits end on whole milliseconds, which may bring one more into a span.
            let may = f64::from(burst) + f64::from(rate) * (span as f64 + 1.0) / 1_000.0;
            let most = most_within(&admitted, millis(span));
            prop_assert!(most as f64 <= may.ceil(), "{most} in {span} ms, {may} may");
        }
    }

    #[test]
    fn no_window_holds_more_than_the_limit(
        limit in 1..12_usize,
        window in 1..300_u64,
        gaps in prop::collection::vec(0..40_u64, 1..200),
    ) {
        let (door, manual) = door();
        let log = SlidingLog::new(&SlidingLogConfig { limit, window: millis(window), max_keys: 1 }, &door).unwrap();
        let mut admitted: Vec<Duration> = Vec::new();
        for gap in gaps {
            manual.advance(millis(gap));
            let time = door.clock.uptime();
            let lately = admitted.iter().filter(|at| **at + millis(window) > time).count();
            match log.try_acquire(&()) {
                Ok(left) => {
                    admitted.push(time);
                    prop_assert_eq!(left, limit - lately - 1);
                }
                Err(error) => {
                    prop_assert_eq!(lately, limit);
                    let oldest = admitted[admitted.len() - limit];
                    prop_assert_eq!(time + error.retry_after, oldest + millis(window));
                }
            }
        }
        prop_assert!(most_within(&admitted, millis(window)) <= limit);
    }
}
