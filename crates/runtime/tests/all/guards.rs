//! What stands before the handlers of a kind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use longshore_core::{Backoff, DurationText, Job as Record, Reason, State};
use longshore_resilience::{CircuitBreakerConfig, CircuitWindow, RateLimiterConfig, RetryBudgetConfig};
use longshore_runtime::testing::TestKit;
use longshore_runtime::{Args, KindGuard, KindOptions, Outcome, Stop, WorkerConfig};
use longshore_telemetry::Exposition;

use crate::kit::kit;
use crate::support::{Room, Shift, Task, file, soon};

/// A handler that fails while it is told to.
#[derive(Clone, Default)]
struct Other {
    broken: Arc<AtomicBool>,
    calls: Arc<AtomicU32>,
}

impl Other {
    fn calls(&self) -> u32 {
        self.calls.load(Ordering::SeqCst)
    }

    fn register(&self, kit: &mut TestKit) {
        let other = self.clone();
        kit.register(move |_: Args<Task>| {
            other.calls.fetch_add(1, Ordering::SeqCst);
            let broken = other.broken.load(Ordering::SeqCst);
            async move { if broken { Err(Outcome::from(std::io::Error::other("away"))) } else { Ok(()) } }
        });
    }
}

async fn enqueue(kit: &TestKit, attempts: u32) {
    let soon = Backoff::Fixed { delay: DurationText(Duration::from_secs(1)), jitter: 0.0 };
    kit.client().enqueue(Task { number: 1 }).max_attempts(attempts).backoff(soon).await.unwrap();
}

async fn run(kit: &TestKit) -> Record {
    kit.run_one("default").await.unwrap().expect("a job is ready")
}

fn breaker(failures: u64) -> KindGuard {
    let breaker = CircuitBreakerConfig::simple("", failures, Duration::from_secs(30));
    KindGuard { breaker: Some(breaker), ..KindGuard::default() }
}

#[tokio::test]
async fn an_open_breaker_keeps_jobs_waiting_without_counting_attempts() {
    let (mut kit, other) = (kit(), Other::default());
    other.register(&mut kit);
    kit.guard("task", breaker(2)).unwrap();
    other.broken.store(true, Ordering::SeqCst);
    for _ in 0..3 {
        enqueue(&kit, 5).await;
    }
    run(&kit).await;
    run(&kit).await;
    let turned = run(&kit).await;
    assert_eq!(other.calls(), 2, "the third was not called");
    assert_eq!((turned.state, turned.reason), (State::Scheduled, Some(Reason::CircuitOpen)));
    assert_eq!((turned.attempt, turned.errors.len()), (0, 0));
    let why = kit.control().why(turned.id()).await.unwrap();
    let message = &why.reasons[0].message;
    assert!(message.contains("breaker of kind task was open"), "{message}");
    let wait = turned.run_at.unwrap().since(kit.now());
    assert!((Duration::from_secs(30)..=Duration::from_secs(33)).contains(&wait), "{wait:?}");

    other.broken.store(false, Ordering::SeqCst);
    kit.advance(Duration::from_secs(34)).await.unwrap();
    assert_eq!(kit.drain("default").await.unwrap(), 3, "one finds out, and the rest follows");
    assert_eq!(other.calls(), 5);
}

/// The state of the breaker of `task` in a scrape of an engine.
fn circuit(room: &Room) -> Option<String> {
    let mut page = Exposition::default();
    room.engine.parts().expose(&mut page);
    let page = page.finish();
    let line =
        page.lines().find_map(|line| line.strip_prefix("longshore_circuit_state{name=\"kind/task\"} "));
    line.map(ToOwned::to_owned)
}

