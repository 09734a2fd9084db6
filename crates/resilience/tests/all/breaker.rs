use std::sync::{Arc, Mutex};
use std::time::Duration;

use longshore_clock::ManualClock;
use longshore_resilience::{
    AcquisitionTimeoutError, Admission, BoxError, CircuitBreaker, CircuitBreakerConfig, CircuitBreakers,
    CircuitEvent, CircuitState, CircuitWindow, DeadlineError, HalfOpenRule, TimeoutError, Trigger, Verdict,
};
use proptest::prelude::*;

use crate::support::{door, millis, now, secs};

fn breaker(config: CircuitBreakerConfig) -> (CircuitBreaker, ManualClock) {
    let (door, manual) = door();
    (CircuitBreaker::new(config, &door).unwrap(), manual)
}

fn times(breaker: &CircuitBreaker, verdict: Verdict, count: usize) {
    for _ in 0..count {
        breaker.admit().unwrap().end(verdict);
    }
}

#[test]
fn it_opens_at_the_threshold_and_closes_after_its_probes() {
    let (breaker, manual) =
        breaker(CircuitBreakerConfig { error_rate_threshold: None, ..CircuitBreakerConfig::default() });
    times(&breaker, Verdict::Failure, 9);
    assert!(breaker.is_closed());
    times(&breaker, Verdict::Failure, 1);
    let error = breaker.admit().err().unwrap();
    assert_eq!((error.state, error.retry_after), (CircuitState::Open, secs(60)));
    manual.advance(millis(59_999));
    assert!(breaker.is_open());
    manual.advance(millis(1));
    // A healthy server, and three probes one after the other.
    for _ in 0..3 {
        assert!(breaker.is_half_open());
        let probe = breaker.admit().unwrap();
        let refused = breaker.admit().err().unwrap();
        assert_eq!((refused.state, refused.retry_after), (CircuitState::HalfOpen, Duration::ZERO));
        probe.success();
    }
    assert!(breaker.is_closed());
    // What was before the opening is forgotten.
    times(&breaker, Verdict::Failure, 9);
    assert!(breaker.is_closed());
    let metrics = breaker.get_metrics();
    assert_eq!((metrics.failure_count, metrics.success_count, metrics.total_rejected), (19, 3, 4));
    assert_eq!(metrics.window.failures, 9);
}

#[test]
fn rates_count_from_enough_calls_on_and_slow_calls_count_once() {
    let (breaker, manual) =
        breaker(CircuitBreakerConfig { failure_threshold: None, ..CircuitBreakerConfig::default() });
    times(&breaker, Verdict::Failure, 9);
    assert!(breaker.is_closed(), "nine calls say nothing about a rate");
    times(&breaker, Verdict::Success, 1);
    assert!(breaker.is_open());

    breaker.reset();
    assert_eq!(breaker.get_metrics().window.total, 0);
    for call in 0..10 {
        let admission = breaker.admit().unwrap();
        manual.advance(millis(if call < 5 { 301 } else { 300 }));
        admission.success();
    }
    let metrics = breaker.get_metrics();
    assert_eq!((metrics.state, metrics.slow_count, metrics.request_count), (CircuitState::Open, 5, 20));
}

#[test]
fn what_says_nothing_changes_nothing() {
    let (breaker, manual) = breaker(CircuitBreakerConfig::simple("host", 1, secs(30)));
    drop(breaker.admit().unwrap());
    breaker.admit().unwrap().ignored();
    assert_eq!(breaker.get_metrics().window.total, 0);
    assert_eq!(breaker.get_metrics().ignored_count, 2);
    // The end of a call from before does not decide in half-open.
    let early = breaker.admit().unwrap();
    times(&breaker, Verdict::Failure, 1);
    manual.advance(secs(30));
    assert!(breaker.is_half_open());
    early.success();
    assert!(breaker.is_half_open());
    // A probe that is cancelled makes room for another one.
    drop(breaker.admit().unwrap());
    breaker.admit().unwrap().success();
    assert!(breaker.is_closed());
    for (status, verdict) in [
        (200, Verdict::Success),
        (304, Verdict::Success),
        (404, Verdict::Ignored),
        (408, Verdict::Failure),
        (425, Verdict::Failure),
        (429, Verdict::Failure),
        (500, Verdict::Failure),
    ] {
        assert_eq!(Verdict::of_status(status), verdict, "{status}");
    }
}

