//! A runtime that stalls is seen to stall.

#![expect(clippy::unwrap_used, reason = "what goes wrong here fails the test")]

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use longshore_clock::{Clock, Stopwatch};
use longshore_telemetry::monitor::{EventLoopMonitor, EventLoopMonitorConfig, LoopMonitorMetrics};
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
        let seen = runtime.block_on(async {
            monitor.start().unwrap();
            until(&monitor, |monitor| monitor.get_snapshot().is_some()).await;
            let mut longest = Duration::ZERO;
            for _ in 0..5 {
                longest = hold_every_thread(&runtime, Duration::from_millis(300)).await.max(longest);
                tokio::task::yield_now().await;
            }
            let seen = longest.as_secs_f64() * 1e3 - 10.0;
            until(&monitor, |monitor| monitor.get_health().max_lag_ms >= seen).await;
            seen
        });
        let history = monitor.get_history(100);
        let worst = history.iter().max_by(|a, b| a.loop_latency_ms.total_cmp(&b.loop_latency_ms)).unwrap();
        assert!(!worst.is_healthy && worst.warning_messages[0].contains("exceeds"), "{worst:?}");
        assert!(monitor.get_percentile_latency(100.0, 100).unwrap() >= seen);
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

/// How late the monitor says a runtime is in a burst of short work, and how late tasks that sleep there are: the most
/// of each, in milliseconds.
fn burst(runtime: &Runtime, tasks: u32, work: Duration, sleepers: usize) -> (f64, f64) {
    let monitor = EventLoopMonitor::new(quick(), runtime.handle().clone()).unwrap();
    let late = Arc::new(AtomicU64::new(0));
    runtime.block_on(async {
        monitor.start().unwrap();
        until(&monitor, |monitor| monitor.get_snapshot().is_some()).await;
        let sleepers: Vec<_> = (0..sleepers).map(|_| runtime.spawn(sleep(late.clone()))).collect();
        // From a task, as bursts come.
        let burst = runtime.spawn(async move {
            let burst: Vec<_> = (0..tasks).map(|_| tokio::spawn(async move { block(work) })).collect();
            for task in burst {
                task.await.unwrap();
            }
        });
        burst.await.unwrap();
        let seen = monitor.get_health().samples;
        until(&monitor, |monitor| monitor.get_health().samples >= seen + 2).await;
        for sleeper in sleepers {
            sleeper.abort();
        }
    });
    (monitor.get_health().max_lag_ms, late.load(Ordering::SeqCst) as f64 / 1e3)
}

/// Notes by how many microseconds it sleeps too long.
async fn sleep(late: Arc<AtomicU64>) {
    const TIME: Duration = Duration::from_millis(10);
    let clock = Clock::system();
    loop {
        let watch = Stopwatch::start();
        clock.sleep(TIME).await;
        late.fetch_max(watch.elapsed().saturating_sub(TIME).as_micros() as u64, Ordering::SeqCst);
    }
}

#[test]
fn in_a_burst_it_is_as_late_as_tasks_that_sleep() {
    for (tasks, micros) in [(2_500, 100), (240, 1_500)] {
        for runtime in runtimes() {
            let burst = || burst(&runtime, tasks, Duration::from_micros(micros), 5);
            let mut bursts: Vec<_> = (0..5).map(|_| burst()).collect();
            bursts.sort_by(|(told, late), (other_told, other_late)| {
                (told - late).abs().total_cmp(&(other_told - other_late).abs())
            });
            let (told, late) = bursts[2];
            assert!((told - late).abs() < 80.0, "{bursts:?}");
        }
    }
}

/// The most that is told while something happens on a runtime, in milliseconds.
fn told<F: Future>(runtime: &Runtime, what: impl FnOnce() -> F) -> f64 {
    let config = EventLoopMonitorConfig { sample_interval: Duration::from_millis(100), ..quick() };
    let monitor = EventLoopMonitor::new(config, runtime.handle().clone()).unwrap();
    monitor.start().unwrap();
    let driver = Builder::new_current_thread().build().unwrap();
    driver.block_on(async {
        until(&monitor, |monitor| monitor.get_snapshot().is_some()).await;
        what().await;
        let seen = monitor.get_health().samples;
        until(&monitor, |monitor| monitor.get_health().samples >= seen + 2).await;
    });
    monitor.get_health().max_lag_ms
}