#[tokio::test]
async fn an_operator_closes_a_breaker_here_and_on_other_nodes() {
    let dir = tempfile::tempdir().unwrap();
    let door = longshore_clock::Door::system();
    let node = || Room::on(file(&dir, &door), door.clone());
    let (here, there) = (node(), node());
    let open_for_long = CircuitBreakerConfig::simple("", 1, Duration::from_secs(3_600));
    let guard = KindGuard { breaker: Some(open_for_long), ..KindGuard::default() };
    let config = WorkerConfig { ttl: Duration::from_secs(3), ..WorkerConfig::default() };
    let failing = async || Err::<(), _>(Outcome::from(std::io::Error::other("away")));
    let worker = here.worker().config(config).handle("task", failing).guard("task", guard);
    let shift = Shift::start(worker);
    let kind = "task".parse().unwrap();
    for operator in [&there, &here, &there] {
        here.client.enqueue(Task { number: 1 }).max_attempts(1).await.unwrap();
        until(|| circuit(&here).as_deref() == Some("2")).await;
        operator.control.reset_breaker(&kind).await.unwrap();
        until(|| circuit(&here).as_deref() == Some("0")).await;
    }
    // Once for each request.
    here.client.enqueue(Task { number: 1 }).max_attempts(1).await.unwrap();
    until(|| circuit(&here).as_deref() == Some("2")).await;
    there.control.reset_breaker(&"other".parse().unwrap()).await.unwrap();
    let seen = async || there.control.workers().await.unwrap()[0].info.seen_at;
    // What was asked for before a beat has been followed at the next one.
    for _ in 0..2 {
        let last = seen().await;
        soon(async { while seen().await == last {} }).await;
    }
    assert_eq!(circuit(&here).as_deref(), Some("2"));
    shift.drain().await;
}