#[test]
fn the_simple_one_counts_failures_in_a_row() {
    let (breaker, manual) = breaker(CircuitBreakerConfig::simple("host", 3, secs(30)));
    for _ in 0..20 {
        times(&breaker, Verdict::Failure, 2);
        times(&breaker, Verdict::Success, 1);
    }
    assert!(breaker.is_closed());
    let failed = now(breaker.call(|| async { Err::<(), _>("no paper") })).unwrap_err();
    assert_eq!(failed.to_string(), "no paper");
    times(&breaker, Verdict::Failure, 2);
    let mut called = false;
    let refused = now(breaker.call(|| {
        called = true;
        async { Ok::<_, String>(7) }
    }));
    assert!(refused.unwrap_err().to_string().contains("circuit host is open") && !called);
    manual.advance(secs(30));
    assert_eq!(now(breaker.call(|| async { Ok::<_, String>(7) })).unwrap(), 7);
    assert!(breaker.is_closed());
}

#[test]
fn openings_in_a_row_last_longer() {
    let config = CircuitBreakerConfig {
        open_growth: 2.0,
        open_state_duration_max: secs(150),
        ..CircuitBreakerConfig::default()
    };
    let (breaker, manual) = breaker(config);
    times(&breaker, Verdict::Failure, 10);
    for wait in [60, 120, 150, 150] {
        assert_eq!(breaker.get_metrics().next_probe_in, Some(f64::from(wait)));
        manual.advance(secs(wait as u64));
        times(&breaker, Verdict::Failure, 1);
    }
    manual.advance(secs(150));
    times(&breaker, Verdict::Success, 3);
    times(&breaker, Verdict::Failure, 10);
    assert_eq!(breaker.get_metrics().next_probe_in, Some(60.0));
}

#[test]
fn probes_decide_however_rare_they_are_and_nothing_else_does() {
    let config =
        CircuitBreakerConfig { half_open_rule: HalfOpenRule::Rate, ..CircuitBreakerConfig::default() };
    let (breaker, manual) = breaker(config);
    times(&breaker, Verdict::Failure, 10);
    manual.advance(secs(60));
    for _ in 0..3 {
        assert!(breaker.is_half_open());
        breaker.record_latency(millis(1));
        let probe = breaker.admit().unwrap();
        breaker.record_latency(millis(1));
        assert!(breaker.admit().is_err(), "a call that was not let through frees no place");
        probe.success();
        // Longer than the window.
        manual.advance(secs(40));
    }
    assert!(breaker.is_closed());
    assert_eq!(breaker.get_metrics().success_count, 9);
}

#[test]
fn the_rates_of_the_probes_decide() {
    const SLOW: u64 = 301;
    for (failures, slow, closes) in
        [(4, 0, false), (2, 0, false), (1, 0, true), (0, 2, false), (0, 1, true), (1, 1, true), (0, 0, true)]
    {
        let (breaker, manual) = breaker(CircuitBreakerConfig {
            half_open_rule: HalfOpenRule::Rate,
            half_open_max_calls: 4,
            error_rate_threshold: Some(0.5),
            ..CircuitBreakerConfig::default()
        });
        times(&breaker, Verdict::Failure, 10);
        manual.advance(secs(60));
        for probe in 0..4 {
            assert!(breaker.is_half_open(), "it is decided after four");
            let admission = breaker.admit().unwrap();
            manual.advance(millis(if probe < slow { SLOW } else { 1 }));
            let is_failure = (0..failures).contains(&probe);
            admission.end(if is_failure { Verdict::Failure } else { Verdict::Success });
        }
        assert_eq!((breaker.is_closed(), breaker.is_open()), (closes, !closes), "{failures} {slow}");
    }
}

