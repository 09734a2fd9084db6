use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use longshore_clock::Door;
use longshore_resilience::cache::escape_pattern;
use longshore_resilience::{Cache, CacheConfig, CacheError, CachePolicy, LoadError};
use proptest::prelude::*;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::support::{door, millis, now, secs};

fn cache(door: &Door) -> Cache {
    Cache::in_memory(CacheConfig::default(), door).unwrap()
}

/// What a call loads that is counted and may be held up.
#[derive(Clone, Default)]
struct Source(Arc<AtomicUsize>);

impl Source {
    fn calls(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// A load that is counted once it runs.
    fn of<T: Send + 'static>(
        &self,
        load: impl Future<Output = Result<T, String>> + Send + 'static,
    ) -> Load<T> {
        let calls = self.0.clone();
        Box::new(|| {
            Box::pin(async move {
                calls.fetch_add(1, Ordering::SeqCst);
                load.await
            })
        })
    }

    fn give<T: Send + 'static>(&self, value: T) -> Load<T> {
        self.of(async { Ok(value) })
    }

    fn fail<T: Send + 'static>(&self, error: &'static str) -> Load<T> {
        self.of(async move { Err(error.to_owned()) })
    }

    fn wait<T: Send + Default + 'static>(&self, value: oneshot::Receiver<T>) -> Load<T> {
        self.of(async { Ok(value.await.unwrap_or_default()) })
    }
}

type Load<T> = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = Result<T, String>> + Send>> + Send>;
type Get = Result<u32, LoadError<String>>;

/// A load of `a` that has begun and gives what it is sent.
async fn held(
    cache: &Cache,
    source: &Source,
    policy: CachePolicy,
) -> (JoinHandle<Get>, oneshot::Sender<u32>) {
    let (value, wait) = oneshot::channel();
    let (own, load) = (cache.clone(), source.wait(wait));
    let task = tokio::spawn(async move { own.get_or_set("a", policy, load).await });
    while source.calls() == 0 {
        tokio::task::yield_now().await;
    }
    (task, value)
}

#[test]
fn a_value_lives_as_long_as_it_is_told() {
    let (door, manual) = door();
    let cache = cache(&door);
    now(cache.set("a", &1, secs(10))).unwrap();
    now(cache.set("b", &2, None)).unwrap();
    now(cache.set("c", &3, ())).unwrap();
    manual.advance(millis(9_999));
    assert_eq!(now(cache.get("a")).unwrap(), Some(1));
    manual.advance(millis(1));
    assert_eq!(now(cache.get::<u32>("a")).unwrap(), None);
    manual.advance(secs(3590));
    assert_eq!(now(cache.get::<u32>("c")).unwrap(), None, "an hour is the default");
    assert_eq!(now(cache.get("b")).unwrap(), Some(2));
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses, stats.sets), (2, 2, 3));
    assert_eq!(stats.hit_rate, Some(0.5));
}

#[test]
fn nothing_stored_differs_from_nothing_there() {
    let (door, _) = door();
    let cache = cache(&door);
    now(cache.set("a", &None::<u32>, ())).unwrap();
    assert_eq!(now(cache.get::<Option<u32>>("a")).unwrap(), Some(None));
    assert_eq!(now(cache.get::<Option<u32>>("b")).unwrap(), None);
}

#[test]
fn a_value_of_another_type_is_not_found_and_counted() {
    let (door, _) = door();
    let cache = cache(&door);
    now(cache.set("a", "text", ())).unwrap();
    assert_eq!(now(cache.get::<u32>("a")).unwrap(), None);
    assert_eq!(cache.stats().errors, 1);
    assert_eq!(now(cache.get::<String>("a")).unwrap().as_deref(), Some("text"));
}