/// Waits for something that nothing tells of.
async fn until(what: impl Fn() -> bool) {
    soon(async {
        while !what() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn panics_and_timeouts_open_it_and_jobs_that_fail_for_good_do_not() {
    let mut kit = kit();
    kit.register(|Args(task): Args<Task>| async move {
        match task.number {
            1 => panic!("on purpose"),
            2 => Err::<(), _>(Outcome::fail("not this one")),
            _ => Err(Outcome::snooze(Duration::from_secs(3_600))),
        }
    });
    kit.guard("task", breaker(2)).unwrap();
    for (number, reason) in [
        (2, Reason::ByHandler),
        (2, Reason::ByHandler),
        (3, Reason::ByHandler),
        (1, Reason::Panic),
        (1, Reason::Panic),
        (1, Reason::CircuitOpen),
    ] {
        kit.client().enqueue(Task { number }).max_attempts(3).await.unwrap();
        assert_eq!(run(&kit).await.reason, Some(reason), "{number}");
    }
}

#[tokio::test]
async fn a_budget_puts_retries_off_and_lets_first_attempts_through() {
    let (mut kit, other) = (kit(), Other::default());
    other.register(&mut kit);
    let retry_budget = RetryBudgetConfig {
        tokens: Some(2),
        window: Duration::from_secs(60),
        ratio: 0.0,
        ..RetryBudgetConfig::default()
    };
    kit.guard("task", KindGuard { retry_budget: Some(retry_budget), ..KindGuard::default() }).unwrap();
    other.broken.store(true, Ordering::SeqCst);
    for _ in 0..4 {
        enqueue(&kit, 9).await;
    }
    assert_eq!(kit.drain("default").await.unwrap(), 4);
    kit.advance(Duration::from_secs(1)).await.unwrap();
    for _ in 0..2 {
        assert_eq!(run(&kit).await.reason, Some(Reason::Error));
    }
    let put_off = run(&kit).await;
    assert_eq!((put_off.reason, put_off.attempt), (Some(Reason::Throttled), 1));
    let wait = put_off.run_at.unwrap().since(kit.now());
    assert!((Duration::from_secs(28)..Duration::from_secs(34)).contains(&wait), "{wait:?}");
    assert_eq!(other.calls(), 6);
    let why = kit.control().why(put_off.id()).await.unwrap();
    assert!(why.reasons[0].message.contains("guard of kind task"), "{why:?}");
}

#[tokio::test]
async fn a_job_that_is_turned_away_adds_nothing_to_the_budget() {
    let (mut kit, other) = (kit(), Other::default());
    other.register(&mut kit);
    let hour = Duration::from_secs(3_600);
    let retry_budget = RetryBudgetConfig { tokens: Some(1), window: hour, ratio: 0.5, ttl: hour };
    let rate =
        RateLimiterConfig { per: Duration::from_secs(10), burst: 1, ..RateLimiterConfig::per_second(1) };
    let guard = KindGuard { retry_budget: Some(retry_budget), rate: Some(rate), ..KindGuard::default() };
    kit.guard("task", guard).unwrap();
    other.broken.store(true, Ordering::SeqCst);
    enqueue(&kit, 9).await;
    assert_eq!(run(&kit).await.reason, Some(Reason::Error));
    for _ in 0..10 {
        enqueue(&kit, 9).await;
        let turned = run(&kit).await;
        assert_eq!(turned.reason, Some(Reason::Throttled));
        kit.control().cancel(turned.id()).await.unwrap();
    }
    for reason in [Reason::Error, Reason::Throttled] {
        kit.advance(Duration::from_secs(11)).await.unwrap();
        assert_eq!(run(&kit).await.reason, Some(reason));
    }
}

#[tokio::test]
async fn a_rate_holds_in_the_process() {
    let (mut kit, other) = (kit(), Other::default());
    other.register(&mut kit);
    let per = Duration::from_secs(10);
    let rate = RateLimiterConfig { per, burst: 2, ..RateLimiterConfig::per_second(1) };
    kit.guard("task", KindGuard { rate: Some(rate), ..KindGuard::default() }).unwrap();
    for _ in 0..3 {
        enqueue(&kit, 1).await;
    }
    assert_eq!(kit.drain("default").await.unwrap(), 3);
    assert_eq!(other.calls(), 2);
    kit.advance(Duration::from_secs(11)).await.unwrap();
    assert_eq!(kit.drain("default").await.unwrap(), 1);
    assert_eq!(other.calls(), 3);
}

#[tokio::test]
async fn workers_of_a_process_have_one_guard_for_a_kind() {
    let room = Room::new();
    let worker = |failures| {
        let worker = room.worker().register(async |_: Args<Task>| Ok::<_, Outcome>(()));
        worker.guard("task", breaker(failures))
    };
    let work = async || {
        let id = room.client.enqueue(Task { number: 1 }).await.unwrap().id;
        assert_eq!(room.ended(&id).await.state, State::Completed);
    };
    let first = Shift::start(worker(1));
    work().await;
    let error = worker(2).run_until(Stop::new()).await.unwrap_err();
    assert!(error.to_string().contains("guard that kind task has in another worker"), "{error}");
    first.drain().await;
    let second = Shift::start(worker(2));
    work().await;
    second.drain().await;
}

#[tokio::test]
async fn no_more_run_at_once_than_may_and_a_scrape_tells_of_it() {
    let room = Room::new();
    let (now, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let guard = KindGuard { max_concurrent: Some(2), ..breaker(5) };
    let handler = {
        let (now, most) = (now.clone(), most.clone());
        move || {
            let (now, most) = (now.clone(), most.clone());
            async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                for _ in 0..50 {
                    tokio::task::yield_now().await;
                }
                now.fetch_sub(1, Ordering::SeqCst);
                Ok::<_, Outcome>(())
            }
        }
    };
    let options = KindOptions { guard: Some(guard), ..KindOptions::default() };
    let shift = Shift::start(room.worker().handle_with("task", options, handler));
    let mut ids = Vec::new();
    for number in 0..12 {
        ids.push(room.client.enqueue(Task { number }).await.unwrap().id);
    }
    soon(async {
        for id in &ids {
            while room.job(id).await.state != State::Completed {
                tokio::task::yield_now().await;
            }
        }
    })
    .await;
    assert_eq!(most.load(Ordering::SeqCst), 2);
    let mut out = Exposition::default();
    room.engine.parts().expose(&mut out);
    let text = out.finish();
    for line in [
        "longshore_circuit_state{name=\"kind/task\"} 0",
        "longshore_circuit_calls_total{name=\"kind/task\",outcome=\"success\"} 12",
        "longshore_limiter_permits{name=\"kind/task\"} 2",
        "longshore_limiter_active{name=\"kind/task\"} 0",
    ] {
        assert!(text.contains(line), "{line}\nin\n{text}");
    }
    shift.drain().await;
}

#[tokio::test]
async fn a_guard_that_cannot_be_keeps_the_worker_from_starting() {
    let room = Room::new();
    let window = CircuitBreakerConfig {
        window: CircuitWindow::Count(0),
        ..CircuitBreakerConfig::simple("", 1, Duration::from_secs(1))
    };
    for (guard, field) in [
        (KindGuard { max_concurrent: Some(0), ..KindGuard::default() }, "max_concurrent"),
        (KindGuard { breaker: Some(window), ..KindGuard::default() }, "breaker.window"),
        (
            KindGuard {
                retry_budget: Some(RetryBudgetConfig { tokens: Some(0), ..RetryBudgetConfig::default() }),
                ..KindGuard::default()
            },
            "retry_budget.tokens",
        ),
        (KindGuard { rate: Some(RateLimiterConfig::per_second(0)), ..KindGuard::default() }, "rate.rate"),
    ] {
        let worker = room.worker().handle("task", async || Ok::<_, Outcome>(())).guard("task", guard);
        let error = worker.run(std::future::pending()).await.unwrap_err().to_string();
        assert!(error.contains(field), "{field}: {error}");
    }
    let worker = room.worker().handle("task", async || Ok::<_, Outcome>(())).guard("tusk", breaker(1));
    let error = worker.run(std::future::pending()).await.unwrap_err().to_string();
    assert!(error.contains("kinds") && error.contains("task") && error.contains("tusk"), "{error}");
}

#[tokio::test]
async fn nobody_who_waited_for_a_permit_is_called_once_the_breaker_is_open() {
    let room = Room::new();
    let calls = Arc::new(AtomicU32::new(0));
    let guard = KindGuard { max_concurrent: Some(1), ..breaker(1) };
    let (go, wait) = tokio::sync::watch::channel(false);
    let handler = {
        let calls = calls.clone();
        move || {
            calls.fetch_add(1, Ordering::SeqCst);
            let mut wait = wait.clone();
            async move {
                let _ = wait.wait_for(|go| *go).await;
                Err::<(), _>(Outcome::from(std::io::Error::other("away")))
            }
        }
    };
    let options = KindOptions { guard: Some(guard), ..KindOptions::default() };
    let shift = Shift::start(room.worker().handle_with("task", options, handler));
    let mut ids = Vec::new();
    for number in 0..2 {
        ids.push(room.client.enqueue(Task { number }).max_attempts(1).await.unwrap().id);
    }
    let states = async || {
        let mut states = Vec::new();
        for id in &ids {
            states.push(room.job(id).await.state);
        }
        states
    };
    // Both are claimed, one is called, and the other waits for its permit.
    soon(async {
        while calls.load(Ordering::SeqCst) == 0 || states().await != [State::Running, State::Running] {
            tokio::task::yield_now().await;
        }
    })
    .await;
    go.send(true).unwrap();
    soon(async {
        loop {
            let mut now = states().await;
            now.sort_by_key(|state| *state == State::Failed);
            if now == [State::Scheduled, State::Failed] {
                return;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    shift.drain().await;
}

#[tokio::test]
async fn a_job_that_was_cancelled_says_nothing_about_the_other_side() {
    let room = Room::new();
    let handler = |cancel: longshore_runtime::Cancel| async move {
        cancel.cancelled().await;
        Err::<(), _>(Outcome::from(std::io::Error::other("told to stop")))
    };
    let options = KindOptions { guard: Some(breaker(1)), ..KindOptions::default() };
    let shift = Shift::start(room.worker().handle_with("task", options, handler));
    let id = room.client.enqueue(Task { number: 1 }).await.unwrap().id;
    soon(async {
        while room.job(&id).await.state != State::Running {
            tokio::task::yield_now().await;
        }
        room.control.cancel(&id).await.unwrap();
        while room.job(&id).await.state != State::Cancelled {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let mut out = Exposition::default();
    room.engine.parts().expose(&mut out);
    let text = out.finish();
    assert!(text.contains("longshore_circuit_state{name=\"kind/task\"} 0"), "{text}");
    assert!(text.contains("outcome=\"ignored\"} 1"), "{text}");
    shift.drain().await;
}

#[tokio::test]
async fn another_guard_for_a_kind_takes_the_place_of_the_first() {
    let (mut kit, other) = (kit(), Other::default());
    other.register(&mut kit);
    kit.guard("task", breaker(1)).unwrap();
    other.broken.store(true, Ordering::SeqCst);
    enqueue(&kit, 1).await;
    enqueue(&kit, 1).await;
    run(&kit).await;
    kit.guard("task", breaker(9)).unwrap();
    assert_eq!(run(&kit).await.state, State::Failed, "the new one is closed");
}
