//! Work beside the runtime: bounded, told when nobody waits, and never a panic of ours.

#![expect(clippy::unwrap_used, reason = "what goes wrong here fails the test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc as blocking;
use std::time::Duration;

use longshore_clock::{Door, ManualClock, Timestamp};
use longshore_pool::{
    CpuPool, CpuPoolConfig, PoolError, WhenFull, run_cpu_bound, set_cpu_pool_size, shared_pool,
    shut_down_cpu_pool,
};
use longshore_resilience::{Fault, Verdict};
use longshore_telemetry::traces;

fn pool(config: &CpuPoolConfig) -> (CpuPool, ManualClock) {
    let (door, manual) = Door::manual(Timestamp::ZERO, 1);
    (CpuPool::start(config, &door).unwrap(), manual)
}

#[tokio::test]
async fn work_goes_on_with_the_trace_of_its_caller() {
    let (pool, _) = pool(&one(1));
    let parent: Arc<str> = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into();
    let work = pool.run(traces::current);
    assert_eq!(traces::within(Some(&parent), tracing::Span::none, work).await.unwrap(), Some(parent));
}

#[test]
fn what_was_not_begun_says_nothing_of_the_work() {
    let refused =
        [PoolError::Full { waiting: 1, limit: 1 }, PoolError::NoThread(String::new()), PoolError::Closed];
    assert!(refused.iter().all(|error| error.is_unsent() && error.verdict() == Verdict::Ignored));
    for error in [PoolError::Panicked(String::new()), PoolError::DeadlineExceeded(Duration::ZERO)] {
        assert!(!error.is_unsent() && error.verdict() == Verdict::Failure, "{error}");
    }
}

fn one(waiting_max: usize) -> CpuPoolConfig {
    CpuPoolConfig { threads: 1, waiting_max, ..CpuPoolConfig::default() }
}

/// Holds a thread until the sender goes: what tells that it has begun, and the sender.
async fn hold(pool: &CpuPool) -> blocking::Sender<()> {
    let (started, starts) = tokio::sync::oneshot::channel();
    let (release, gate) = blocking::channel::<()>();
    let pool = pool.clone();
    tokio::spawn(async move {
        pool.run(move || {
            started.send(()).unwrap();
            let _ = gate.recv();
        })
        .await
    });
    starts.await.unwrap();
    release
}