#[test]
fn tags_and_patterns_remove_what_they_name_and_count_it() {
    let (door, manual) = door();
    let cache = cache(&door);
    let tagged = |tag: &str| CachePolicy::ttl(secs(60)).tag("all").tag(tag);
    for (key, tag) in [("reports_17_a", "x"), ("reports_17_b", "y"), ("reports_18", "x"), ("odd*[1]", "y")] {
        now(cache.set(key, &1, tagged(tag))).unwrap();
    }
    assert_eq!(now(cache.invalidate_tag("x")).unwrap(), 2);
    assert_eq!(now(cache.invalidate_tag("x")).unwrap(), 0);
    assert_eq!(now(cache.invalidate_pattern("reports_17*")).unwrap(), 1);
    assert_eq!(now(cache.invalidate_pattern("odd*[2]")).unwrap(), 0, "brackets mean themselves");
    assert_eq!(now(cache.invalidate_pattern(&escape_pattern("odd*[1]"))).unwrap(), 1);
    now(cache.set("late", &1, tagged("x"))).unwrap();
    now(cache.set("late", &1, CachePolicy::ttl(secs(60)))).unwrap();
    assert_eq!(now(cache.invalidate_tag("x")).unwrap(), 0, "the new one has no tag");
    manual.advance(secs(60));
    assert_eq!(now(cache.clear()).unwrap(), 0, "what is over is not removed");
    now(cache.set("one", &1, ())).unwrap();
    assert!(now(cache.invalidate("one")).unwrap());
    assert!(!now(cache.invalidate("one")).unwrap());
    assert_eq!(cache.stats().invalidations, 5);
}

#[tokio::test]
async fn many_who_ask_at_once_make_one_call() {
    let (door, _) = door();
    let (cache, source) = (cache(&door), Source::default());
    let (first, value) = held(&cache, &source, CachePolicy::default()).await;
    let others: Vec<_> = (0..50)
        .map(|_| {
            let (cache, source) = (cache.clone(), source.clone());
            tokio::spawn(async move { cache.get_or_set("a", (), source.give(0_u32)).await })
        })
        .collect();
    tokio::task::yield_now().await;
    value.send(7).unwrap();
    assert_eq!(first.await.unwrap().unwrap(), 7);
    for other in others {
        assert_eq!(other.await.unwrap().unwrap(), 7);
    }
    assert_eq!(source.calls(), 1);
    let stats = cache.stats();
    assert_eq!((stats.loads, stats.joined + stats.hits), (1, 50));
}

#[tokio::test]
async fn those_who_wait_get_the_same_error_and_the_next_one_tries_again() {
    let (door, _) = door();
    let (cache, source) = (cache(&door), Source::default());
    let (go, wait) = oneshot::channel::<()>();
    let first = tokio::spawn({
        let (cache, source) = (cache.clone(), source.clone());
        let load = source.of(async {
            let _ = wait.await;
            Err("away".to_owned())
        });
        async move { cache.get_or_set("a", (), load).await }
    });
    tokio::task::yield_now().await;
    let second = tokio::spawn({
        let (cache, source) = (cache.clone(), source.clone());
        async move { cache.get_or_set("a", (), source.give(1_u32)).await }
    });
    tokio::task::yield_now().await;
    go.send(()).unwrap();
    for task in [first, second] {
        let Err(LoadError::Load(error)) = task.await.unwrap() else { panic!("it failed") };
        assert_eq!(*error, "away");
    }
    assert_eq!(source.calls(), 1);
    let third: Get = cache.get_or_set("a", (), source.give(2_u32)).await;
    assert_eq!(third.unwrap(), 2);
    assert_eq!(cache.stats().load_errors, 1);
}

