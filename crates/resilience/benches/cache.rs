//! What a hit costs beside what it stands on: moka in memory, a bare GET in Redis. Both in one run.
//!
//! `cargo bench -p longshore-resilience --features redis --bench cache`

#![expect(clippy::unwrap_used, reason = "what goes wrong here ends the run")]

#[expect(dead_code, reason = "the tests do more with it")]
#[path = "../tests/redis/server.rs"]
mod server;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use longshore_clock::{Door, Stopwatch};
use longshore_resilience::{Cache, CacheConfig};
use tokio::runtime::{Builder, Runtime};

const KEYS: usize = 1_000;

fn names() -> Vec<String> {
    (0..KEYS).map(|key| format!("reports_{key}")).collect()
}

/// How long so many hits take.
fn hits(runtime: &Runtime, cache: &Cache, names: &[String], count: u64) -> Duration {
    let mut names = names.iter().cycle();
    let watch = Stopwatch::start();
    runtime.block_on(async {
        for _ in 0..count {
            black_box(cache.get::<u32>(names.next().unwrap()).await.unwrap());
        }
    });
    watch.elapsed()
}

fn memory(criterion: &mut Criterion) {
    let (door, runtime) = (Door::system(), Builder::new_current_thread().enable_time().build().unwrap());
    let names = names();
    let moka: moka::sync::Cache<Arc<str>, Arc<[u8]>> = moka::sync::Cache::new(50_000);
    let cache = Cache::in_memory(CacheConfig::default(), &door).unwrap();
    for name in &names {
        moka.insert(name.as_str().into(), b"7".as_slice().into());
        runtime.block_on(cache.set(name, &7, ())).unwrap();
    }
    let mut group = criterion.benchmark_group("hit in memory");
    group.bench_function("moka", |bencher| {
        let mut names = names.iter().cycle();
        bencher.iter(|| black_box(moka.get(names.next().unwrap().as_str())));
    });
    group.bench_function("cache", |bencher| {
        bencher.iter_custom(|count| hits(&runtime, &cache, &names, count))
    });
    group.finish();
}

fn shared(criterion: &mut Criterion) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let redis = server::Redis::start();
    let (wire, cache, tiered) = runtime.block_on(async {
        let place = redis.patient().await;
        let tiered = Cache::tiered(CacheConfig::default(), &place).unwrap();
        (redis.wire().await, redis.cache().await, tiered)
    });
    let names = names();
    runtime.block_on(async {
        for name in &names {
            cache.set(name, &7, ()).await.unwrap();
        }
    });
    let entries: Vec<String> = names.iter().map(|name| format!("cache:{name}")).collect();
    let mut group = criterion.benchmark_group("hit in Redis");
    group.bench_function("bare GET", |bencher| {
        bencher.iter_custom(|count| {
            let (mut wire, mut entries) = (wire.clone(), entries.iter().cycle());
            let watch = Stopwatch::start();
            runtime.block_on(async {
                for _ in 0..count {
                    let mut get = redis::cmd("GET");
                    get.arg(entries.next().unwrap());
                    let value: Vec<u8> = get.query_async(&mut wire).await.unwrap();
                    black_box(value);
                }
            });
            watch.elapsed()
        });
    });
    for (name, cache) in [("cache", &cache), ("tiered", &tiered)] {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|count| hits(&runtime, cache, &names, count))
        });
    }
    group.finish();
}

criterion_group! {
    name = all;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    targets = memory, shared
}
criterion_main!(all);