#[test]
fn every_figure_and_every_reason_is_its_own() {
    let triggers = |breaker: &CircuitBreaker| {
        let told: Arc<Mutex<Vec<Trigger>>> = Arc::default();
        let note = told.clone();
        let listener = move |event: &CircuitEvent| {
            if let CircuitEvent::Changed { trigger, .. } = event {
                note.lock().unwrap().push(*trigger);
            }
        };
        breaker.listen(listener).unwrap();
        told
    };
    // Each rule by itself, on the same calls: ten, of which half fail and half are slow.
    let none = CircuitBreakerConfig {
        failure_threshold: None,
        error_rate_threshold: None,
        slow_call_rate_threshold: None,
        ..CircuitBreakerConfig::default()
    };
    for (config, trigger) in [
        (
            CircuitBreakerConfig { failure_threshold: Some(5), ..none.clone() },
            Trigger::FailureThresholdExceeded,
        ),
        (
            CircuitBreakerConfig { error_rate_threshold: Some(0.5), ..none.clone() },
            Trigger::ErrorRateExceeded,
        ),
        (CircuitBreakerConfig { slow_call_rate_threshold: Some(0.5), ..none }, Trigger::SlowCallRateExceeded),
    ] {
        let (breaker, manual) = breaker(config);
        let told = triggers(&breaker);
        manual.advance(secs(7));
        for call in 0..10 {
            let admission = breaker.admit().unwrap();
            manual.advance(millis(if call < 5 { 400 } else { 100 }));
            admission.end(if call < 5 { Verdict::Success } else { Verdict::Failure });
        }
        let opened = secs(7) + millis(5 * 400 + 5 * 100);
        let before = breaker.get_metrics();
        assert_eq!((before.failure_count, before.success_count, before.request_count), (5, 5, 10));
        assert_eq!((before.slow_count, before.ignored_count, before.total_rejected), (5, 0, 0));
        assert_eq!(before.last_failure_timestamp.unwrap().as_millis(), opened.as_millis() as i64);
        assert!((before.last_state_change - opened.as_secs_f64()).abs() < 1e-9);
        assert_eq!(before.next_probe_in, Some(60.0));
        assert!(breaker.admit().is_err());
        manual.advance(secs(60));
        breaker.admit().unwrap().ignored();
        breaker.admit().unwrap().failure();
        let after = breaker.get_metrics();
        assert_eq!((after.failure_count, after.ignored_count, after.total_rejected), (6, 1, 1));
        manual.advance(secs(60));
        times(&breaker, Verdict::Success, 3);
        times(&breaker, Verdict::Failure, 4);
        breaker.reset();
        let half_open = [Trigger::TimeoutElapsed, Trigger::HalfOpenFailure, Trigger::TimeoutElapsed];
        let all = [[trigger].as_slice(), &half_open, &[Trigger::HalfOpenSuccess]].concat();
        assert_eq!(*told.lock().unwrap(), all, "a reset of a closed one is no change");
    }
}

#[test]
fn refusals_and_deadlines_of_other_parts_are_no_failures() {
    let (breaker, _) = breaker(CircuitBreakerConfig::simple("host", 1, secs(30)));
    let full = AcquisitionTimeoutError(secs(1));
    let late = TimeoutError(secs(1));
    drop(now(breaker.call(|| async { Err::<(), _>(full) })));
    drop(now(breaker.call(|| async { Err::<(), BoxError>(full.into()) })));
    drop(now(breaker.call(|| async { Err::<(), _>(DeadlineError(late)) })));
    assert_eq!((breaker.is_closed(), breaker.get_metrics().ignored_count), (true, 3));
    drop(now(breaker.call(|| async { Err::<(), _>(late) })));
    assert!(breaker.is_open());
    breaker.reset();
    // Judged by something else: what the client did wrong says nothing.
    let status = |ended: &Result<u16, String>| {
        ended.as_ref().map_or(Verdict::Failure, |code| Verdict::of_status(*code))
    };
    for code in [200, 301, 400, 404, 499] {
        assert_eq!(now(breaker.call_with(status, || async { Ok(code) })), Ok(code));
    }
    assert!(breaker.is_closed());
    for code in [408, 425, 429, 500, 503, 599] {
        assert_eq!(now(breaker.call_with(status, || async { Ok(code) })), Ok(code));
        assert!(breaker.is_open(), "{code}");
        breaker.reset();
    }
}

