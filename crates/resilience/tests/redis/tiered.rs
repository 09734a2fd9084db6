use std::task::Poll;
use std::time::Duration;

use longshore_resilience::cache::RedisCacheConfig;
use longshore_resilience::{Cache, CacheConfig, CachePolicy, LoadError};
use redis::AsyncCommands;

use crate::server::{Redis, until};

const MINUTE: Duration = Duration::from_secs(60);

async fn tiered(redis: &Redis) -> Cache {
    let cache = Cache::tiered(CacheConfig::default(), &redis.patient().await).unwrap();
    until(Some(true), async || cache.hears_invalidations()).await;
    cache
}

#[tokio::test]
async fn what_was_read_once_is_read_from_memory() {
    let redis = Redis::start();
    let one = tiered(&redis).await;
    one.set("a", &1, MINUTE).await.unwrap();
    // Made now, so that the news of `a` does not reach it later.
    let two = tiered(&redis).await;
    assert_eq!(two.get::<u32>("a").await.unwrap(), Some(1));
    let mut wire = redis.wire().await;
    // Behind the back of everybody, which no cache does.
    let _: () = wire.del("cache:a").await.unwrap();
    assert_eq!(two.get::<u32>("a").await.unwrap(), Some(1));
    assert_eq!(two.stats().entries, Some(1));
    assert_eq!(one.get::<u32>("a").await.unwrap(), None, "the one who set it had not read it");
}

#[tokio::test]
async fn nothing_stretches_how_long_an_absence_is_remembered() {
    let redis = Redis::start();
    let mut wire = redis.wire().await;
    let config = CacheConfig { ttl_jitter: 0.5, ..CacheConfig::default() };
    let policy = CachePolicy::ttl(MINUTE * 10).stale_while_revalidate(MINUTE).stale_if_error(MINUTE);
    for cache in [
        Cache::in_redis(config.clone(), &redis.patient().await).unwrap(),
        Cache::tiered(config, &redis.patient().await).unwrap(),
    ] {
        let ask = async |key: &str, time: Duration, value: Option<u32>| {
            let policy = policy.clone().negative_ttl(time);
            let loaded: Result<_, LoadError<String>> =
                cache.get_or_set(key, policy, async move || Ok(value)).await;
            loaded.unwrap()
        };
        for key in 0..20 {
            assert_eq!(ask(&key.to_string(), MINUTE, None).await, None);
            let left: i64 = wire.pttl(format!("cache:{key}")).await.unwrap();
            assert!((1..=60_000).contains(&left), "{left}");
        }
        let short = Duration::from_millis(50);
        ask("short", short, None).await;
        // Also where it is kept in memory.
        until(Some(5), async || ask("short", short, Some(5)).await).await;
        assert_eq!(cache.stats().stale_hits, 0);
        cache.clear().await.unwrap();
    }
}

#[tokio::test]
async fn what_is_invalidated_by_somebody_who_goes_away_is_gone_for_all() {
    let redis = Redis::start();
    let (one, two, mut wire) = (tiered(&redis).await, tiered(&redis).await, redis.wire().await);
    for way in ["tag", "pattern", "clear"] {
        one.set("a", &1, CachePolicy::ttl(MINUTE).tag("t")).await.unwrap();
        // Not before the news of it have come, which would remove it here.
        until(Some(1), async || {
            two.get::<u32>("a").await.unwrap();
            two.stats().entries
        })
        .await;
        {
            let mut gone = std::pin::pin!(async {
                match way {
                    "tag" => one.invalidate_tag("t").await,
                    "pattern" => one.invalidate_pattern("a*").await,
                    _ => one.clear().await,
                }
            });
            // No further than to the moment in which it is gone where all look.
            while wire.exists::<_, bool>("cache:a").await.unwrap() {
                let look = std::future::poll_fn(|context| Poll::Ready(gone.as_mut().poll(context)));
                assert!(look.await.is_pending(), "it went further");
            }
        }
        until(None, async || two.get::<u32>("a").await.unwrap()).await;
    }
}