#[test]
fn timers_that_nobody_looks_for_are_seen_though_threads_sleep() {
    let runtime = Builder::new_multi_thread().worker_threads(4).enable_time().build().unwrap();
    let mut errors: Vec<_> = (0..5)
        .map(|_| {
            let late = Arc::new(AtomicU64::new(0));
            let sleeper = runtime.spawn(sleep(late.clone()));
            // The thread that looked for timers was woken by one, and the others sleep without looking.
            let told = told(&runtime, || {
                runtime.spawn(async {
                    Clock::system().sleep(Duration::from_millis(33)).await;
                    block(Duration::from_millis(300));
                })
            });
            sleeper.abort();
            (told - late.load(Ordering::SeqCst) as f64 / 1e3).abs()
        })
        .collect();
    errors.sort_by(f64::total_cmp);
    assert!(errors[2] < 80.0, "{errors:?}");
}

#[test]
fn threads_that_block_one_after_another_stand_still_together() {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    for apart in [2, 5, 9] {
        let mut told: Vec<_> = (0..5)
            .map(|_| {
                told(&runtime, || async {
                    let watch = Stopwatch::start();
                    let end = Duration::from_millis(300 + apart);
                    let held = [0, apart].map(|from| {
                        block(Duration::from_millis(from).saturating_sub(watch.elapsed()));
                        runtime.spawn(async move { block(end.saturating_sub(watch.elapsed())) })
                    });
                    for held in held {
                        held.await.unwrap();
                    }
                })
            })
            .collect();
        told.sort_by(f64::total_cmp);
        assert!((told[2] - 300.0).abs() < 60.0, "{apart} ms apart: {told:?}");
    }
}

#[test]
fn one_thread_that_blocks_beside_another_that_does_not_is_no_lag() {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    let late = Arc::new(AtomicU64::new(0));
    let mut told: Vec<_> = (0..5)
        .map(|_| {
            let sleeper = runtime.spawn(sleep(late.clone()));
            let told = told(&runtime, || runtime.spawn(async { block(Duration::from_millis(300)) }));
            sleeper.abort();
            let late = late.swap(0, Ordering::SeqCst) as f64 / 1e3;
            (told - late).abs()
        })
        .collect();
    told.sort_by(f64::total_cmp);
    assert!(told[2] < 100.0, "told otherwise than it was, by milliseconds: {told:?}");
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
            // Until a hundred samples in a row found nobody awake.
            let mut before = (parks(), monitor.get_health().samples);
            while monitor.get_health().samples < before.1 + 100 {
                let now = parks();
                if now != before.0 {
                    before = (now, monitor.get_health().samples);
                }
                std::thread::yield_now();
            }
            let _ = wake.send(());
        });
        // Not the worst of them: who shares the processors makes the monitor itself late now and then.
        let late = monitor.get_percentile_latency(25.0, 100).unwrap();
        assert!(late < 5.0, "{late} of {:?}", monitor.get_latency_samples(100));
    }
}

#[test]
fn tasks_that_yield_are_no_stall() {
    for workers in [1, 2] {
        let runtime = Builder::new_multi_thread().worker_threads(workers).enable_time().build().unwrap();
        let late = Arc::new(AtomicU64::new(0));
        // Timers are looked for between them, and nothing is noted until there were sixty-one.
        let mut rounds: Vec<_> = (0..3)
            .map(|_| {
                let sleeper = runtime.spawn(sleep(late.clone()));
                let told = told(&runtime, || async {
                    let work = async || {
                        for _ in 0..40 {
                            block(Duration::from_millis(20));
                            tokio::task::yield_now().await;
                        }
                    };
                    let tasks: Vec<_> = (0..workers).map(|_| runtime.spawn(work())).collect();
                    for task in tasks {
                        task.await.unwrap();
                    }
                });
                sleeper.abort();
                (told, late.swap(0, Ordering::SeqCst) as f64 / 1e3)
            })
            .collect();
        rounds.sort_by(|(told, late), (other, other_late)| (told - late).total_cmp(&(other - other_late)));
        let (told, late) = rounds[1];
        // A stall it would be of the 800 ms that all of them take.
        assert!(told < late + 100.0, "told, and how late it was: {rounds:?}");
    }
}

