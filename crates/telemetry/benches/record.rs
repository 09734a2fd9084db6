//! What it costs to measure.
//!
//! `cargo bench -p longshore-telemetry`

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use longshore_telemetry::Histogram;
use longshore_telemetry::performance::Performance;

fn record(criterion: &mut Criterion) {
    let performance = Performance::default();
    for name in 0..200 {
        drop(performance.record(&format!("service.{name}")));
    }
    criterion.bench_function("performance::record", |bencher| {
        bencher.iter(|| drop(black_box(performance.record("service.77"))));
    });
    let histogram = Histogram::default();
    criterion.bench_function("histogram", |bencher| {
        bencher.iter(|| histogram.record(black_box(Duration::from_micros(1_234))));
    });
}

criterion_group! {
    name = all;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    targets = record
}
criterion_main!(all);