async fn until(mut what: impl FnMut() -> bool) {
    while !what() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_panic_is_an_error_and_the_pool_goes_on() {
    let (pool, _) = pool(&one(4));
    let panicked = pool.run(|| panic!("on purpose")).await;
    assert_eq!(panicked, Err::<(), _>(PoolError::Panicked("on purpose".to_owned())));
    assert_eq!(pool.run(|| 6 * 7).await, Ok(42));
    let metrics = pool.get_metrics();
    assert_eq!((metrics.completed, metrics.panicked, metrics.busy, metrics.threads), (1, 1, 0, 1));
    assert_eq!((metrics.wait.count(), metrics.run.count()), (2, 2));
}

#[tokio::test]
async fn work_that_nobody_waits_for_leaves_the_line() {
    let (pool, manual) = pool(&one(2));
    let gate = hold(&pool).await;
    let late = [1, 2].map(|n| {
        let pool = pool.clone();
        tokio::spawn(async move { pool.run_within(Duration::from_secs(1), move |_| n).await })
    });
    until(|| pool.waiting() == 2).await;
    assert_eq!(pool.run(|| 3).await, Err(PoolError::Full { waiting: 2, limit: 2 }));
    manual.advance(Duration::from_secs(1));
    for call in late {
        assert!(matches!(call.await.unwrap(), Err(PoolError::DeadlineExceeded(_))));
    }
    assert_eq!((pool.waiting(), pool.get_metrics().skipped), (0, 2));
    let next = tokio::spawn({
        let pool = pool.clone();
        async move { pool.run(|| 4).await }
    });
    until(|| pool.waiting() == 1).await;
    drop(gate);
    assert_eq!(next.await.unwrap(), Ok(4));
}

#[tokio::test]
async fn work_beyond_the_line_is_refused_or_waits() {
    for when_full in [WhenFull::Refuse, WhenFull::Wait] {
        let (pool, _) = pool(&CpuPoolConfig { when_full, ..one(1) });
        let held = hold(&pool).await;
        assert_eq!(pool.busy(), 1);
        let own = pool.clone();
        let second = tokio::spawn(async move { own.run(|| 2).await });
        until(|| pool.waiting() == 1).await;
        let own = pool.clone();
        let third = tokio::spawn(async move { own.run(|| 3).await });
        tokio::task::yield_now().await;
        if when_full == WhenFull::Refuse {
            assert_eq!(third.await.unwrap(), Err(PoolError::Full { waiting: 1, limit: 1 }));
            drop(held);
        } else {
            assert!(!third.is_finished());
            drop(held);
            assert_eq!(third.await.unwrap(), Ok(3));
        }
        assert_eq!(second.await.unwrap(), Ok(2));
        assert_eq!(pool.get_metrics().refused, u64::from(when_full == WhenFull::Refuse));
    }
}

#[tokio::test]
async fn a_deadline_ends_the_wait_and_tells_the_thread() {
    let (pool, manual) = pool(&CpuPoolConfig { deadline: Some(Duration::from_secs(5)), ..one(4) });
    let (own, saw) = (pool.clone(), Arc::new(AtomicBool::new(false)));
    let (note, (begun, begins)) = (saw.clone(), tokio::sync::oneshot::channel());
    let (release, gate) = blocking::channel::<()>();
    let long = tokio::spawn(async move {
        own.run_with(move |token| {
            begun.send(()).unwrap();
            while !token.is_raised() {
                std::thread::yield_now();
            }
            let _ = gate.recv();
            note.store(true, Ordering::SeqCst);
        })
        .await
    });
    begins.await.unwrap();
    let own = pool.clone();
    let waits = tokio::spawn(async move { own.run(|| ()).await });
    let (own, short) = (pool.clone(), Duration::from_secs(2));
    let hurries = tokio::spawn(async move { own.run_within(short, |_| ()).await });
    until(|| pool.waiting() == 2).await;
    manual.advance(short);
    assert_eq!(hurries.await.unwrap(), Err(PoolError::DeadlineExceeded(short)), "its own deadline");
    manual.advance(Duration::from_secs(3));
    assert_eq!(long.await.unwrap(), Err(PoolError::DeadlineExceeded(Duration::from_secs(5))));
    assert_eq!(waits.await.unwrap(), Err(PoolError::DeadlineExceeded(Duration::from_secs(5))));
    assert_eq!((pool.overdue(), pool.get_metrics().overdue, pool.busy()), (1, 1, 1), "until it returns");
    drop(release);
    until(|| saw.load(Ordering::SeqCst) && pool.overdue() == 0).await;
    until(|| pool.get_metrics().skipped == 2).await;
}

#[tokio::test]
async fn work_that_nobody_waits_for_is_skipped_or_overdue() {
    let (pool, _) = pool(&one(4));
    let held = hold(&pool).await;
    let mut dropped = Box::pin(pool.run(|| panic!("it must not run")));
    tokio::select! {
        biased;
        _ = &mut dropped => panic!("the thread is held"),
        () = tokio::task::yield_now() => {}
    }
    drop::<std::pin::Pin<Box<dyn Future<Output = Result<(), PoolError>>>>>(dropped);
    drop(held);
    until(|| pool.get_metrics().skipped == 1).await;
    assert_eq!(pool.get_metrics().panicked, 0);
}

#[tokio::test]
async fn every_call_is_in_the_figures_also_those_that_wait_for_room() {
    let (pool, manual) = pool(&CpuPoolConfig { when_full: WhenFull::Wait, ..one(1) });
    let held = hold(&pool).await;
    let call = |time: u64| {
        let own = pool.clone();
        tokio::spawn(async move { own.run_within(Duration::from_secs(time), |_| ()).await })
    };
    let stays = call(60);
    until(|| pool.waiting() == 1).await;
    let late: Vec<_> = (0..3).map(|_| call(5)).collect();
    let gone = call(60);
    until(|| pool.waiting() == 5).await;
    gone.abort();
    manual.advance(Duration::from_secs(5));
    for late in late {
        assert!(matches!(late.await.unwrap(), Err(PoolError::DeadlineExceeded(_))));
    }
    until(|| pool.waiting() == 1 && pool.get_metrics().skipped == 4).await;
    drop(held);
    stays.await.unwrap().unwrap();
    until(|| pool.get_metrics().completed == 2).await;
    assert_eq!(pool.waiting(), 0);
}

#[test]
fn a_pool_that_makes_no_sense_is_refused() {
    let usual = CpuPoolConfig::default;
    for (config, field) in [
        (CpuPoolConfig { threads: 0, ..usual() }, "threads"),
        (CpuPoolConfig { threads: usize::MAX, ..usual() }, "threads"),
        (CpuPoolConfig { waiting_max: 0, ..usual() }, "waiting_max"),
        (CpuPoolConfig { waiting_max: usize::MAX, ..usual() }, "waiting_max"),
        (CpuPoolConfig { nice: 20, ..usual() }, "nice"),
        (CpuPoolConfig { name: "a\0b".to_owned(), ..usual() }, "name"),
        (CpuPoolConfig { stack_bytes: usize::MAX / 2, ..usual() }, "stack_bytes"),
        (CpuPoolConfig { deadline: Some(Duration::ZERO), ..usual() }, "deadline"),
    ] {
        let Err(PoolError::Invalid(error)) = CpuPool::start(&config, &Door::system()) else {
            panic!("{field} makes no sense")
        };
        assert_eq!(error.field, field);
    }
}

#[tokio::test]
async fn the_process_shares_one_pool_until_it_is_shut_down() {
    assert_eq!(set_cpu_pool_size(0).unwrap_err().field, "cpu_pool_size");
    set_cpu_pool_size(3).unwrap();
    assert_eq!(run_cpu_bound(|| 6 * 7).await, Ok(42));
    assert_eq!(shared_pool().unwrap().get_metrics().threads, 3);
    assert!(set_cpu_pool_size(5).is_err(), "it runs already");
    shut_down_cpu_pool();
    assert_eq!(run_cpu_bound(|| 1).await, Err(PoolError::Closed));
}