#[tokio::test]
async fn one_who_goes_away_leaves_the_load_to_the_next() {
    let (door, _) = door();
    let (cache, source) = (cache(&door), Source::default());
    let (_never, wait) = oneshot::channel::<u32>();
    let first = tokio::spawn({
        let (cache, source) = (cache.clone(), source.clone());
        async move { cache.get_or_set("a", (), source.wait(wait)).await }
    });
    let second = tokio::spawn({
        let (cache, source) = (cache.clone(), source.clone());
        async move {
            while source.calls() == 0 {
                tokio::task::yield_now().await;
            }
            cache.get_or_set("a", (), source.give(2_u32)).await
        }
    });
    while source.calls() == 0 {
        tokio::task::yield_now().await;
    }
    tokio::task::yield_now().await;
    first.abort();
    assert_eq!(second.await.unwrap().unwrap(), 2);

    let panics = tokio::spawn({
        let cache = cache.clone();
        let load = || async { panic!("on purpose") };
        async move { cache.get_or_set::<u32, String, _, _>("b", (), load).await }
    });
    assert!(panics.await.is_err());
    let next: Get = cache.get_or_set("b", (), source.give(3_u32)).await;
    assert_eq!(next.unwrap(), 3);
}

#[tokio::test]
async fn one_who_has_waited_long_enough_loads_in_the_place_of_the_other() {
    let (door, manual) = door();
    let (cache, source) = (cache(&door), Source::default());
    let (first, value) = held(&cache, &source, CachePolicy::default()).await;
    let second = tokio::spawn({
        let (cache, source) = (cache.clone(), source.clone());
        async move { cache.get_or_set("a", (), source.give(2_u32)).await }
    });
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    manual.advance(secs(10));
    assert_eq!(second.await.unwrap().unwrap(), 2);
    assert_eq!(cache.get::<u32>("a").await.unwrap(), Some(2), "nobody waits for the first any more");
    value.send(1).unwrap();
    assert_eq!(first.await.unwrap().unwrap(), 1);
    assert_eq!(cache.stats().wait_timeouts, 1);
}

#[tokio::test]
async fn a_load_that_hangs_is_not_made_by_all_who_wait_for_it() {
    let given_up = hang(None).await;
    let is_told = |error| matches!(error, LoadError::Waited(time) if time == secs(40));
    assert!(given_up.into_iter().all(|got| got.is_err_and(is_told)));
    // At the last look it had been stale for thirty seconds.
    let old = hang(Some(secs(41))).await;
    assert!(old.into_iter().all(|got| got.unwrap() == 1));
    assert!(hang(Some(secs(40))).await.into_iter().all(|got| got.is_err()));
}

/// Ten callers of a load that hangs, with a value that has just become stale if one may cover for errors so long: what
/// those get who give up.
async fn hang(stale_if_error: Option<Duration>) -> Vec<Get> {
    let (door, manual) = door();
    let (cache, source) = (cache(&door), Source::default());
    let policy = CachePolicy::ttl(secs(60)).stale_if_error(stale_if_error.unwrap_or_default());
    if stale_if_error.is_some() {
        cache.set("a", &1, policy.clone()).await.unwrap();
        manual.advance(secs(60));
    }
    let (first, _never) = held(&cache, &source, policy.clone()).await;
    let others: Vec<_> = (0..9)
        .map(|_| {
            let load = source.of(std::future::pending());
            let (cache, policy) = (cache.clone(), policy.clone());
            tokio::spawn(async move { cache.get_or_set("a", policy, load).await as Get })
        })
        .collect();
    let settle = async || {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    };
    for calls in 1..=5 {
        settle().await;
        assert_eq!(source.calls(), calls);
        manual.advance(secs(10));
    }
    settle().await;
    let mut given_up = Vec::new();
    for task in others {
        if task.is_finished() {
            given_up.push(task.await.unwrap());
        } else {
            task.abort();
        }
    }
    first.abort();
    assert_eq!(given_up.len(), 5, "four load by then");
    given_up
}

