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

/// Holds each thread of a runtime for so long, all at the same time. Returns how long all of them were held.
async fn hold_every_thread(runtime: &Runtime, time: Duration) -> Duration {
    let threads = runtime.metrics().num_workers();
    let watch = Stopwatch::start();
    if threads == 1 {
        block(time);
        return watch.elapsed();
    }
    let gate = Arc::new(Barrier::new(threads));
    let tasks: Vec<_> = (0..threads)
        .map(|_| {
            let gate = gate.clone();
            runtime.spawn(async move {
                gate.wait();
                let begun = watch.elapsed();
                block(time);
                (begun, watch.elapsed())
            })
        })
        .collect();
    let mut held = Vec::new();
    for task in tasks {
        held.push(task.await.unwrap());
    }
    let begun = held.iter().map(|(begun, _)| *begun).max().unwrap();
    let ended = held.iter().map(|(_, ended)| *ended).min().unwrap();
    ended.saturating_sub(begun)
}

fn runtimes() -> [Runtime; 2] {
    let wide = Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    [Builder::new_current_thread().enable_time().build().unwrap(), wide]
}

/// Waits until the monitor has seen what is wanted, not for ever.
async fn until(monitor: &EventLoopMonitor, what: impl Fn(&EventLoopMonitor) -> bool) {
    let watch = Stopwatch::start();
    while !what(monitor) {
        assert!(watch.elapsed() < Duration::from_secs(60), "{:?}", monitor.get_history(10));
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
                hold_every_thread(&runtime, Duration::from_millis(300)).await;
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
fn a_short_block_is_told_of_within_ten_milliseconds_of_its_length() {
    for runtime in runtimes() {
        // Of several, the one in the middle: the test shares its processors with others.
        let mut errors: Vec<_> = (0..9).map(|_| error_of_a_block(&runtime)).collect();
        errors.sort_by(f64::total_cmp);
        assert!(errors[4] <= 10.0, "{errors:?}");
    }
}

/// How far from the length of a block its lag is, in milliseconds.
fn error_of_a_block(runtime: &Runtime) -> f64 {
    let monitor = EventLoopMonitor::new(quick(), runtime.handle().clone()).unwrap();
    runtime.block_on(async {
        monitor.start().unwrap();
        until(&monitor, |monitor| monitor.get_snapshot().is_some()).await;
        let held = hold_every_thread(runtime, Duration::from_millis(50)).await.as_secs_f64() * 1e3;
        let seen = monitor.get_health().samples;
        // The second one from here holds the whole of it.
        until(&monitor, |monitor| monitor.get_health().samples >= seen + 2).await;
        (monitor.get_health().max_lag_ms - held).abs()
    })
}

#[test]
fn a_runtime_that_sleeps_is_left_asleep() {
    for runtime in runtimes() {
        let monitor = EventLoopMonitor::new(quick(), runtime.handle().clone()).unwrap();
        monitor.start().unwrap();
        let metrics = runtime.metrics();
        let parks = || -> u64 {
            (0..metrics.num_workers()).map(|worker| metrics.worker_park_unpark_count(worker)).sum()
        };
        std::thread::scope(|scope| {
            let (wake, woken) = tokio::sync::oneshot::channel::<()>();
            let runtime = &runtime;
            scope.spawn(move || runtime.block_on(woken));
            // Until twenty samples in a row found nobody awake.
            let mut before = (parks(), monitor.get_health().samples);
            while monitor.get_health().samples < before.1 + 20 {
                let now = parks();
                if now != before.0 {
                    before = (now, monitor.get_health().samples);
                }
                std::thread::yield_now();
            }
            let _ = wake.send(());
        });
        assert!(monitor.get_percentile_latency(50.0, 20).unwrap() < 5.0, "{:?}", monitor.get_history(20));
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
        until(&monitor, |monitor| {
            monitor.get_history(100).iter().any(|sample| {
                let wanted = ["WARNING: Task backlog 9 exceeds max 5"];
                sample.task_count == 10 && sample.backlog_size == 9 && sample.warning_messages == wanted
            })
        })
        .await;
        for task in tasks {
            task.abort();
        }
        until(&monitor, |monitor| monitor.get_snapshot().is_some_and(|sample| sample.backlog_size == 0))
            .await;
    });
    let sample = monitor.get_snapshot().unwrap();
    assert!((0.0..=1.0).contains(&sample.busy_ratio) && sample.parks > 0, "{sample:?}");
    // One more, if a sample fell on the end of a task of the watch itself.
    assert!((9..=10).contains(&monitor.get_health().peak_backlog));
    assert!(monitor.get_lags().count() > 0);
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
