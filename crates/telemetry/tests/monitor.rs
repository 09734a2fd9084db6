//! A runtime that stalls is seen to stall.

#![expect(clippy::unwrap_used, reason = "what goes wrong here fails the test")]

use std::sync::{Arc, Barrier};
use std::time::Duration;

use longshore_clock::Stopwatch;
use longshore_telemetry::monitor::{EventLoopMonitor, EventLoopMonitorConfig};
use tokio::runtime::{Builder, Runtime};

fn quick() -> EventLoopMonitorConfig {
    EventLoopMonitorConfig { sample_interval: Duration::from_millis(20), ..EventLoopMonitorConfig::default() }
}

/// Keeps a thread busy for so long.
fn block(time: Duration) {
    let watch = Stopwatch::start();
    while watch.elapsed() < time {
        std::hint::spin_loop();
    }
}

/// Holds each thread of a runtime for 300 ms, all at the same time.
async fn hold_every_thread(runtime: &Runtime) {
    let threads = runtime.metrics().num_workers();
    if threads == 1 {
        block(Duration::from_millis(300));
        return;
    }
    let gate = Arc::new(Barrier::new(threads));
    let held: Vec<_> = (0..threads)
        .map(|_| {
            let gate = gate.clone();
            runtime.spawn(async move {
                gate.wait();
                block(Duration::from_millis(300));
            })
        })
        .collect();
    for task in held {
        task.await.unwrap();
    }
}

fn runtimes() -> [Runtime; 2] {
    let wide = Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    [Builder::new_current_thread().enable_time().build().unwrap(), wide]
}

/// Waits until the monitor has seen what is wanted.
async fn until(monitor: &EventLoopMonitor, what: impl Fn(&EventLoopMonitor) -> bool) {
    while !what(monitor) {
        tokio::task::yield_now().await;
    }
}

#[test]
fn five_blocks_of_every_thread_are_seen_at_their_length() {
    for runtime in runtimes() {
        let monitor = EventLoopMonitor::new(quick(), runtime.handle().clone()).unwrap();
        runtime.block_on(async {
            monitor.start().unwrap();
            until(&monitor, |monitor| monitor.get_snapshot().is_some()).await;
            for _ in 0..5 {
                hold_every_thread(&runtime).await;
                tokio::task::yield_now().await;
            }
            until(&monitor, |monitor| monitor.get_health().max_lag_ms >= 290.0).await;
        });
        let history = monitor.get_history(100);
        let worst = history.iter().max_by(|a, b| a.loop_latency_ms.total_cmp(&b.loop_latency_ms)).unwrap();
        assert!(!worst.is_healthy && worst.warning_messages[0].contains("exceeds"), "{worst:?}");
        assert!(monitor.get_percentile_latency(100.0, 100).unwrap() >= 290.0);
        assert!(!monitor.get_health().warnings.is_empty());
        monitor.stop();
        assert!(!monitor.is_running());
        let samples = monitor.get_health().samples;
        monitor.start().unwrap();
        assert!(monitor.is_running() && monitor.get_health().samples >= samples);
    }
}

#[test]
fn figures_come_from_the_runtime() {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
    let config = EventLoopMonitorConfig { max_task_backlog: 5, ..quick() };
    let monitor = EventLoopMonitor::new(config, runtime.handle().clone()).unwrap();
    assert!(monitor.get_snapshot().is_none() && monitor.get_avg_latency(10).is_none());
    let tasks: Vec<_> = (0..10).map(|_| runtime.spawn(std::future::pending::<()>())).collect();
    runtime.block_on(async {
        monitor.start().unwrap();
        until(&monitor, |monitor| monitor.get_snapshot().is_some_and(|sample| sample.task_count == 11)).await;
        let sample = monitor.get_snapshot().unwrap();
        assert_eq!(sample.backlog_size, 10);
        assert_eq!(sample.warning_messages, ["WARNING: Task backlog 10 exceeds max 5"]);
        for task in tasks {
            task.abort();
        }
        until(&monitor, |monitor| monitor.get_snapshot().is_some_and(|sample| sample.backlog_size == 0))
            .await;
    });
    let sample = monitor.get_snapshot().unwrap();
    assert!((0.0..=1.0).contains(&sample.busy_ratio) && sample.parks > 0, "{sample:?}");
    assert_eq!(monitor.get_health().peak_backlog, 10);
    assert!(monitor.get_history(2).len() <= 2);
}

#[test]
fn thresholds_out_of_order_are_refused() {
    let runtime = Builder::new_current_thread().build().unwrap();
    for (config, field) in [
        (EventLoopMonitorConfig { sample_interval: Duration::from_millis(9), ..quick() }, "sample_interval"),
        (EventLoopMonitorConfig { warning_threshold: Duration::ZERO, ..quick() }, "warning_threshold"),
        (
            EventLoopMonitorConfig { critical_threshold: Duration::from_millis(99), ..quick() },
            "critical_threshold",
        ),
    ] {
        let error = EventLoopMonitor::new(config, runtime.handle().clone()).err().unwrap();
        assert_eq!(error.field, field);
    }
}