#[tokio::test]
async fn a_value_that_is_invalidated_while_it_is_loaded_is_not_kept() {
    let (door, _) = door();
    let cache = cache(&door);
    for way in ["key", "tag", "pattern", "clear", "set"] {
        let source = Source::default();
        let (old, value) = held(&cache, &source, CachePolicy::ttl(secs(60)).tag("t")).await;
        match way {
            "key" => drop(cache.invalidate("a").await.unwrap()),
            "tag" => drop(cache.invalidate_tag("t").await.unwrap()),
            "pattern" => drop(cache.invalidate_pattern("a*").await.unwrap()),
            "clear" => drop(cache.clear().await.unwrap()),
            _ => cache.set("a", &3, ()).await.unwrap(),
        }
        // Who asks now is not told what was read before.
        let policy = CachePolicy::ttl(secs(60)).tag("t");
        let new: Get = cache.get_or_set("a", policy, source.give(3_u32)).await;
        assert_eq!(new.unwrap(), 3, "{way}");
        value.send(1).unwrap();
        assert_eq!(old.await.unwrap().unwrap(), 1, "{way}: who asked before gets what was read");
        assert_eq!(cache.get::<u32>("a").await.unwrap(), Some(3), "{way}");
        cache.clear().await.unwrap();
    }
    assert_eq!(cache.stats().not_kept, 5);
}

#[tokio::test]
async fn a_stale_value_is_handed_out_while_it_is_loaded_anew() {
    let (door, manual) = door();
    let (cache, source) = (cache(&door), Source::default());
    let policy = CachePolicy::ttl(secs(10)).stale_while_revalidate(secs(5));
    cache.set("a", &1, policy.clone()).await.unwrap();
    manual.advance(secs(12));
    assert_eq!(cache.get::<u32>("a").await.unwrap(), None, "a plain look sees only what is fresh");
    let (value, wait) = oneshot::channel();
    let stale = cache.get_or_set("a", policy.clone(), {
        let source = source.clone();
        source.wait(wait)
    });
    assert_eq!(stale.await.unwrap(), 1);
    let again: Get = cache.get_or_set("a", policy.clone(), source.give(0_u32)).await;
    assert_eq!(again.unwrap(), 1);
    value.send(2).unwrap();
    let mut cache_looks = 2;
    while cache.get::<u32>("a").await.unwrap() != Some(2) {
        cache_looks += 1;
        tokio::task::yield_now().await;
    }
    assert_eq!(source.calls(), 1);
    // A look that found nothing, two that were answered with what there was, and the looks of the loop.
    let stats = cache.stats();
    assert_eq!((stats.stale_hits, stats.loads), (2, 1));
    assert_eq!(stats.misses + stats.hits, cache_looks, "what is loaded anew is no lookup");
    manual.advance(secs(15));
    let late: Get = cache.get_or_set("a", policy, source.give(3_u32)).await;
    assert_eq!(late.unwrap(), 3, "too old to be handed out");
    assert_eq!(cache.stats().misses, stats.misses + 1);
}

#[tokio::test]
async fn a_stale_value_covers_for_an_error() {
    let (door, manual) = door();
    let (cache, source) = (cache(&door), Source::default());
    let policy = CachePolicy::ttl(secs(10)).stale_if_error(secs(30));
    cache.set("a", &1, policy.clone()).await.unwrap();
    manual.advance(secs(39));
    let covered: Get = cache.get_or_set("a", policy.clone(), source.fail("away")).await;
    assert_eq!(covered.unwrap(), 1);
    manual.advance(secs(1));
    let bare: Get = cache.get_or_set("a", policy, source.fail("away")).await;
    assert!(bare.is_err());
    assert_eq!(source.calls(), 2);
    let stats = cache.stats();
    assert_eq!((stats.stale_hits, stats.misses, stats.load_errors), (1, 1, 2));
}