#[test]
fn everything_is_told_outside_of_the_lock() {
    let (breaker, manual) = breaker(CircuitBreakerConfig::simple("host", 1, secs(1)));
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let (note, own) = (told.clone(), breaker.clone());
    breaker
        .listen(move |event| {
            // A listener may ask the breaker itself.
            let state = own.state();
            if let CircuitEvent::Changed { from, to, trigger, .. } = event {
                note.lock().unwrap().push(format!("{from} {to} {} {state}", trigger.as_str()));
            }
        })
        .unwrap();
    breaker.listen(|_| panic!("on purpose")).unwrap();
    let mut events = breaker.subscribe();
    times(&breaker, Verdict::Failure, 1);
    assert!(breaker.admit().is_err());
    manual.advance(secs(1));
    times(&breaker, Verdict::Failure, 1);
    breaker.reset();
    assert_eq!(
        *told.lock().unwrap(),
        [
            "closed open failure_threshold_exceeded open",
            "open half_open timeout_elapsed half_open",
            "half_open open half_open_failure open",
            "open closed manual_reset closed",
        ]
    );
    now(breaker.wait_pending());
    assert!(breaker.get_metrics().callback_panics >= 7);
    let first = now(events.next()).unwrap().unwrap();
    assert!(matches!(first, CircuitEvent::Ended { verdict: Verdict::Failure, .. }));
    let second = now(events.next()).unwrap().unwrap();
    assert!(matches!(second, CircuitEvent::Changed { trigger: Trigger::FailureThresholdExceeded, .. }));
    for _ in 0..300 {
        times(&breaker, Verdict::Success, 1);
    }
    assert!(now(events.next()).unwrap().is_err(), "a slow reader is told what it missed");
    for _ in 0..14 {
        breaker.listen(|_| {}).unwrap();
    }
    assert!(breaker.listen(|_| {}).is_err());
}

#[test]
fn breakers_that_say_nothing_make_room() {
    let (door, manual) = door();
    let breakers = CircuitBreakers::new(CircuitBreakerConfig::simple("host", 1, secs(10)), 2, &door).unwrap();
    breakers.of("ill").admit().unwrap().failure();
    let held = breakers.of("held");
    assert_eq!(&**breakers.of("new").name(), "host/other", "the one is open, the other is held");
    drop(held);
    assert_eq!(&**breakers.of("new").name(), "host/new");
    assert!(breakers.of("ill").is_open(), "it is still known");
    manual.advance(secs(10));
    breakers.of("ill").admit().unwrap().success();
    manual.advance(secs(60));
    assert_eq!(&**breakers.of("one more").name(), "host/one more");
}

#[test]
fn a_breaker_by_name_is_not_forgotten_while_somebody_hears_it() {
    let (door, _) = door();
    let breakers = CircuitBreakers::new(CircuitBreakerConfig::simple("host", 1, secs(10)), 1, &door).unwrap();
    let events = breakers.of("heard").subscribe();
    assert_eq!(&**breakers.of("new").name(), "host/other");
    drop(events);
    assert_eq!(&**breakers.of("new").name(), "host/new");
}

