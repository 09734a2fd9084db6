use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use longshore_resilience::cache::escape_pattern;
use longshore_resilience::{Cache, CacheConfig, CachePolicy, LoadError};
use redis::AsyncCommands;
use tokio::sync::oneshot;

use crate::server::{Redis, until};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn what_one_process_keeps_another_finds() {
    let redis = Redis::start();
    let (one, two) = (redis.cache().await, redis.cache().await);
    one.set("a", &vec![1, 2, 3], MINUTE).await.unwrap();
    one.set("never", "ends", None).await.unwrap();
    one.set("null", &None::<u32>, MINUTE).await.unwrap();
    assert_eq!(two.get::<Vec<u32>>("a").await.unwrap(), Some(vec![1, 2, 3]));
    assert_eq!(two.get::<String>("never").await.unwrap().as_deref(), Some("ends"));
    assert_eq!(two.get::<Option<u32>>("null").await.unwrap(), Some(None));
    assert_eq!(two.get::<Option<u32>>("b").await.unwrap(), None);
    let long = "abc".repeat(100_000);
    one.set("long", &long, MINUTE).await.unwrap();
    assert_eq!(two.get::<String>("long").await.unwrap(), Some(long));

    let mut wire = redis.wire().await;
    assert_eq!(wire.ttl::<_, i64>("cache:never").await.unwrap(), -1);
    let left: i64 = wire.pttl("cache:a").await.unwrap();
    assert!((1..=60_000).contains(&left), "{left}");
    let kept: Vec<u8> = wire.get("cache:a").await.unwrap();
    assert!(kept.ends_with(b"[1,2,3]"), "JSON: {kept:?}");
    assert!(wire.strlen::<_, usize>("cache:long").await.unwrap() < 10_000, "compressed");
    let stats = two.stats();
    assert_eq!((stats.backend, stats.hits, stats.misses, stats.errors), ("redis", 4, 1, 0));
}

#[tokio::test]
async fn what_is_over_is_gone() {
    let redis = Redis::start();
    let cache = redis.cache().await;
    let policy = CachePolicy::ttl(Duration::from_millis(50)).tag("t");
    cache.set("a", &1, policy).await.unwrap();
    until(None, async || cache.get::<u32>("a").await.unwrap()).await;
    let mut wire = redis.wire().await;
    // Its trace under the tag goes with it.
    until(false, async || wire.exists::<_, bool>("cache#tag:t").await.unwrap()).await;
}

#[tokio::test]
async fn a_stale_value_is_handed_out_and_covers_for_errors() {
    let redis = Redis::start();
    let cache = redis.cache().await;
    let policy = CachePolicy::ttl(Duration::from_millis(20)).stale_if_error(MINUTE);
    cache.set("a", &1, policy.clone()).await.unwrap();
    until(None, async || cache.get::<u32>("a").await.unwrap()).await;
    let covered: Result<u32, LoadError<String>> =
        cache.get_or_set("a", policy, || async { Err("away".to_owned()) }).await;
    assert_eq!(covered.unwrap(), 1);
    let policy = CachePolicy::ttl(MINUTE).stale_while_revalidate(MINUTE);
    let stale: Result<u32, LoadError<String>> = cache.get_or_set("a", policy, || async { Ok(2) }).await;
    assert_eq!(stale.unwrap(), 1);
    until(Some(2), async || cache.get::<u32>("a").await.unwrap()).await;
}

#[tokio::test]
async fn prefixes_tags_and_patterns_touch_nothing_else() {
    let redis = Redis::start();
    let cache = redis.cache().await;
    let config = CacheConfig { prefix: "cache2".to_owned(), ..CacheConfig::default() };
    let other = Cache::in_redis(config, &redis.patient().await).unwrap();
    let mut wire = redis.wire().await;
    let _: () = wire.set("cachet", "of somebody else").await.unwrap();
    for key in ["r_17_a", "r_17_b", "r_18", "odd*[1]", "odd*[2]", "odd1"] {
        cache.set(key, &1, CachePolicy::ttl(MINUTE).tag(&key[..1])).await.unwrap();
        other.set(key, &1, CachePolicy::ttl(MINUTE).tag(&key[..1])).await.unwrap();
    }
    assert_eq!(cache.invalidate_pattern("r_17*").await.unwrap(), 2);
    assert_eq!(cache.invalidate_pattern("[a-z]dd*").await.unwrap(), 0, "brackets mean themselves");
    assert_eq!(cache.invalidate_pattern(&escape_pattern("odd*[1]")).await.unwrap(), 1);
    assert_eq!(cache.invalidate_tag("r").await.unwrap(), 1, "two of the three have gone");
    assert!(cache.invalidate("odd1").await.unwrap());
    assert!(!cache.invalidate("odd1").await.unwrap());
    assert_eq!(cache.clear().await.unwrap(), 1);
    assert_eq!(other.get::<u32>("odd1").await.unwrap(), Some(1));
    assert_eq!(other.clear().await.unwrap(), 6);
    assert_eq!(wire.get::<_, String>("cachet").await.unwrap(), "of somebody else");
    let commands: String = redis::cmd("INFO").arg("commandstats").query_async(&mut wire).await.unwrap();
    assert!(!commands.contains("cmdstat_keys"), "{commands}");
}