#[tokio::test]
async fn a_value_that_grows_too_old_while_it_is_loaded_covers_for_nothing() {
    let (door, manual) = door();
    let (cache, source) = (cache(&door), Source::default());
    let policy = CachePolicy::ttl(secs(10)).stale_if_error(secs(30));
    cache.set("a", &1, policy.clone()).await.unwrap();
    manual.advance(secs(39));
    let (go, wait) = oneshot::channel::<()>();
    let slow = tokio::spawn({
        let (cache, source) = (cache.clone(), source.clone());
        let load = source.of(async {
            let _ = wait.await;
            Err::<u32, _>("away".to_owned())
        });
        async move { cache.get_or_set("a", policy, load).await }
    });
    while source.calls() == 0 {
        tokio::task::yield_now().await;
    }
    manual.advance(secs(1));
    go.send(()).unwrap();
    assert!(slow.await.unwrap().is_err());
}

#[tokio::test]
async fn that_there_is_nothing_is_remembered_for_a_while() {
    let (door, manual) = door();
    let (cache, source) = (cache(&door), Source::default());
    let ask =
        async |policy: CachePolicy| cache.get_or_set("a", policy, source.give(None::<u32>)).await.unwrap();
    let policy = CachePolicy::ttl(secs(600)).negative_ttl(secs(10));
    assert_eq!(ask(policy.clone()).await, None);
    manual.advance(secs(9));
    assert_eq!(ask(policy.clone()).await, None);
    assert_eq!(source.calls(), 1);
    manual.advance(secs(1));
    ask(policy).await;
    assert_eq!(source.calls(), 2);
    cache.clear().await.unwrap();
    let never = CachePolicy::ttl(secs(600)).negative_ttl(Duration::ZERO);
    ask(never.clone()).await;
    ask(never).await;
    assert_eq!(source.calls(), 4);
}

#[tokio::test]
async fn nothing_stretches_how_long_an_absence_is_remembered() {
    let (door, manual) = door();
    let config = CacheConfig { ttl_jitter: 0.5, ..CacheConfig::default() };
    let (cache, source) = (Cache::in_memory(config, &door).unwrap(), Source::default());
    let policy = CachePolicy::ttl(secs(600)).negative_ttl(secs(10));
    let policy = policy.stale_while_revalidate(secs(500)).stale_if_error(secs(500));
    for key in 0..50 {
        let absent = source.give(None::<u32>);
        assert_eq!(cache.get_or_set(&key.to_string(), policy.clone(), absent).await.unwrap(), None);
    }
    manual.advance(secs(10));
    for key in 0..50 {
        let there = source.give(Some(5));
        assert_eq!(cache.get_or_set(&key.to_string(), policy.clone(), there).await.unwrap(), Some(5));
    }
}

#[tokio::test]
async fn long_values_are_compressed_and_longer_ones_not_kept() {
    let (door, _) = door();
    let config = CacheConfig { compress_above: Some(100), max_entry_bytes: 10_000, ..CacheConfig::default() };
    let cache = Cache::in_memory(config, &door).unwrap();
    let text = "abc".repeat(3_000);
    cache.set("a", &text, ()).await.unwrap();
    assert_eq!(cache.get::<String>("a").await.unwrap(), Some(text));
    assert!(cache.stats().bytes.unwrap() < 1_000);
    let error = cache.set("b", &"x".repeat(9_999), ()).await.unwrap_err().to_string();
    assert!(error.contains("value") && error.contains("10000") && error.contains("10001"), "{error}");
    let long: Result<String, LoadError<String>> =
        cache.get_or_set("b", (), || async { Ok("x".repeat(20_000)) }).await;
    assert_eq!(long.unwrap().len(), 20_000);
    assert_eq!(cache.get::<String>("b").await.unwrap(), None);
    assert_eq!(cache.stats().too_large, 2);
}

