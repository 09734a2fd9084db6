//! What a handler returns decides the fate of its job.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use longshore_core::{Backoff, DurationText, EventName, Job as Record, Reason, State};
use longshore_runtime::testing::TestKit;
use longshore_runtime::{Args, ControlError, IntoSeconds, KindBackoff, KindOptions, Outcome};

use crate::kit::kit;
use crate::support::{HOUR, Room, Shift, Task, hear, millis};

/// A kit with one job, whose handler decides as it is told.
async fn decide(outcome: fn() -> Outcome) -> (TestKit, Record) {
    let mut kit = kit();
    kit.register(move |_: Args<Task>| async move { Err::<(), _>(outcome()) });
    kit.client().enqueue(Task { number: 1 }).max_attempts(2).await.unwrap();
    let job = kit.run_one("default").await.unwrap().unwrap();
    (kit, job)
}

#[tokio::test]
async fn an_error_is_tried_again_by_the_backoff_and_kept_for_each_attempt() {
    let mut kit = kit();
    let tries = Arc::new(AtomicU32::new(0));
    kit.register(move |_: Args<Task>| {
        let number = tries.fetch_add(1, Ordering::Relaxed) + 1;
        async move { Err::<(), Outcome>(std::io::Error::other(format!("broken {number}")).into()) }
    });
    let backoff =
        Backoff::Linear { base: DurationText(10.seconds()), max: DurationText(1.hour()), jitter: 0.0 };
    kit.client().enqueue(Task { number: 1 }).max_attempts(3).backoff(backoff).await.unwrap();

    for seconds in [10, 20] {
        let job = kit.run_one("default").await.unwrap().unwrap();
        assert_eq!((job.state, job.reason), (State::Scheduled, Some(Reason::Error)));
        assert_eq!(job.run_at.unwrap().since(job.started_at.unwrap()), Duration::from_secs(seconds));
        kit.advance(millis(seconds * 1_000 - 1)).await.unwrap();
        assert!(kit.run_one("default").await.unwrap().is_none(), "it comes back too early");
        kit.advance(millis(1)).await.unwrap();
    }
    let job = kit.run_one("default").await.unwrap().unwrap();
    assert_eq!((job.state, job.reason, job.attempt), (State::Failed, Some(Reason::Error), 3));
    let errors: Vec<_> = job.errors.iter().map(|error| (error.attempt, &*error.message)).collect();
    assert_eq!(errors, [(1, "broken 1"), (2, "broken 2"), (3, "broken 3")]);
}

#[tokio::test]
async fn a_kind_has_a_backoff_for_jobs_that_ask_for_none() {
    let fixed = |seconds: u32| Backoff::Fixed { delay: DurationText(seconds.seconds()), jitter: 0.0 };
    let room = Room::new();
    let options = KindOptions { backoff: Some(fixed(40).into()), ..KindOptions::default() };
    let fails = async || Err::<(), Outcome>(std::io::Error::other("broken").into());
    let shift = Shift::start(room.worker().handle_with("task", options, fails));
    let mut events = room.engine.hub().subscribe();
    for (own, seconds) in [(None, 40), (Some(fixed(7)), 7)] {
        let enqueue = room.client.enqueue(Task { number: 1 });
        let id = match own {
            Some(backoff) => enqueue.backoff(backoff).await.unwrap().id,
            None => enqueue.await.unwrap().id,
        };
        hear(&mut events, EventName::Retrying).await;
        let job = room.job(&id).await;
        let wait = job.run_at.unwrap().since(job.started_at.unwrap());
        assert!(wait >= Duration::from_secs(seconds) && wait < Duration::from_secs(seconds + 2), "{wait:?}");
    }
    shift.drain().await;
}

#[tokio::test]
async fn the_backoff_of_a_kind_may_be_a_function() {
    let room = Room::new();
    let wait = KindBackoff::function(|attempt| 90.seconds() * attempt);
    let options = KindOptions { backoff: Some(wait), ..KindOptions::default() };
    let fails = async || Err::<(), Outcome>(std::io::Error::other("broken").into());
    let shift = Shift::start(room.worker().handle_with("task", options, fails));
    let mut events = room.engine.hub().subscribe();
    let id = room.client.enqueue(Task { number: 1 }).await.unwrap().id;
    hear(&mut events, EventName::Retrying).await;
    let job = room.job(&id).await;
    let wait = job.run_at.unwrap().since(job.started_at.unwrap());
    assert!((90..92).contains(&wait.as_secs()), "{wait:?}");
    shift.drain().await;
}