#[tokio::test]
async fn what_one_invalidates_is_gone_for_all() {
    let redis = Redis::start();
    let (one, two, three) = (tiered(&redis).await, tiered(&redis).await, redis.cache().await);
    for (way, who) in
        [("key", &one), ("tag", &one), ("pattern", &one), ("clear", &one), ("set", &one), ("key", &three)]
    {
        let policy = CachePolicy::ttl(MINUTE).tag("t");
        let old: Result<u32, LoadError<String>> = two.get_or_set("a", policy, || async { Ok(1) }).await;
        assert_eq!(old.unwrap(), 1);
        assert_eq!(one.get::<u32>("a").await.unwrap(), Some(1));
        let expected = match way {
            "key" => who.invalidate("a").await.map(|_| None),
            "tag" => who.invalidate_tag("t").await.map(|_| None),
            "pattern" => who.invalidate_pattern("a*").await.map(|_| None),
            "clear" => who.clear().await.map(|_| None),
            _ => who.set("a", &2, MINUTE).await.map(|()| Some(2)),
        };
        let expected: Option<u32> = expected.unwrap();
        assert_eq!(who.get::<u32>("a").await.unwrap(), expected, "{way}: at once where it was said");
        until(expected, async || two.get::<u32>("a").await.unwrap()).await;
        one.clear().await.unwrap();
        until(Some(0), async || two.stats().entries).await;
    }
}

#[tokio::test]
async fn who_does_not_hear_does_not_trust_its_memory() {
    let mut redis = Redis::start();
    let cache = Cache::tiered(CacheConfig::default(), &redis.place().await).unwrap();
    until(Some(true), async || cache.hears_invalidations()).await;
    until(Some(1), async || {
        cache.set("a", &1, MINUTE).await.unwrap();
        cache.get::<u32>("a").await.unwrap()
    })
    .await;
    redis.hang();
    until(Some(false), async || cache.hears_invalidations()).await;
    until(Some(0), async || cache.stats().entries).await;
    assert_eq!(cache.get::<u32>("a").await.unwrap(), None);
    redis.go_on();
    until(Some(true), async || cache.hears_invalidations()).await;
    until(Some(1), async || cache.get::<u32>("a").await.unwrap()).await;
    redis.kill();
    until(Some(false), async || cache.hears_invalidations()).await;
    redis.start_again();
    until(Some(true), async || cache.hears_invalidations()).await;
    until(true, async || {
        cache.set("a", &2, MINUTE).await.unwrap();
        cache.get::<u32>("a").await.unwrap() == Some(2)
    })
    .await;
}

#[test]
fn a_cache_whose_runtime_stands_still_trusts_nothing() {
    let redis = Redis::start();
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (still, other) = (runtime(), runtime());
    let patience = Duration::from_secs(1);
    let cache = still.block_on(async {
        let config = RedisCacheConfig { timeout: patience, ..RedisCacheConfig::at(&redis.url()) };
        let cache = Cache::tiered(CacheConfig::default(), &redis.place_with(config).await).unwrap();
        until(Some(true), async || cache.hears_invalidations()).await;
        cache.set("a", &1, MINUTE).await.unwrap();
        until(Some(1), async || {
            cache.get::<u32>("a").await.unwrap();
            cache.stats().entries
        })
        .await;
        cache
    });
    // From here on nobody drives the runtime of the cache.
    other.block_on(async {
        assert!(redis.cache().await.invalidate("a").await.unwrap());
        until(Some(false), async || cache.hears_invalidations()).await;
        assert_eq!(cache.get::<u32>("a").await.unwrap(), None);
    });
    still.block_on(async {
        until(Some(true), async || cache.hears_invalidations()).await;
        assert_eq!(cache.get::<u32>("a").await.unwrap(), None);
    });
}