#[test]
fn lifetimes_are_spread() {
    let (door, manual) = door();
    let config = CacheConfig { ttl_jitter: 0.1, ..CacheConfig::default() };
    let cache = Cache::in_memory(config, &door).unwrap();
    for key in 0..100 {
        now(cache.set(&key.to_string(), &key, secs(100))).unwrap();
    }
    let left =
        || (0..100).filter(|key: &u32| now(cache.get::<u32>(&key.to_string())).unwrap().is_some()).count();
    manual.advance(millis(89_999));
    assert_eq!(left(), 100);
    manual.advance(secs(10));
    assert!((10..90).contains(&left()));
    manual.advance(secs(10));
    assert_eq!(left(), 0);
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    let (door, _) = door();
    let refused = |config: CacheConfig| match Cache::in_memory(config, &door) {
        Ok(_) => String::new(),
        Err(invalid) => invalid.field,
    };
    let config = CacheConfig::default;
    assert_eq!(refused(CacheConfig { prefix: String::new(), ..config() }), "prefix");
    assert_eq!(refused(CacheConfig { prefix: "a:b".to_owned(), ..config() }), "prefix");
    assert_eq!(refused(CacheConfig { default_ttl: Some(Duration::ZERO), ..config() }), "default_ttl");
    assert_eq!(refused(CacheConfig { ttl_jitter: 0.6, ..config() }), "ttl_jitter");
    assert_eq!(refused(CacheConfig { ttl_jitter: f64::NAN, ..config() }), "ttl_jitter");
    assert_eq!(refused(CacheConfig { max_entry_bytes: 0, ..config() }), "max_entry_bytes");
    assert_eq!(refused(CacheConfig { max_entries: 0, ..config() }), "max_entries");
    assert_eq!(refused(CacheConfig { max_bytes: 1 << 20, ..config() }), "max_bytes");
    assert_eq!(refused(CacheConfig { load_wait: Duration::ZERO, ..config() }), "load_wait");
    assert_eq!(refused(CacheConfig { max_refreshes: 0, ..config() }), "max_refreshes");

    let cache = cache(&door);
    let field = |error: CacheError| match error {
        CacheError::Invalid(invalid) => invalid.field,
        other => panic!("{other}"),
    };
    assert_eq!(field(now(cache.get::<u32>("")).unwrap_err()), "key");
    assert_eq!(field(now(cache.set("a\n", &1, ())).unwrap_err()), "key");
    assert_eq!(field(now(cache.set(&"a".repeat(1025), &1, ())).unwrap_err()), "key");
    assert_eq!(field(now(cache.set("a", &1, CachePolicy::default().tag("a\tb"))).unwrap_err()), "tag");
    assert_eq!(field(now(cache.set("a", &1, Duration::ZERO)).unwrap_err()), "ttl");
    let crowded = (0..33).fold(CachePolicy::default(), |policy, tag| policy.tag(&tag.to_string()));
    assert_eq!(field(now(cache.set("a", &1, crowded)).unwrap_err()), "tags");
    assert_eq!(field(now(cache.invalidate_tag("")).unwrap_err()), "tag");
    assert_eq!(field(now(cache.invalidate_pattern("a\\")).unwrap_err()), "pattern");
    let no_json: BTreeMap<(u8, u8), u8> = [((1, 2), 3)].into();
    assert_eq!(field(now(cache.set("a", &no_json, ())).unwrap_err()), "value");
    assert_eq!(cache.stats().sets, 0);
}

#[derive(Clone, Debug)]
enum Step {
    Set(u8, u16, u8),
    Get(u8),
    Invalidate(u8),
    Tag(u8),
    Pattern(u8),
    Advance(u16),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..20_u8, 1..50_u16, 0..4_u8).prop_map(|(key, ttl, tag)| Step::Set(key, ttl, tag)),
        4 => (0..20_u8).prop_map(Step::Get),
        1 => (0..20_u8).prop_map(Step::Invalidate),
        1 => (0..4_u8).prop_map(Step::Tag),
        1 => (0..2_u8).prop_map(Step::Pattern),
        2 => (1..20_u16).prop_map(Step::Advance),
    ];
    proptest::collection::vec(step, 1..200)
}

