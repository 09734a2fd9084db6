//! What each part adds to a call: alone, and with 64 tasks on one of it.
//!
//! `cargo bench -p longshore-resilience`

#![expect(clippy::unwrap_used, reason = "what goes wrong here ends the run")]

use std::hint::black_box;
use std::num::NonZeroU32;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use longshore_clock::Door;
use longshore_resilience::{
    Bulkhead, BulkheadConfig, CircuitBreaker, CircuitBreakerConfig, RateLimiter, RateLimiterConfig,
    RetryConfig, RetryPolicy, SemaphoreLimiter, SemaphoreLimiterConfig,
};
use tokio::runtime::Builder;

fn breaker(door: &Door) -> CircuitBreaker {
    CircuitBreaker::new(CircuitBreakerConfig::default(), door).unwrap()
}

fn limiter(door: &Door) -> SemaphoreLimiter {
    SemaphoreLimiter::new(&SemaphoreLimiterConfig::default(), door).unwrap()
}

async fn call() -> Result<u32, String> {
    Ok(black_box(7))
}

fn uncontended(criterion: &mut Criterion) {
    let (door, runtime) = (Door::system(), Builder::new_current_thread().enable_time().build().unwrap());
    let mut group = criterion.benchmark_group("uncontended");
    let (breaker, limiter) = (breaker(&door), limiter(&door));
    let bulkhead = Bulkhead::new(&BulkheadConfig::default(), &door).unwrap();
    let retry = RetryPolicy::new(RetryConfig::default(), &door).unwrap();
    let mut time = |name: &str, run: &mut dyn FnMut(u64) -> Duration| {
        group.bench_function(name, |bencher| bencher.iter_custom(&mut *run));
    };
    macro_rules! each {
        ($call:expr) => {
            &mut |count| {
                let watch = longshore_clock::Stopwatch::start();
                runtime.block_on(async {
                    for _ in 0..count {
                        let _ = black_box($call);
                    }
                });
                watch.elapsed()
            }
        };
    }
    time("nothing", each!(call().await));
    time("breaker", each!(breaker.call(call).await));
    time("limiter", each!(limiter.acquire().await));
    time("bulkhead", each!(bulkhead.acquire().await));
    time("retry", each!(retry.execute("host", |_| call()).await));
    group.finish();
}

/// The same rate, so high that all are let through, in both.
fn rates(criterion: &mut Criterion) {
    let door = Door::system();
    let mut group = criterion.benchmark_group("rate");
    let config = RateLimiterConfig { burst: 1_000_000, ..RateLimiterConfig::per_second(1_000_000_000) };
    let ours = RateLimiter::new(&config, &door).unwrap();
    group.bench_function("ours", |bencher| bencher.iter(|| black_box(ours.try_acquire())));
    let most = NonZeroU32::new(1_000_000_000).unwrap();
    let quota = governor::Quota::per_second(most).allow_burst(most);
    let theirs = governor::RateLimiter::direct(quota);
    group.bench_function("governor", |bencher| bencher.iter(|| black_box(theirs.check())));
    let ours = RateLimiter::keyed(&config, &door).unwrap();
    group.bench_function("ours, by key", |bencher| bencher.iter(|| black_box(ours.try_acquire_for(&7_u64))));
    let theirs = governor::RateLimiter::keyed(quota);
    group.bench_function("governor, by key", |bencher| bencher.iter(|| black_box(theirs.check_key(&7_u64))));
    group.finish();
}

const TASKS: u64 = 64;

fn contended(criterion: &mut Criterion) {
    let (door, runtime) = (Door::system(), Builder::new_multi_thread().enable_time().build().unwrap());
    let mut group = criterion.benchmark_group("64 tasks");
    group.throughput(Throughput::Elements(1));
    /// So many calls, shared by 64 tasks.
    macro_rules! crowd {
        ($name:literal, $part:expr, $own:ident => $call:expr) => {
            let part = $part;
            group.bench_function($name, |bencher| {
                bencher.iter_custom(|count| {
                    let each = count.div_ceil(TASKS);
                    runtime.block_on(async {
                        let watch = longshore_clock::Stopwatch::start();
                        let tasks = (0..TASKS).map(|_| {
                            let $own = part.clone();
                            tokio::spawn(async move {
                                for _ in 0..each {
                                    let _ = black_box($call.await);
                                }
                            })
                        });
                        for task in tasks.collect::<Vec<_>>() {
                            task.await.unwrap();
                        }
                        watch.elapsed()
                    })
                });
            });
        };
    }
    crowd!("breaker", breaker(&door), own => own.call(call));
    crowd!("limiter", limiter(&door), own => own.acquire());
    group.finish();
}

criterion_group! {
    name = all;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    targets = uncontended, rates, contended
}
criterion_main!(all);