#[tokio::test]
async fn a_backoff_that_panics_leaves_the_usual_wait() {
    let room = Room::new();
    let wait = KindBackoff::function(|_| panic!("no idea"));
    let options = KindOptions { backoff: Some(wait), ..KindOptions::default() };
    let fails = async || Err::<(), Outcome>(std::io::Error::other("broken").into());
    let shift = Shift::start(room.worker().handle_with("task", options, fails));
    let mut events = room.engine.hub().subscribe();
    let id = room.client.enqueue(Task { number: 1 }).await.unwrap().id;
    hear(&mut events, EventName::Retrying).await;
    let job = room.job(&id).await;
    assert_eq!((job.state, &*job.errors[0].message), (State::Scheduled, "broken"));
    shift.drain().await;
}

#[tokio::test]
async fn a_result_comes_back_as_the_type_that_the_kind_names() {
    let room = Room::new();
    let worker = room.worker().register(async |Args(task): Args<Task>| match task.number {
        0 => Err(Outcome::fail("nothing")),
        number => Ok(number * 2),
    });
    let shift = Shift::start(worker.handle("text", async || Ok::<_, Outcome>("no number")));
    assert_eq!(room.client.enqueue(Task { number: 21 }).result(HOUR).await.unwrap(), 42);
    let failed = room.client.enqueue(Task { number: 0 }).result(HOUR).await.unwrap_err();
    assert!(matches!(&failed, ControlError::WrongState { state: State::Failed, .. }), "{failed}");
    let text = room.add("text").await;
    room.ended(&text).await;
    let wrong = room.control.result::<Task>(&text).await.unwrap_err();
    assert!(matches!(&wrong, ControlError::NoResult { id, .. } if *id == text), "{wrong}");
    shift.drain().await;
    let late = room.client.enqueue(Task { number: 1 }).result(millis(1)).await.unwrap_err();
    assert!(matches!(&late, ControlError::WrongState { state: State::Ready, .. }), "{late}");
}

#[tokio::test]
async fn fail_ends_the_job_whatever_attempts_are_left() {
    let (_, job) = decide(|| Outcome::fail("no such address")).await;
    assert_eq!((job.state, job.reason, job.attempt), (State::Failed, Some(Reason::ByHandler), 1));
    assert_eq!(&*job.errors[0].message, "no such address");
}

#[tokio::test]
async fn cancel_ends_the_job_as_cancelled_without_an_error() {
    let (_, job) = decide(Outcome::cancel).await;
    assert_eq!((job.state, job.reason, job.errors.len()), (State::Cancelled, Some(Reason::ByHandler), 0));
}

#[tokio::test]
async fn a_snooze_does_not_spend_the_attempt() {
    let (kit, job) = decide(|| Outcome::snooze(5.minutes())).await;
    for _ in 0..3 {
        kit.advance(5.minutes()).await.unwrap();
        let again = kit.run_one("default").await.unwrap().unwrap();
        assert_eq!((again.state, again.reason), (State::Scheduled, Some(Reason::ByHandler)));
        assert_eq!((again.attempt, again.errors.len()), (0, 0));
    }
    assert_eq!((job.state, job.attempt), (State::Scheduled, 0));
    assert_eq!(job.run_at.unwrap().since(job.started_at.unwrap()), 5.minutes());
}

#[tokio::test]
async fn retry_after_goes_before_the_backoff_and_spends_the_attempt() {
    let (kit, job) = decide(|| Outcome::retry_after(1.hour(), "come back later")).await;
    assert_eq!((job.state, job.attempt), (State::Scheduled, 1));
    assert_eq!(job.run_at.unwrap().since(job.started_at.unwrap()), 1.hour());
    kit.advance(1.hour()).await.unwrap();
    let job = kit.run_one("default").await.unwrap().unwrap();
    assert_eq!((job.state, job.attempt, job.errors.len()), (State::Failed, 2, 2));
}

#[tokio::test]
async fn the_causes_of_an_error_are_its_trace() {
    #[derive(Debug)]
    struct Outer(std::io::Error);
    impl std::fmt::Display for Outer {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("cannot send")
        }
    }
    impl std::error::Error for Outer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }
    let (_, job) = decide(|| Outer(std::io::Error::other("no route")).into()).await;
    assert_eq!(&*job.errors[0].message, "cannot send");
    assert_eq!(job.errors[0].trace.as_deref(), Some("caused by: no route\n"));
}
