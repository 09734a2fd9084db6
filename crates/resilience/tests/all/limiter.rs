use std::time::Duration;

use longshore_clock::Door;
use longshore_resilience::{
    AcquisitionTimeoutError, Bulkhead, BulkheadConfig, BulkheadError, OwnedPermit, SemaphoreLimiter,
    SemaphoreLimiterConfig,
};
use proptest::prelude::*;

use crate::support::{Slow, door, millis, now, secs};

fn limiter(max_concurrent: usize) -> SemaphoreLimiter {
    let config = SemaphoreLimiterConfig { max_concurrent, ..SemaphoreLimiterConfig::default() };
    SemaphoreLimiter::new(&config, &door().0).unwrap()
}

type Line = Vec<Slow<Result<OwnedPermit, AcquisitionTimeoutError>>>;

fn join(limiter: &SemaphoreLimiter) -> Slow<Result<OwnedPermit, AcquisitionTimeoutError>> {
    let limiter = limiter.clone();
    let mut wait = Slow::new(async move { limiter.acquire_owned().await });
    assert!(wait.poll().is_none());
    wait
}

#[test]
fn permits_are_given_in_the_order_of_the_line() {
    let limiter = limiter(1);
    let held = now(limiter.acquire()).unwrap();
    let mut line: Line = (0..3).map(|_| join(&limiter)).collect();
    assert_eq!(limiter.get_metrics().waiting, 3);
    drop(held);
    assert!(limiter.try_acquire().is_none(), "nobody overtakes those who wait");
    assert!(line[1].poll().is_none() && line[2].poll().is_none());
    drop(line.remove(1));
    let first = line[0].poll().unwrap().unwrap();
    assert!(line[1].poll().is_none());
    drop(first);
    // The second has left the line; it is the third's turn.
    assert!(line[1].poll().is_some());
    assert!(limiter.try_acquire().is_some());
}

#[test]
fn a_wait_ends_in_time_and_is_counted() {
    let (door, manual) = door();
    let config = SemaphoreLimiterConfig { max_concurrent: 1, acquire_timeout: secs(30) };
    let limiter = SemaphoreLimiter::new(&config, &door).unwrap();
    let held = limiter.try_acquire().unwrap();
    let mut wait = join(&limiter);
    manual.advance(millis(29_999));
    assert!(wait.poll().is_none());
    manual.advance(millis(1));
    let error = wait.poll().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "Failed to acquire semaphore within 30s");
    drop(held);
    let metrics = limiter.get_metrics();
    assert_eq!((metrics.timeout_count, metrics.waiting, metrics.current_active), (1, 0, 0));
    assert_eq!((metrics.total_acquisitions, metrics.peak_active), (1, 1));

    let once = SemaphoreLimiterConfig { max_concurrent: 1, acquire_timeout: secs(0) };
    let limiter = SemaphoreLimiter::new(&once, &door).unwrap();
    let _held = now(limiter.acquire()).unwrap();
    assert!(now(limiter.acquire()).is_err(), "zero is to try once");
    // On the clock of a machine that is no wait either, and needs no timers.
    let limiter = SemaphoreLimiter::new(&once, &Door::system()).unwrap();
    let _held = now(limiter.acquire()).unwrap();
    assert!(now(limiter.acquire()).is_err());
    assert_eq!(limiter.get_metrics().timeout_count, 1);
    let long = SemaphoreLimiterConfig { max_concurrent: 1, acquire_timeout: Duration::MAX };
    assert_eq!(SemaphoreLimiter::new(&long, &door).err().unwrap().field, "acquire_timeout");
}

#[test]
fn a_permit_comes_back_from_a_panic() {
    let limiter = limiter(1);
    let panics = std::panic::AssertUnwindSafe(|| {
        let _permit = limiter.try_acquire().unwrap();
        panic!("on purpose");
    });
    assert!(std::panic::catch_unwind(panics).is_err());
    assert!(limiter.try_acquire().is_some());
}

#[test]
fn senseless_limits_are_refused() {
    let config = SemaphoreLimiterConfig { max_concurrent: 0, ..SemaphoreLimiterConfig::default() };
    let error = SemaphoreLimiter::new(&config, &door().0).err().unwrap();
    assert_eq!((error.field.as_str(), error.got.as_str()), ("max_concurrent", "0"));
    let limiter = limiter(3);
    assert!(limiter.set_max_concurrent(0).is_err());
    assert_eq!(limiter.get_metrics().max_concurrent, 3);
}

#[test]
fn a_full_line_refuses_at_once() {
    let config = BulkheadConfig { max_concurrent: 1, max_queue: 1, acquire_timeout: secs(1) };
    let bulkhead = Bulkhead::new(&config, &door().0).unwrap();
    let held = now(bulkhead.acquire()).unwrap();
    let waiting = bulkhead.clone();
    let mut wait = Slow::new(async move { waiting.acquire_owned().await });
    assert!(wait.poll().is_none());
    assert_eq!(now(bulkhead.acquire()).unwrap_err(), BulkheadError::Full { limit: 1 });
    drop(held);
    let held = wait.poll().unwrap().unwrap();
    let waiting = bulkhead.clone();
    let mut wait = Slow::new(async move { waiting.acquire_owned().await });
    assert!(wait.poll().is_none(), "the place in the line is free again");
    drop(wait);
    assert_eq!(bulkhead.get_metrics().full_count, 1);
    drop(held);
    assert!(bulkhead.try_acquire().is_some());
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Join,
    Leave(usize),
    Return(usize),
    Resize(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Join),
        1 => (0..20_usize).prop_map(Step::Leave),
        3 => (0..20_usize).prop_map(Step::Return),
        1 => (1..6_usize).prop_map(Step::Resize),
    ]
}

proptest! {
    /// However the limit is changed: no more run than the larger of the limit and of those who ran at the change, nobody
    /// waits while there is room, and the line keeps its order.
    #[test]
    fn a_limit_holds_through_every_change(first in 1..6_usize, steps in prop::collection::vec(step(), 1..120)) {
        let limiter = limiter(first);
        let (mut limit, mut bound) = (first, first);
        let mut line: Vec<(u32, Slow<Result<OwnedPermit, AcquisitionTimeoutError>>)> = Vec::new();
        let (mut held, mut next) = (Vec::new(), 0);
        for step in steps {
            match step {
                Step::Join => {
                    let other = limiter.clone();
                    line.push((next, Slow::new(async move { other.acquire_owned().await })));
                    next += 1;
                }
                Step::Leave(place) if !line.is_empty() => drop(line.remove(place % line.len())),
                Step::Return(place) if !held.is_empty() => drop(held.remove(place % held.len())),
                Step::Resize(other) => {
                    limiter.set_max_concurrent(other).unwrap();
                    (limit, bound) = (other, other.max(held.len()));
                }
                Step::Leave(_) | Step::Return(_) => {}
            }
            let mut stopped = false;
            line.retain_mut(|(number, wait)| match wait.poll() {
                None => {
                    stopped = true;
                    true
                }
                Some(permit) => {
                    assert!(!stopped, "{number} has overtaken somebody");
                    held.push(permit.unwrap());
                    false
                }
            });
            bound = if held.len() <= limit { limit } else { bound.min(held.len()) };
            prop_assert!(held.len() <= bound, "{} run, {bound} may", held.len());
            prop_assert!(line.is_empty() || held.len() >= limit, "somebody waits while there is room");
            prop_assert_eq!(limiter.get_metrics().current_active, held.len());
        }
    }
}