#[test]
fn breakers_by_name_make_room_without_a_word() {
    let (door, manual) = door();
    let config = CircuitBreakerConfig::simple("host", 1, secs(10));
    let breakers = Arc::new(CircuitBreakers::new(config, 1, &door).unwrap());
    let told = Arc::new(Mutex::new(0));
    let (note, own) = (told.clone(), breakers.clone());
    let ill = breakers.of("ill");
    ill.listen(move |_| *note.lock().unwrap() += own.all().len()).unwrap();
    ill.admit().unwrap().failure();
    drop(ill);
    let before = *told.lock().unwrap();
    manual.advance(secs(10));
    assert_eq!(&**breakers.of("new").name(), "host/other");
    assert_eq!(*told.lock().unwrap(), before, "to look at it is no change");
    assert!(breakers.of("ill").is_half_open() && *told.lock().unwrap() > before);
}

#[test]
fn breakers_by_name_are_bounded() {
    let (door, _) = door();
    let breakers = CircuitBreakers::new(CircuitBreakerConfig::simple("fetch", 1, secs(1)), 2, &door).unwrap();
    breakers.of("a").admit().unwrap().failure();
    let held = breakers.of("b");
    assert!(breakers.of("a").is_open() && held.is_closed());
    breakers.of("c").admit().unwrap().failure();
    assert!(breakers.of("d").is_open(), "those beyond the limit share one");
    let names: Vec<String> = breakers.all().iter().map(|breaker| breaker.name().to_string()).collect();
    assert_eq!(names, ["fetch/a", "fetch/b", "fetch/other"]);
    // Also when there is room again: somebody may still have it.
    drop(held);
    breakers.of("a").reset();
    assert!(breakers.of("e").is_closed() && breakers.of("other").is_open());
    let names: Vec<String> = breakers.all().iter().map(|breaker| breaker.name().to_string()).collect();
    assert_eq!(names, ["fetch/e", "fetch/other"]);
}

