use longshore_resilience::{
    AdaptiveLimiter, AimdLimit, FixedLimit, Gradient2Limit, Limit, LimitSample, VegasLimit, Verdict,
};

use crate::support::{door, millis, secs};

fn sample(rtt: u64, in_flight: usize) -> LimitSample {
    LimitSample { rtt: millis(rtt), in_flight, dropped: false }
}

#[test]
fn aimd_grows_by_one_and_falls_by_a_tenth_within_its_bounds() {
    let narrow = AimdLimit::default().within(2..=8).unwrap();
    assert_eq!(narrow.limit(), 8);
    #[expect(clippy::reversed_empty_ranges, reason = "that is what is wrong with it")]
    for wrong in [0..=8, 8..=2] {
        assert_eq!(AimdLimit::default().within(wrong).unwrap_err().field, "limits");
    }
    let mut limit = AimdLimit::default();
    for _ in 0..30 {
        limit.update(sample(10, 100));
    }
    assert_eq!(limit.limit(), 50);
    limit.update(sample(10, 3));
    assert_eq!(limit.limit(), 50, "nobody needs more");
    limit.update(LimitSample { dropped: true, ..sample(10, 50) });
    assert_eq!(limit.limit(), 45);
    limit.update(sample(5_001, 50));
    assert_eq!(limit.limit(), 40);
    for _ in 0..1_000 {
        limit.update(sample(10, 1_000));
    }
    assert_eq!(limit.limit(), 200);
    for _ in 0..100 {
        limit.update(LimitSample { dropped: true, ..sample(10, 50) });
    }
    assert_eq!(limit.limit(), 20);
}

#[test]
fn vegas_grows_without_a_queue_and_shrinks_with_one() {
    let mut limit = VegasLimit::new(door().0.chance);
    limit.update(sample(10, 20));
    for _ in 0..5 {
        limit.update(sample(10, 1_000));
    }
    let grown = limit.limit();
    assert!(grown > 40, "{grown}");
    limit.update(sample(10, 1));
    assert_eq!(limit.limit(), grown, "nobody needs more");
    for _ in 0..10 {
        limit.update(sample(100, 1_000));
    }
    assert!(limit.limit() < grown);
    for _ in 0..10_000 {
        limit.update(sample(10, 100_000));
    }
    assert!(limit.limit() <= 1_000);
}

#[test]
fn gradient_falls_when_calls_take_longer_than_before() {
    let mut limit = Gradient2Limit::default();
    for _ in 0..100 {
        limit.update(sample(10, 500));
    }
    let grown = limit.limit();
    assert!(grown > 60, "{grown}");
    for _ in 0..20 {
        limit.update(sample(60, 500));
    }
    assert!(limit.limit() < grown);
    for _ in 0..5_000 {
        limit.update(sample(10, 500));
    }
    assert_eq!(limit.limit(), 200);
}

/// Passes on what it is told.
struct Told(std::sync::mpsc::Sender<LimitSample>);

impl Limit for Told {
    fn limit(&self) -> usize {
        20
    }

    fn update(&mut self, sample: LimitSample) {
        self.0.send(sample).unwrap();
    }
}

#[test]
fn a_window_of_calls_changes_the_limit_once() {
    let (door, manual) = door();
    let limiter = AdaptiveLimiter::new(AimdLimit::default(), secs(1), &door).unwrap();
    let window = |verdict: Verdict| {
        let permits: Vec<_> = (0..10).map(|_| limiter.try_acquire().unwrap()).collect();
        manual.advance(millis(1_000));
        for permit in permits {
            permit.end(verdict);
        }
    };
    window(Verdict::Success);
    assert_eq!(limiter.get_metrics().max_concurrent, 21);
    window(Verdict::Ignored);
    assert_eq!(limiter.get_metrics().max_concurrent, 21, "what says nothing changes nothing");
    drop(limiter.try_acquire().unwrap());
    window(Verdict::Failure);
    // 21 · 0.9, but never below 20.
    assert_eq!(limiter.get_metrics().max_concurrent, 20);
    assert_eq!(limiter.get_metrics().current_active, 0);
    // Failures that come at once say nothing about how long calls take.
    let (sender, samples) = std::sync::mpsc::channel();
    let limiter = AdaptiveLimiter::new(Told(sender), secs(1), &door).unwrap();
    for took in [millis(200), millis(0)] {
        for _ in 0..10 {
            let permit = limiter.try_acquire().unwrap();
            manual.advance(took);
            permit.end(Verdict::Failure);
        }
        manual.advance(secs(1));
        limiter.try_acquire().unwrap().end(Verdict::Failure);
    }
    let told: Vec<_> = samples.try_iter().map(|sample: LimitSample| (sample.rtt, sample.dropped)).collect();
    assert_eq!(told, [(millis(200), true); 2]);
    // Nor do quick ones beside calls that are answered, and so a bad second leaves the limit where it was.
    let vegas = AdaptiveLimiter::new(VegasLimit::new(door.chance.clone()), secs(1), &door).unwrap();
    let seconds = |count: usize, took: u64, verdict: Verdict| {
        for _ in 0..count {
            let permits: Vec<_> = std::iter::from_fn(|| vegas.try_acquire()).collect();
            manual.advance(millis(took));
            for permit in permits {
                permit.end(verdict);
            }
            manual.advance(millis(1_000 - took));
        }
        vegas.get_metrics().max_concurrent
    };
    let usual = seconds(20, 50, Verdict::Success);
    assert!(seconds(2, 1, Verdict::Failure) < usual);
    assert!(seconds(5, 50, Verdict::Success) > usual);
    assert!(AdaptiveLimiter::new(FixedLimit(0), secs(1), &door).is_err());
    let fixed = AdaptiveLimiter::new(FixedLimit(2), secs(1), &door).unwrap();
    let _held = (fixed.try_acquire().unwrap(), fixed.try_acquire().unwrap());
    assert!(fixed.try_acquire().is_none());
}