#[tokio::test]
async fn thousands_under_one_tag_go_step_by_step() {
    let redis = Redis::start();
    let cache = redis.cache().await;
    for key in 0..1_777 {
        cache.set(&key.to_string(), &key, CachePolicy::ttl(MINUTE).tag("t")).await.unwrap();
    }
    let mut wire = redis.wire().await;
    let mut scripts = async || -> u32 {
        let stats: String = redis::cmd("INFO").arg("commandstats").query_async(&mut wire).await.unwrap();
        let line = stats.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:calls=")).unwrap();
        line.split(',').next().unwrap().parse().unwrap()
    };
    let before = scripts().await;
    assert_eq!(cache.invalidate_tag("t").await.unwrap(), 1_777);
    assert!(scripts().await - before >= 4, "not all in one step, in which nobody else is served");
    assert_eq!(cache.clear().await.unwrap(), 0);
}

#[tokio::test]
async fn what_another_process_invalidates_is_not_kept_by_one_that_loads() {
    let redis = Redis::start();
    let (one, two) = (redis.cache().await, redis.cache().await);
    for way in ["key", "tag", "pattern", "clear", "set"] {
        let (begun, has_begun) = oneshot::channel();
        let (value, wait) = oneshot::channel();
        let old = tokio::spawn({
            let one = one.clone();
            let load = || async move {
                begun.send(()).unwrap();
                Ok::<u32, String>(wait.await.unwrap())
            };
            async move { one.get_or_set("a", CachePolicy::ttl(MINUTE).tag("t"), load).await }
        });
        has_begun.await.unwrap();
        match way {
            "key" => drop(two.invalidate("a").await.unwrap()),
            "tag" => drop(two.invalidate_tag("t").await.unwrap()),
            "pattern" => drop(two.invalidate_pattern("*").await.unwrap()),
            "clear" => drop(two.clear().await.unwrap()),
            _ => two.set("a", &3, ()).await.unwrap(),
        }
        let policy = CachePolicy::ttl(MINUTE).tag("t");
        let new: Result<u32, LoadError<String>> = one.get_or_set("a", policy, || async { Ok(3) }).await;
        assert_eq!(new.unwrap(), 3, "{way}");
        value.send(1).unwrap();
        assert_eq!(old.await.unwrap().unwrap(), 1, "{way}");
        assert_eq!(two.get::<u32>("a").await.unwrap(), Some(3), "{way}");
        one.clear().await.unwrap();
    }
    assert_eq!(one.stats().not_kept, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_makes_one_call_for_many() {
    let redis = Redis::start();
    let cache = redis.cache().await;
    let calls = Arc::new(AtomicUsize::new(0));
    for round in 0..20 {
        let tasks: Vec<_> = (0..64)
            .map(|_| {
                let (cache, calls) = (cache.clone(), calls.clone());
                let load = move || async move {
                    calls.fetch_add(1, Ordering::SeqCst);
                    tokio::task::yield_now().await;
                    Ok::<u32, String>(round)
                };
                tokio::spawn(async move { cache.get_or_set(&round.to_string(), MINUTE, load).await })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap().unwrap(), round);
        }
        assert_eq!(calls.load(Ordering::SeqCst), round as usize + 1);
    }
}

#[tokio::test]
async fn a_new_value_leaves_the_tags_of_the_old_one_and_question_marks_are_characters() {
    let redis = Redis::start();
    let cache = redis.cache().await;
    cache.set("a", &1, CachePolicy::ttl(MINUTE).tag("x").tag("y")).await.unwrap();
    cache.set("a", &2, CachePolicy::ttl(MINUTE).tag("y")).await.unwrap();
    assert_eq!(cache.invalidate_tag("x").await.unwrap(), 0);
    assert_eq!(cache.get::<u32>("a").await.unwrap(), Some(2));
    assert_eq!(cache.invalidate_tag("y").await.unwrap(), 1);
    cache.set("\u{e4}b", &1, MINUTE).await.unwrap();
    cache.set("abc", &1, MINUTE).await.unwrap();
    assert_eq!(cache.invalidate_pattern("?b").await.unwrap(), 1);
}

#[tokio::test]
async fn marks_that_were_lost_keep_nothing_old() {
    let redis = Redis::start();
    let cache = redis.cache().await;
    let (begun, has_begun) = oneshot::channel();
    let (value, wait) = oneshot::channel();
    let old = tokio::spawn({
        let cache = cache.clone();
        let load = || async move {
            begun.send(()).unwrap();
            Ok::<u32, String>(wait.await.unwrap())
        };
        async move { cache.get_or_set("a", MINUTE, load).await }
    });
    has_begun.await.unwrap();
    let mut wire = redis.wire().await;
    let _: () = redis::cmd("FLUSHALL").query_async(&mut wire).await.unwrap();
    value.send(1).unwrap();
    assert_eq!(old.await.unwrap().unwrap(), 1);
    assert_eq!(redis.cache().await.get::<u32>("a").await.unwrap(), None);
}