#[test]
fn thresholds_out_of_range_are_refused() {
    type Change = fn(&mut CircuitBreakerConfig);
    let wrong: [(&str, Change); 15] = [
        ("name", |config| config.name = "a\nb".to_owned()),
        ("failure_threshold", |config| config.failure_threshold = Some(0)),
        ("error_rate_threshold", |config| config.error_rate_threshold = Some(1.5)),
        ("error_rate_threshold", |config| config.error_rate_threshold = Some(f64::NAN)),
        ("slow_call_rate_threshold", |config| config.slow_call_rate_threshold = Some(0.0)),
        ("latency_threshold_multiplier", |config| config.latency_threshold_multiplier = 0.5),
        ("open_growth", |config| config.open_growth = f64::INFINITY),
        ("open_state_duration", |config| config.open_state_duration = Duration::ZERO),
        ("open_state_duration_max", |config| config.open_state_duration_max = secs(1)),
        ("probe_count", |config| config.probe_count = 0),
        ("window", |config| config.window = CircuitWindow::Count(0)),
        ("minimum_calls", |config| config.window = CircuitWindow::Count(5)),
        ("failure_threshold", |config| {
            (config.window, config.minimum_calls) = (CircuitWindow::Count(5), 5);
            config.failure_threshold = Some(6);
        }),
        ("failure_threshold", |config| {
            (config.failure_threshold, config.consecutive_failures) = (None, None);
            (config.error_rate_threshold, config.slow_call_rate_threshold) = (None, None);
        }),
        ("half_open_rule", |config| {
            config.half_open_rule = HalfOpenRule::Rate;
            (config.error_rate_threshold, config.slow_call_rate_threshold) = (None, None);
        }),
    ];
    for (field, change) in wrong {
        let mut config = CircuitBreakerConfig::default();
        change(&mut config);
        let error = CircuitBreaker::new(config, &door().0).err().unwrap();
        assert_eq!(error.field, field);
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Admit,
    End(usize, Verdict),
    Forget(usize),
    Pass(u64),
    Look,
}

fn step() -> impl Strategy<Value = Step> {
    let verdict = prop_oneof![Just(Verdict::Success), Just(Verdict::Failure), Just(Verdict::Ignored)];
    prop_oneof![
        4 => Just(Step::Admit),
        4 => (0..9_usize, verdict).prop_map(|(place, verdict)| Step::End(place, verdict)),
        1 => (0..9_usize).prop_map(Step::Forget),
        2 => (1..1_500_u64).prop_map(Step::Pass),
        1 => Just(Step::Look),
    ]
}

proptest! {
    /// Whatever happens: no more probes are out than may be, nothing is let through while it is open and its time is not
    /// over, states follow one another as they should, and every call is counted once.
    #[test]
    fn a_breaker_keeps_its_promises(
        probes in 1..4_u64,
        needed in 1..5_u64,
        by_rate in any::<bool>(),
        by_count in any::<bool>(),
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let rule = if by_rate { HalfOpenRule::Rate } else { HalfOpenRule::Consecutive };
        let window = if by_count { CircuitWindow::Count(20) } else { CircuitWindow::Time(secs(3)) };
        let config = CircuitBreakerConfig {
            failure_threshold: Some(4),
            probe_count: probes,
            half_open_max_calls: needed,
            half_open_rule: rule,
            open_state_duration: secs(1),
            window,
            ..CircuitBreakerConfig::default()
        };
        let (breaker, manual) = breaker(config);
        let changes: Arc<Mutex<Vec<(CircuitState, CircuitState)>>> = Arc::default();
        let note = changes.clone();
        breaker.listen(move |event| {
            if let CircuitEvent::Changed { from, to, .. } = event {
                note.lock().unwrap().push((*from, *to));
            }
        }).unwrap();
        let mut out: Vec<(usize, Admission)> = Vec::new();
        let (mut opened_at, mut clock, mut ended, mut ignored, mut refused) = (None, Duration::ZERO, 0, 0, 0);
        for step in steps {
            match step {
                Step::Admit => match breaker.admit() {
                    Ok(admission) => {
                        prop_assert!(!breaker.is_open(), "nothing is let through while it is open");
                        out.push((changes.lock().unwrap().len(), admission));
                    }
                    Err(error) => {
                        refused += 1;
                        prop_assert!(error.state != CircuitState::Closed);
                    }
                },
                Step::End(place, verdict) if !out.is_empty() => {
                    out.remove(place % out.len()).1.end(verdict);
                    if verdict == Verdict::Ignored { ignored += 1 } else { ended += 1 }
                }
                Step::Forget(place) if !out.is_empty() => {
                    drop(out.remove(place % out.len()));
                    ignored += 1;
                }
                Step::Pass(time) => {
                    manual.advance(millis(time));
                    clock += millis(time);
                }
                Step::Look => drop(breaker.state()),
                Step::End(..) | Step::Forget(_) => {}
            }
            let seen = changes.lock().unwrap().clone();
            let state = seen.last().map_or(CircuitState::Closed, |(_, to)| *to);
            if state == CircuitState::Open {
                let since = *opened_at.get_or_insert(clock);
                prop_assert!(clock < since + secs(1) || !matches!(step, Step::Admit | Step::Look));
            } else {
                opened_at = None;
            }
            if state == CircuitState::HalfOpen {
                let now_out = out.iter().filter(|(generation, _)| *generation == seen.len()).count();
                prop_assert!(now_out as u64 <= probes.min(needed), "{now_out} probes");
            }
            for pair in seen.windows(2) {
                prop_assert_eq!(pair[0].1, pair[1].0);
            }
            for (from, to) in seen {
                let legal = [
                    (CircuitState::Closed, CircuitState::Open),
                    (CircuitState::Open, CircuitState::HalfOpen),
                    (CircuitState::HalfOpen, CircuitState::Open),
                    (CircuitState::HalfOpen, CircuitState::Closed),
                ];
                prop_assert!(legal.contains(&(from, to)), "{from} to {to}");
            }
        }
        let metrics = breaker.get_metrics();
        prop_assert_eq!((metrics.request_count, metrics.ignored_count), (ended, ignored));
        prop_assert_eq!(metrics.total_rejected, refused);
        prop_assert_eq!(metrics.request_count, metrics.success_count + metrics.failure_count);
    }
}