/// Lets go of threads that are held, also as the test fails.
struct Over(Arc<AtomicBool>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn threads_that_have_noted_nothing_yet_are_at_work() {
    for runtime in runtimes() {
        let monitor = Arc::new(EventLoopMonitor::new(quick(), runtime.handle().clone()).unwrap());
        let is_over = Arc::new(AtomicBool::new(false));
        std::thread::scope(|scope| {
            let over = Over(is_over.clone());
            let (runtime, hold) = (&runtime, is_over.clone());
            let begun = Arc::new(AtomicUsize::new(0));
            let beginning = begun.clone();
            let (end, ended) = tokio::sync::oneshot::channel();
            scope.spawn(move || {
                runtime.block_on(async {
                    let held: Vec<_> = (0..runtime.metrics().num_workers())
                        .map(|_| {
                            let (is_over, begun) = (hold.clone(), beginning.clone());
                            runtime.spawn(async move {
                                begun.fetch_add(1, Ordering::SeqCst);
                                while !is_over.load(Ordering::SeqCst) {
                                    std::hint::spin_loop();
                                }
                            })
                        })
                        .collect();
                    for held in held {
                        held.await.unwrap();
                    }
                    ended.await.unwrap();
                });
            });
            // Of a thread that has not begun nobody knows that it is not at work.
            while begun.load(Ordering::SeqCst) < runtime.metrics().num_workers() {
                std::thread::yield_now();
            }
            monitor.start().unwrap();
            let is_busy = |sample: &LoopMonitorMetrics| sample.busy_ratio > 0.9;
            let driver = Builder::new_current_thread().build().unwrap();
            driver.block_on(until(&monitor, |monitor| {
                let latest = monitor.get_history(5);
                latest.len() == 5 && latest.iter().all(is_busy)
            }));
            // And what waits for them is in line.
            let waiting: Vec<_> = (0..7).map(|_| runtime.spawn(async {})).collect();
            driver.block_on(until(&monitor, |monitor| {
                monitor.get_snapshot().is_some_and(|sample| sample.callback_queue_depth >= waiting.len())
            }));
            let before = monitor.get_health().samples;
            drop(over);
            driver.block_on(until(&monitor, |monitor| {
                let is_empty = monitor.get_snapshot().is_some_and(|sample| sample.callback_queue_depth == 0);
                // The threads go to sleep once, and the latest sample may be a later one.
                let since = monitor.get_history((monitor.get_health().samples - before) as usize);
                let has_noted =
                    |sample: &LoopMonitorMetrics| sample.mean_busy_ms.is_some_and(|mean| mean > 0.0);
                is_empty && since.iter().any(has_noted)
            }));
            end.send(()).unwrap();
            driver.block_on(monitor.clone().stop_async());
            assert!(!monitor.is_running());
        });
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
        let before = monitor.get_health().samples;
        for task in tasks {
            task.abort();
        }
        until(&monitor, |monitor| {
            let since = monitor.get_history((monitor.get_health().samples - before) as usize);
            // A thread that has nothing to do goes to sleep once.
            since.last().is_some_and(|sample| sample.backlog_size == 0)
                && since.iter().any(|sample| sample.parks > 0)
        })
        .await;
    });
    let samples = monitor.get_history(100);
    assert!(samples.iter().all(|sample| (0.0..=1.0).contains(&sample.busy_ratio)), "{samples:?}");
    assert_eq!(monitor.get_health().peak_backlog, 9);
    assert!(monitor.get_lags().count() > 0);
    assert!(monitor.get_history(2).len() <= 2);
}

#[test]
fn thresholds_out_of_order_are_refused() {
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
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

#[test]
fn a_runtime_that_went_is_told_of() {
    for runtime in runtimes() {
        let monitor = EventLoopMonitor::new(quick(), runtime.handle().clone()).unwrap();
        runtime.block_on(async {
            monitor.start().unwrap();
            until(&monitor, |monitor| monitor.get_snapshot().is_some()).await;
        });
        drop(runtime);
        while monitor.is_running() {
            std::thread::yield_now();
        }
        let last = monitor.get_snapshot().unwrap();
        assert_eq!(last.warning_messages, ["CRITICAL: the runtime is gone"], "{last:?}");
        assert!(!last.is_healthy && monitor.get_health().warnings.contains(&last.warning_messages[0]));
    }
}
