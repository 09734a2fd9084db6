//! What holds in whatever order threads run: thousands of orders, drawn by chance.
//!
//! `cargo nextest run -p longshore-resilience --features shuttle --test shuttle`

#![expect(clippy::unwrap_used, reason = "what goes wrong here fails the test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use longshore_clock::{Door, Timestamp};
use longshore_resilience::{
    CircuitBreaker, CircuitBreakerConfig, RateLimiter, RateLimiterConfig, SemaphoreLimiter,
    SemaphoreLimiterConfig,
};
use shuttle::future::block_on;
use shuttle::thread;

/// Orders that are tried.
const ORDERS: usize = 3_000;

/// Tries orders, on stacks with room: those of shuttle are small, and a debug build copies much.
fn check(run: impl Fn() + Send + Sync + 'static) {
    let mut config = shuttle::Config::new();
    config.stack_size = 1 << 18;
    let scheduler = shuttle::scheduler::RandomScheduler::new(ORDERS);
    shuttle::Runner::new(scheduler, config).run(run);
}

fn door() -> Door {
    Door::manual(Timestamp::ZERO, 1).0
}

/// Runs it in several threads at once, and waits for all.
fn together(count: usize, run: impl Fn(usize) + Send + Sync + 'static) {
    let run = Arc::new(run);
    let threads: Vec<_> = (0..count)
        .map(|number| {
            let run = run.clone();
            thread::spawn(move || run(number))
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn no_more_permits_are_out_than_may_be_and_all_come_back() {
    check(|| {
        let config = SemaphoreLimiterConfig { max_concurrent: 2, ..SemaphoreLimiterConfig::default() };
        let limiter = SemaphoreLimiter::new(&config, &door()).unwrap();
        let (own, out) = (limiter.clone(), Arc::new(AtomicUsize::new(0)));
        together(4, move |number| {
            if number == 0 {
                // Lowered and raised while others come and go; never above what it was.
                own.set_max_concurrent(1).unwrap();
                own.set_max_concurrent(2).unwrap();
                return;
            }
            for _ in 0..2 {
                let permit = block_on(own.acquire()).unwrap();
                assert!(out.fetch_add(1, Ordering::SeqCst) < 2);
                thread::yield_now();
                out.fetch_sub(1, Ordering::SeqCst);
                drop(permit);
            }
        });
        let permits = (limiter.try_acquire().unwrap(), limiter.try_acquire().unwrap());
        assert!(limiter.try_acquire().is_none());
        drop(permits);
        let metrics = limiter.get_metrics();
        assert_eq!((metrics.current_active, metrics.waiting, metrics.max_concurrent), (0, 0, 2));
    });
}

#[test]
fn the_peak_is_what_was_out_at_once() {
    let order = AtomicUsize::new(0);
    check(move || {
        let config = SemaphoreLimiterConfig { max_concurrent: 4, ..SemaphoreLimiterConfig::default() };
        let limiter = SemaphoreLimiter::new(&config, &door()).unwrap();
        let (own, out) = (limiter.clone(), Arc::new(AtomicUsize::new(0)));
        // The most that may have been out at once: a permit is out at most from before it is asked for until after it
        // was given back.
        let most = Arc::new(AtomicUsize::new(0));
        let bound = most.clone();
        together(4, move |_| {
            for _ in 0..4 {
                bound.fetch_max(out.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                drop(own.try_acquire().expect("as many permits as threads"));
                out.fetch_sub(1, Ordering::SeqCst);
            }
        });
        // In every other order: a look at the figures gathers what is spread.
        if order.fetch_add(1, Ordering::SeqCst) % 2 == 0 {
            let metrics = limiter.get_metrics();
            assert_eq!((metrics.current_active, metrics.total_acquisitions), (0, 16));
            assert!((1..=most.load(Ordering::SeqCst)).contains(&metrics.peak_active), "{metrics:?}");
        }
        let two = [(); 2].map(|()| limiter.try_acquire().unwrap());
        assert!(limiter.get_metrics().peak_active >= 2);
        drop(two);
    });
}

#[test]
fn the_peak_is_no_more_than_the_limit_whatever_it_is_changed_to() {
    check(|| {
        let config = SemaphoreLimiterConfig { max_concurrent: 2, ..SemaphoreLimiterConfig::default() };
        let limiter = SemaphoreLimiter::new(&config, &door()).unwrap();
        let own = limiter.clone();
        together(4, move |number| {
            if number == 0 {
                own.set_max_concurrent(4).unwrap();
                own.set_max_concurrent(1).unwrap();
                return;
            }
            // Three threads, one permit at a time.
            for _ in 0..3 {
                drop(own.try_acquire());
            }
        });
        let metrics = limiter.get_metrics();
        assert!((1..=3).contains(&metrics.peak_active), "{metrics:?}");
        assert_eq!((metrics.current_active, metrics.max_concurrent), (0, 1));
        let only = limiter.try_acquire().unwrap();
        assert!(limiter.try_acquire().is_none());
        drop(only);
    });
}

#[test]
fn a_permit_that_is_free_is_found_while_the_limit_changes() {
    check(|| {
        let config = SemaphoreLimiterConfig { max_concurrent: 3, ..SemaphoreLimiterConfig::default() };
        let limiter = SemaphoreLimiter::new(&config, &door()).unwrap();
        let held = limiter.try_acquire_owned().unwrap();
        let own = limiter.clone();
        together(2, move |number| {
            if number == 0 {
                own.set_max_concurrent(2).unwrap();
                own.set_max_concurrent(5).unwrap();
                return;
            }
            // One is out, and the limit is never below two.
            for _ in 0..4 {
                drop(own.try_acquire().expect("one is free"));
            }
        });
        drop(held);
    });
}

#[test]
fn who_leaves_the_line_takes_no_permit_along() {
    check(|| {
        let config = SemaphoreLimiterConfig { max_concurrent: 1, ..SemaphoreLimiterConfig::default() };
        let limiter = SemaphoreLimiter::new(&config, &door()).unwrap();
        let own = limiter.clone();
        together(3, move |number| {
            if number == 0 {
                drop(block_on(own.acquire()).unwrap());
                return;
            }
            // Looks once and leaves, granted or not.
            let mut wait = Box::pin(own.acquire());
            block_on(std::future::poll_fn(|context| {
                let _ = wait.as_mut().poll(context);
                std::task::Poll::Ready(())
            }));
            thread::yield_now();
            drop(wait);
        });
        assert!(limiter.try_acquire().is_some());
    });
}

#[test]
fn a_rate_lets_through_what_it_may_and_no_more() {
    check(|| {
        let config = RateLimiterConfig { burst: 3, ..RateLimiterConfig::per_second(1) };
        let limiter = Arc::new(RateLimiter::new(&config, &door()).unwrap());
        let (own, admitted) = (limiter.clone(), Arc::new(AtomicUsize::new(0)));
        let count = admitted.clone();
        together(3, move |_| {
            for _ in 0..2 {
                count.fetch_add(usize::from(own.try_acquire().is_ok()), Ordering::SeqCst);
            }
        });
        assert_eq!(admitted.load(Ordering::SeqCst), 3);
    });
}

#[test]
fn one_probe_is_out_at_a_time_and_each_call_counts_once() {
    check(|| {
        let (door, manual) = Door::manual(Timestamp::ZERO, 1);
        let config = CircuitBreakerConfig {
            half_open_max_calls: 2,
            ..CircuitBreakerConfig::simple("host", 1, Duration::from_secs(1))
        };
        let breaker = CircuitBreaker::new(config, &door).unwrap();
        breaker.admit().unwrap().failure();
        manual.advance(Duration::from_secs(1));
        let (own, out) = (breaker.clone(), Arc::new(AtomicUsize::new(0)));
        let ended = Arc::new(AtomicUsize::new(0));
        let count = ended.clone();
        together(3, move |_| {
            let Ok(admission) = own.admit() else { return };
            let probes = !own.is_closed();
            let others = out.fetch_add(1, Ordering::SeqCst);
            assert!(!probes || others == 0, "two probes at a time");
            out.fetch_sub(1, Ordering::SeqCst);
            admission.success();
            count.fetch_add(1, Ordering::SeqCst);
        });
        let metrics = breaker.get_metrics();
        assert_eq!(metrics.success_count as usize, ended.load(Ordering::SeqCst));
        assert_eq!(breaker.is_closed(), metrics.success_count >= 2);
    });
}

#[test]
fn no_end_of_a_call_is_lost_while_a_breaker_turns_from_well_to_ill() {
    check(|| {
        let (door, manual) = Door::manual(Timestamp::ZERO, 1);
        let config = CircuitBreakerConfig {
            failure_threshold: Some(2),
            error_rate_threshold: None,
            slow_call_rate_threshold: None,
            ..CircuitBreakerConfig::default()
        };
        let breaker = CircuitBreaker::new(config, &door).unwrap();
        let own = breaker.clone();
        together(4, move |number| {
            for call in 0..3 {
                let Ok(admission) = own.admit() else { continue };
                match (number, call) {
                    (0, 1) => admission.failure(),
                    (1, _) => {
                        manual.advance(Duration::from_secs(1));
                        admission.success();
                    }
                    (2, 2) => {
                        assert!(own.get_metrics().success_count <= 11);
                        admission.success();
                    }
                    _ => admission.success(),
                }
            }
        });
        let metrics = breaker.get_metrics();
        assert_eq!((metrics.success_count, metrics.failure_count), (11, 1));
        assert_eq!((metrics.window.total, metrics.window.failures), (12, 1));
        assert!(breaker.is_closed());
        breaker.admit().unwrap().failure();
        assert!(breaker.is_open());
    });
}