proptest! {
    /// With room for all, it does what a plain map with lifetimes does, counts included.
    #[test]
    fn it_is_a_map_with_lifetimes(steps in steps()) {
        let (door, manual) = door();
        let cache = cache(&door);
        let mut model: BTreeMap<String, (usize, u64, u8)> = BTreeMap::new();
        let mut time = 0;
        for (number, step) in steps.into_iter().enumerate() {
            model.retain(|_, (_, until, _)| *until > time);
            let before = model.len() as u64;
            match step {
                Step::Set(key, ttl, tag) => {
                    let policy = CachePolicy::ttl(secs(u64::from(ttl))).tag(&tag.to_string());
                    now(cache.set(&key.to_string(), &number, policy)).unwrap();
                    model.insert(key.to_string(), (number, time + u64::from(ttl), tag));
                }
                Step::Get(key) => {
                    let expected = model.get(&key.to_string()).map(|(value, ..)| *value);
                    prop_assert_eq!(now(cache.get::<usize>(&key.to_string())).unwrap(), expected);
                }
                Step::Invalidate(key) => {
                    let was = model.remove(&key.to_string()).is_some();
                    prop_assert_eq!(now(cache.invalidate(&key.to_string())).unwrap(), was);
                }
                Step::Tag(tag) => {
                    model.retain(|_, (.., of)| *of != tag);
                    let removed = now(cache.invalidate_tag(&tag.to_string())).unwrap();
                    prop_assert_eq!(removed, before - model.len() as u64);
                }
                Step::Pattern(digit) => {
                    model.retain(|key, _| !key.starts_with(&digit.to_string()));
                    let removed = now(cache.invalidate_pattern(&format!("{digit}*"))).unwrap();
                    prop_assert_eq!(removed, before - model.len() as u64);
                }
                Step::Advance(by) => {
                    manual.advance(secs(u64::from(by)));
                    time += u64::from(by);
                }
            }
        }
    }

    /// Neither entries nor bytes are ever more than may be, and what is there is what was put there.
    #[test]
    fn it_stays_within_its_bounds(lengths in proptest::collection::vec(0..900_usize, 1..400), max_entries in 1..60_usize) {
        let (door, _) = door();
        let config = CacheConfig {
            max_entries,
            max_entry_bytes: 1_000,
            max_bytes: 8_192,
            compress_above: None,
            ..CacheConfig::default()
        };
        let cache = Cache::in_memory(config, &door).unwrap();
        for (number, length) in lengths.iter().enumerate() {
            let key = (number % 100).to_string();
            now(cache.set(&key, &"x".repeat(*length), CachePolicy::default().tag("t"))).unwrap();
            if let Some(text) = now(cache.get::<String>(&key)).unwrap() {
                prop_assert_eq!(text.len(), *length);
            }
            let stats = cache.stats();
            prop_assert!(stats.entries.unwrap() <= max_entries, "{} entries", stats.entries.unwrap());
            prop_assert!(stats.bytes.unwrap() <= 8_192, "{} bytes", stats.bytes.unwrap());
        }
        let entries = cache.stats().entries.unwrap() as u64;
        prop_assert!(entries > 0, "there is room for one at least");
        prop_assert_eq!(now(cache.invalidate_tag("t")).unwrap(), entries);
        prop_assert_eq!(cache.stats().entries, Some(0));
    }
}

#[test]
fn a_number_comes_back_as_it_was() {
    let (door, _) = door();
    let cache = cache(&door);
    for number in [0.198_440_042_788_562_86, 1.0 / 3.0, 5e-324, f64::MAX] {
        now(cache.set("number", &number, None)).unwrap();
        let read: f64 = now(cache.get("number")).unwrap().unwrap();
        assert_eq!(read.to_bits(), number.to_bits());
    }
}
