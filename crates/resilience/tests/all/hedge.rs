use std::cell::{Cell, RefCell};
use std::rc::Rc;

use longshore_clock::{Clock, Door, ManualClock};
use longshore_resilience::{Advice, Fault, Hedge, HedgeAfter, HedgeConfig, Timeout, TimeoutError};

use crate::support::{Slow, door, millis, now, secs};

/// Copies that take so long each, and succeed or not.
async fn copy(clock: Clock, millis_: u64, ok: bool, dropped: Rc<Cell<u32>>) -> Result<u64, String> {
    struct Counts(Rc<Cell<u32>>, bool);
    impl Drop for Counts {
        fn drop(&mut self) {
            if !self.1 {
                self.0.set(self.0.get() + 1);
            }
        }
    }
    let mut counts = Counts(dropped, false);
    clock.sleep(millis(millis_)).await;
    counts.1 = true;
    if ok { Ok(millis_) } else { Err(format!("{millis_} failed")) }
}

type Ended = Slow<Result<u64, String>>;

fn run(hedge: &Hedge, clock: &Clock, copies: &'static [(u64, bool)], dropped: &Rc<Cell<u32>>) -> Ended {
    let (hedge, clock, dropped) = (hedge.clone(), clock.clone(), dropped.clone());
    let mut run = Slow::new(async move {
        hedge.run(|number| copy(clock.clone(), copies[number].0, copies[number].1, dropped.clone())).await
    });
    assert!(run.poll().is_none());
    run
}

#[test]
fn a_late_call_gets_a_copy_and_the_first_success_wins() {
    let (door, manual) = door();
    let config = HedgeConfig { after: HedgeAfter::Fixed(millis(50)), budget: 1.0, ..HedgeConfig::default() };
    let (hedge, dropped) = (Hedge::new(config, &door).unwrap(), Rc::new(Cell::new(0)));
    let mut first = run(&hedge, &door.clock, &[(500, true), (20, true)], &dropped);
    manual.advance(millis(49));
    assert!(first.poll().is_none());
    assert_eq!(hedge.get_metrics().hedged, 0);
    manual.advance(millis(1));
    assert!(first.poll().is_none());
    manual.advance(millis(20));
    assert_eq!(first.poll(), Some(Ok(20)));
    assert_eq!(dropped.get(), 1, "the slow one is dropped");

    // A failure waits for the copy that is still out.
    let mut second = run(&hedge, &door.clock, &[(60, false), (30, true)], &dropped);
    manual.advance(millis(50));
    assert!(second.poll().is_none());
    manual.advance(millis(10));
    assert!(second.poll().is_none());
    manual.advance(millis(20));
    assert_eq!(second.poll(), Some(Ok(30)));
    // One that fails before a copy is due has failed.
    let mut third = run(&hedge, &door.clock, &[(10, false), (1, true)], &dropped);
    manual.advance(millis(10));
    assert_eq!(third.poll(), Some(Err("10 failed".to_owned())));
    let metrics = hedge.get_metrics();
    assert_eq!((metrics.calls, metrics.hedged, metrics.won, metrics.cancelled), (3, 2, 2, 1));
}

/// Calls that take so long, one after the other, each with a copy that would be faster.
fn calls(hedge: &Hedge, door: &Door, manual: &ManualClock, count: usize, slow: bool) {
    let dropped = Rc::new(Cell::new(0));
    for _ in 0..count {
        let copies: &[(u64, bool)] = if slow { &[(40, true), (15, true)] } else { &[(10, true), (10, true)] };
        let mut call = run(hedge, &door.clock, copies, &dropped);
        while call.poll().is_none() {
            manual.advance(millis(1));
        }
    }
}

#[test]
fn copies_are_a_share_of_the_calls() {
    let (door, manual) = door();
    let config = HedgeConfig { after: HedgeAfter::Fixed(millis(12)), ..HedgeConfig::default() };
    let hedge = Hedge::new(config, &door).unwrap();
    calls(&hedge, &door, &manual, 100, false);
    assert_eq!(hedge.get_metrics().hedged, 0);
    // Ten were saved up; each further call brings a tenth.
    calls(&hedge, &door, &manual, 50, true);
    let hedged = hedge.get_metrics().hedged;
    assert!((14..=15).contains(&hedged), "{hedged}");
}

#[test]
fn a_percentile_waits_for_enough_samples() {
    let (door, manual) = door();
    let hedge = Hedge::new(HedgeConfig::default(), &door).unwrap();
    calls(&hedge, &door, &manual, 98, false);
    calls(&hedge, &door, &manual, 1, true);
    assert_eq!(hedge.get_metrics().hedged, 0);
    calls(&hedge, &door, &manual, 1, false);
    calls(&hedge, &door, &manual, 1, true);
    assert_eq!(hedge.get_metrics().hedged, 1, "it takes longer than 95 of 100 did");
    // A minute later nothing of that is known any more.
    manual.advance(secs(61));
    calls(&hedge, &door, &manual, 1, true);
    assert_eq!(hedge.get_metrics().hedged, 1);
}

#[test]
fn senseless_hedges_are_refused() {
    let (door, _) = door();
    for (config, field) in [
        (HedgeConfig { after: HedgeAfter::Percentile(1.0), ..HedgeConfig::default() }, "after"),
        (HedgeConfig { after: HedgeAfter::Fixed(secs(0)), ..HedgeConfig::default() }, "after"),
        (HedgeConfig { max_hedges: 0, ..HedgeConfig::default() }, "max_hedges"),
        (HedgeConfig { budget: 0.0, ..HedgeConfig::default() }, "budget"),
    ] {
        assert_eq!(Hedge::new(config, &door).err().unwrap().field, field);
    }
    assert_eq!(Timeout::new(secs(0), &door).err().unwrap().field, "timeout");
}

#[test]
fn a_call_that_takes_too_long_is_dropped() {
    let (door, manual) = door();
    let timeout = Timeout::new(secs(2), &door).unwrap();
    assert_eq!(now(timeout.run(async { 7 })), Ok(7));
    let held = Rc::new(RefCell::new(()));
    let (own, clock) = (held.clone(), door.clock.clone());
    let mut slow = Slow::new(async move {
        timeout
            .run(async move {
                clock.sleep(secs(3)).await;
                drop(own);
            })
            .await
    });
    assert!(slow.poll().is_none());
    manual.advance(secs(2));
    let error = slow.poll().unwrap().unwrap_err();
    assert_eq!((error, error.advice()), (TimeoutError(secs(2)), Advice::Retry));
    assert_eq!(Rc::strong_count(&held), 1);
}
